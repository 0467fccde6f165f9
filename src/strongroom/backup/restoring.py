"""Putting a backup in place: verified before anything is written, and whole or not at all.

    restore.draft/   being written; of no meaning to anybody
    restore.ready/   renamed from it when complete and on disk: from here on the restore is decided
    restore.pending  in the data directory, last: the next start deletes again what the ledger tells of

`swap.py` goes on from restore.ready wherever it was cut short; a start calls it too.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from strongroom.audit.checkpoints import CHECKPOINT_FILE, KEY_FILE
from strongroom.backup.archive import (
    Archive,
    BackupRefused,
    Manifest,
    read_archive,
)
from strongroom.backup.making import require_facts
from strongroom.backup.swap import (
    ANCHOR,
    DATABASE,
    DRAFT,
    GIVEN_LEDGER_FILE,
    PENDING_FILE,
    READY,
    SEAL_RECORD,
    finish_swap,
    sync_directory,
)
from strongroom.boundary.seal_format import parse_seal
from strongroom.processes.data_directory import open_data_directory
from strongroom.resources.deletion import GENESIS, LEDGER_BYTES_MAX, LedgerRefused, parse_ledger

_ADMITTED: Final = frozenset(
    {"lock", "audit", CHECKPOINT_FILE, KEY_FILE, DRAFT, "seal.key", "deletion.ledger", ANCHOR}
    | {f"{DATABASE}-ballast", "operator.sock", "seal.sock", "pkcs11-pin.refused"}
)
"""What a directory may hold that nobody's keys are in: the rest where database and seal record are lost."""
_UNAUTHENTICATED: Final = (
    "No server has authenticated this backup: it is of an older version, or was made without its server, or "
    "somebody else made it, with key policies, grants and users of his own. If its SHA-256 is the one that "
    "you noted when it was made, say --unauthenticated. Nothing was changed."
)


class Restored(NamedTuple):
    """What was put in place."""

    manifest: Manifest
    root_key_id: str
    """In hexadecimal, as `strongroom seal status` shows it."""
    is_authenticated: bool
    """Whether the first start verifies that a server with this root key made the backup."""


def restore_backup(
    source: Path,
    data_directory: Path,
    ledger: Path | None,
    *,
    replaces: bool,
    takes_unauthenticated: bool = False,
    root_key_id: str | None = None,
) -> Restored:
    """Put a backup's data in `data_directory`, whose server must be stopped.

    `ledger` None: without a deletion ledger, so that what was deleted since comes back.
    `takes_unauthenticated`: also a backup that no server authenticated, which anybody may have made.
    `root_key_id`: whose root key the backup must be of; by default that of the data there, if there are any.
    Raises BackupRefused, StartRefused (another process uses the directory).
    """
    lines = b"" if ledger is None else _load_ledger(ledger)
    try:
        with source.open("rb") as file:
            archive = read_archive(file)  # all of it, before anything is written
            manifest = archive.manifest
            if archive.ticket is None and not takes_unauthenticated:
                raise BackupRefused(_UNAUTHENTICATED)
            if ledger is not None:
                _require_fitting(lines, manifest)
            held = open_data_directory(data_directory)
            try:
                finish_swap(data_directory)
                _require_room(data_directory, replaces=replaces)
                draft = data_directory / DRAFT
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(mode=0o700)
                try:
                    file.seek(0)
                    if read_archive(file, draft) != archive:
                        raise BackupRefused("The backup changed while it was read. Nothing was changed.")
                    require_facts(draft / DATABASE, manifest)
                    found = _require_root_key(draft, data_directory, root_key_id)
                    _write_pending(draft, archive, found, lines, with_ledger=ledger is not None)
                    os.rename(draft, data_directory / READY)
                    sync_directory(data_directory)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)
                finish_swap(data_directory)
            finally:
                held.close()
            return Restored(manifest, found, archive.ticket is not None)
    except OSError as error:
        raise BackupRefused(f"The restore could not be done: {error.strerror} ({error.filename}).") from None


def _require_room(data_directory: Path, *, replaces: bool) -> None:
    present = {path.name for path in data_directory.iterdir()}
    if DATABASE in present or SEAL_RECORD in present:
        if not replaces:
            raise BackupRefused(
                f"{data_directory} holds a server's data: to have the backup in their place, say --replace. "
                "Nothing was changed."
            )
    elif present - _ADMITTED:
        strange = sorted(present - _ADMITTED)[0]
        raise BackupRefused(
            f"{data_directory} is not empty ({strange}): name a new directory. Nothing was changed."
        )


def _load_ledger(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LEDGER_BYTES_MAX + 1)
    except OSError as error:
        raise BackupRefused(f"Cannot read the deletion ledger {path}: {error.strerror}.") from None
    if len(content) > LEDGER_BYTES_MAX:
        raise BackupRefused(f"The deletion ledger {path} is too large to be one.")
    return content


def _require_fitting(content: bytes, manifest: Manifest) -> None:
    """Whether the boundary sealed it, the next start checks. Raises BackupRefused."""
    try:
        lines = parse_ledger(content)
    except LedgerRefused as refusal:
        raise BackupRefused(f"The deletion ledger is damaged: {refusal}. Nothing was changed.") from None
    known = manifest.deletions
    digest = GENESIS if known == 0 else (lines[known - 1].hash if known <= len(lines) else b"")
    if digest.hex() != manifest.ledger_hash:
        raise BackupRefused(
            "The deletion ledger does not go with the backup: it lacks deletions that the backup knows, "
            "or is of other data. Nothing was changed."
        )


def _require_root_key(draft: Path, data_directory: Path, wanted: str | None) -> str:
    """The backup's root key, by its id, must be the `wanted` one, or that of the data there.

    Whoever brings a seal record of his own brings a root key that he knows, where a slot of it opens by what
    the settings name (another KMS); then a ticket proves nothing. Raises BackupRefused.
    """
    found = _root_key_id(draft / SEAL_RECORD)
    if found is None:
        raise BackupRefused("The backup's seal record is damaged. Nothing was changed.")
    there = data_directory / SEAL_RECORD
    known = wanted or (_root_key_id(there) if there.exists() else None)
    if known is not None and known != found:
        raise BackupRefused(
            f"The backup is of another root key ({found}) than {'was named' if wanted else 'the data there'} "
            f"({known}): it is of another server, or was made by somebody else. To have it all the same, say "
            f"--root-key {found}. Nothing was changed."
        )
    return found


def _root_key_id(record: Path) -> str | None:
    try:
        (check,) = {slot.check for slot in parse_seal(record.read_bytes())}
    except ValueError:
        return None
    return check.hex()


def _write_pending(
    draft: Path, archive: Archive, root_key_id: str, ledger: bytes, *, with_ledger: bool
) -> None:
    manifest, ticket = archive
    pending = {
        "created_at": manifest.created_at,
        "sha256": manifest.sha256,
        "ticket": None if ticket is None else base64.b64encode(ticket).decode("ascii"),
        "root_key_id": root_key_id,
        "audit_block": manifest.audit_block,
        "audit_hash": manifest.audit_hash,
        "with_ledger": with_ledger,
    }
    _write_synced(draft / PENDING_FILE, json.dumps(pending).encode("ascii"))
    if with_ledger:
        _write_synced(draft / GIVEN_LEDGER_FILE, ledger)
    sync_directory(draft)


def _write_synced(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
