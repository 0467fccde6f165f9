"""`strongroom audit verify`: whether the trail holds, and who signed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit.checkpoints import (
    CHECKPOINT_BYTES_MAX,
    CHECKPOINT_FILE,
    KEY_FILE,
    CheckpointRefused,
    SignedCheckpoint,
    parse_file,
)

if TYPE_CHECKING:
    from strongroom.audit.checkpoint_signatures import CheckpointKey
    from strongroom.audit.verify import VerifyReport


class AuditTrailUnsound(Exception):
    """A record was changed, removed or added."""

    exit_code = 1


class AuditTrailUnreadable(Exception):
    """Whether the trail holds could not be told."""

    exit_code = 255


def verify_audit(data_directory: Path, public_key: Path | None, checkpoint: Path | None) -> int:
    """`strongroom audit verify`. Raises: AuditTrailUnreadable, AuditTrailUnsound."""
    from strongroom.audit.verify import verify

    directory = data_directory / "audit"
    try:
        if not directory.is_dir():
            raise AuditTrailUnreadable(f"There is no audit trail in {directory}.")
        key = _load_key(data_directory, public_key)
        # Before the trail is read: a server that goes on meanwhile can only be ahead of them.
        known = [] if key is None else _load_checkpoints(data_directory, checkpoint)
        if checkpoint is not None and key is None:
            raise AuditTrailUnreadable(
                f"There is no {data_directory / KEY_FILE}: say with --public-key who signed the checkpoint."
            )
        report = verify(directory, key=key, known=known)
    except OSError as error:
        raise AuditTrailUnreadable(f"Cannot read the audit trail in {directory}: {error.strerror}.") from None
    if report.problem is not None:
        place = (
            "" if report.problem_file is None else f" ({report.problem_file}, byte {report.problem_offset})"
        )
        raise AuditTrailUnsound(f"The audit trail in {directory} does not hold: {report.problem}{place}")
    print(f"The audit trail holds: {report.records} records in {report.blocks} blocks.")
    if report.head_hash is not None:
        print(f"Hash of the last block, written {report.last_time}: {report.head_hash}")
    if report.first_block > 1:
        print(f"It begins with block {report.first_block}: what came before was not checked.")
    for sentence in _render_signatures(report, key):
        print(sentence)
    if public_key is not None and not report.checkpoints:
        raise AuditTrailUnsound(
            f"Nothing in the audit trail in {directory} is signed by the key {public_key}."
        )
    return 0


def _load_key(data_directory: Path, public_key: Path | None) -> CheckpointKey | None:
    """The given key, or that of the data directory; None where it has none. Raises AuditTrailUnreadable."""
    from strongroom.audit.checkpoint_signatures import KEY_FILE_BYTES_MAX, CheckpointKey

    path = public_key or data_directory / KEY_FILE
    content = _read(path, KEY_FILE_BYTES_MAX, must_be_there=public_key is not None)
    if content is None:
        return None
    try:
        return CheckpointKey(content)
    except ValueError:
        raise AuditTrailUnreadable(f"{path} holds no Ed25519 public key in PEM.") from None


def _load_checkpoints(data_directory: Path, checkpoint: Path | None) -> list[SignedCheckpoint]:
    """The given one and that of the data directory, as far as they are there. Raises AuditTrailUnreadable."""
    found = []
    for path, must_be_there in ((data_directory / CHECKPOINT_FILE, False), (checkpoint, True)):
        if path is None:
            continue
        content = _read(path, CHECKPOINT_BYTES_MAX, must_be_there=must_be_there)
        if content is not None:
            try:
                found.append(parse_file(content))
            except CheckpointRefused:
                raise AuditTrailUnreadable(f"{path} holds no checkpoint of an audit trail.") from None
    return found


def _render_signatures(report: VerifyReport, key: CheckpointKey | None) -> Iterator[str]:
    """What to say of a trail that holds."""
    if key is None:
        yield f"Signatures were not checked: there is no {KEY_FILE}, and no --public-key was given."
        return
    if report.signed_block:
        after = report.records - report.signed_records
        yield (
            f"Signed by key {key.id}, {report.signed_time}: all up to block {report.signed_block}. Not "
            f"signed yet: {after} records after it, the signature's own among them."
        )
    else:
        yield f"Key {key.id} has signed nothing of it."
    if report.foreign_checkpoints:
        yield f"{report.foreign_checkpoints} checkpoints name another key, and were not checked."


def _read(path: Path, bytes_max: int, *, must_be_there: bool) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        if must_be_there:
            raise AuditTrailUnreadable(f"There is no file {path}.") from None
        return None
    except OSError as error:
        raise AuditTrailUnreadable(f"Cannot read {path}: {error.strerror}.") from None
    if len(content) > bytes_max:
        raise AuditTrailUnreadable(f"{path} is larger than what belongs there.")
    return content
