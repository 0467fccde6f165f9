"""The backup file: a tar of fixed parts of which every byte is determined or hashed (docs/formats/backup.md).

The reader takes nothing from the tar but sizes: each header must be the very bytes that the writer would have
made, so there are no other names, links, owners or duplicates to be careful about.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from strongroom.backup.swap import DATABASE, SEAL_RECORD

BLOCK_BYTES: Final = 512
MANIFEST: Final = "manifest.json"
MANIFEST_HASH: Final = "manifest.sha256"
MANIFEST_TICKET: Final = "manifest.ticket"
PARTS: Final = (DATABASE, SEAL_RECORD)
_BYTES_MAX: Final[Mapping[str, int]] = {
    MANIFEST: 8 << 20,
    MANIFEST_HASH: 65,
    MANIFEST_TICKET: 512,
    DATABASE: (8 << 30) - 1,
    SEAL_RECORD: 32 << 10,
}
WITHOUT_TICKET: Final = 1
WITH_TICKET: Final = 2
"""The versions of the format: in the second, the server has authenticated the manifest of its data."""
_CHUNK_BYTES: Final = 1 << 20
_ADVICE: Final = "Nothing was changed. Use another copy of this backup, or an earlier one."
_TEXT = re.compile(r"[ -~]{1,200}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TICKET = re.compile(rb"([A-Za-z0-9+/]{4,400}={0,2}) [0-9a-f]{64}\n")


class BackupRefused(Exception):
    """The file is no backup, is damaged or was changed, or cannot be made. Its text is one sentence."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. Every member is checked for its type and bounds when it is read."""

    format: int
    version: str
    created_at: str
    schema_revision: str
    audit_block: int
    audit_hash: str
    domain_key_ids: tuple[str, ...]
    keys: int
    deletions: int
    ledger_hash: str
    part_bytes: Mapping[str, int]
    part_sha256: Mapping[str, str]

    def render(self) -> bytes:
        """Canonical JSON."""
        members = {
            "backup": self.format,
            "version": self.version,
            "created_at": self.created_at,
            "schema_revision": self.schema_revision,
            "audit": {"block": self.audit_block, "hash": self.audit_hash},
            "domain_key_ids": list(self.domain_key_ids),
            "keys": self.keys,
            "deletions": {"count": self.deletions, "hash": self.ledger_hash},
            "parts": {
                name: {"bytes": self.part_bytes[name], "sha256": self.part_sha256[name]} for name in PARTS
            },
        }
        return json.dumps(members, separators=(",", ":")).encode("ascii") + b"\n"

    @property
    def sha256(self) -> str:
        """The backup's own hash: of the manifest, which has those of the parts."""
        return hashlib.sha256(self.render()).hexdigest()


class Archive(NamedTuple):
    """What was read of a backup beside its parts."""

    manifest: Manifest
    ticket: bytes | None
    """The boundary's, for the manifest; whether it is genuine, only the boundary can tell."""


def parse_manifest(content: bytes) -> Manifest:
    """Raises BackupRefused."""
    refused = BackupRefused("The backup's manifest is malformed.")
    try:
        read = json.loads(content)
        if _count(read["backup"]) not in (WITHOUT_TICKET, WITH_TICKET):
            raise refused
        manifest = Manifest(
            format=read["backup"],
            version=_text(read["version"]),
            created_at=_text(read["created_at"]),
            schema_revision=_text(read["schema_revision"]),
            audit_block=_count(read["audit"]["block"]),
            audit_hash=_hash(read["audit"]["hash"]),
            domain_key_ids=tuple(_text(each) for each in read["domain_key_ids"]),
            keys=_count(read["keys"]),
            deletions=_count(read["deletions"]["count"]),
            ledger_hash=_hash(read["deletions"]["hash"]),
            part_bytes={name: _count(read["parts"][name]["bytes"]) for name in PARTS},
            part_sha256={name: _hash(read["parts"][name]["sha256"]) for name in PARTS},
        )
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise refused from None
    if manifest.render() != content:
        raise refused
    return manifest


def write_archive(
    target: BinaryIO, manifest: Manifest, ticket: bytes | None, parts: Mapping[str, Path]
) -> None:
    """Write a whole backup. Raises OSError; BackupRefused for a part that is too large or changed."""
    content = manifest.render()
    _write_small(target, MANIFEST, content)
    _write_small(target, MANIFEST_HASH, manifest.sha256.encode("ascii") + b"\n")
    assert (ticket is not None) == (manifest.format == WITH_TICKET)  # noqa: S101
    if ticket is not None:
        _write_small(target, MANIFEST_TICKET, _render_ticket(ticket))
    for name in PARTS:
        size = manifest.part_bytes[name]
        target.write(_header(name, size))
        with parts[name].open("rb") as part:
            written = 0
            while chunk := part.read(_CHUNK_BYTES):
                written += len(chunk)
                target.write(chunk)
        if written != size:
            raise BackupRefused(f"{name} changed while it was written. Nothing was changed.")
        target.write(bytes(-size % BLOCK_BYTES))
    target.write(bytes(2 * BLOCK_BYTES))


def read_archive(source: BinaryIO, directory: Path | None = None) -> Archive:
    """Read and check a whole backup; with `directory`, its parts are written there (new files, 0600), synced.

    What is in `directory` is of a sound backup only if this returns. Raises BackupRefused, OSError.
    """
    try:
        return _read_all(source, directory)
    except BackupRefused as refused:
        raise BackupRefused(f"{refused} {_ADVICE}") from None


def _read_all(source: BinaryIO, directory: Path | None) -> Archive:
    content = _read_small(source, MANIFEST)
    manifest = parse_manifest(content)
    if _read_small(source, MANIFEST_HASH) != manifest.sha256.encode("ascii") + b"\n":
        raise BackupRefused("The backup's manifest was changed or is damaged.")
    ticket = _read_ticket(source) if manifest.format == WITH_TICKET else None
    for name in PARTS:
        size = _read_header(source, name)
        if size != manifest.part_bytes[name]:
            raise BackupRefused(f"The backup's {name} is not of the size that its manifest says.")
        digest = hashlib.sha256()
        target = None if directory is None else _create(directory / name)
        try:
            remaining = size
            while remaining:
                chunk = _read_exactly(source, min(_CHUNK_BYTES, remaining))
                remaining -= len(chunk)
                digest.update(chunk)
                if target is not None:
                    target.write(chunk)
            if target is not None:
                target.flush()
                os.fsync(target.fileno())
        finally:
            if target is not None:
                target.close()
        if digest.hexdigest() != manifest.part_sha256[name]:
            raise BackupRefused(f"The backup's {name} was changed or is damaged: its hash does not fit.")
        _read_padding(source, size)
    if any(_read_exactly(source, 2 * BLOCK_BYTES)) or source.read(1):
        raise BackupRefused("The backup does not end where a backup ends.")
    return Archive(manifest, ticket)


def hash_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a part. Raises OSError."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def _header(name: str, size: int) -> bytes:
    if size > _BYTES_MAX[name]:
        raise BackupRefused(f"{name} is too large for a backup ({size} bytes).")
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


def _read_header(source: BinaryIO, name: str) -> int:
    header = _read_exactly(source, BLOCK_BYTES)
    octal = header[124:135]
    size = int(octal, 8) if re.fullmatch(rb"[0-7]{11}", octal) else -1
    if not 0 < size <= _BYTES_MAX[name] or _header(name, size) != header:
        raise BackupRefused(f"The file is no backup, or is damaged: no {name} where it should be.")
    return size


def _write_small(target: BinaryIO, name: str, content: bytes) -> None:
    target.write(_header(name, len(content)) + content + bytes(-len(content) % BLOCK_BYTES))


def _read_small(source: BinaryIO, name: str) -> bytes:
    size = _read_header(source, name)
    content = _read_exactly(source, size)
    _read_padding(source, size)
    return content


def _render_ticket(ticket: bytes) -> bytes:
    """With a hash, which finds damage without the boundary."""
    return b"%s %s\n" % (base64.b64encode(ticket), hashlib.sha256(ticket).hexdigest().encode("ascii"))


def _read_ticket(source: BinaryIO) -> bytes:
    content = _read_small(source, MANIFEST_TICKET)
    found = _TICKET.fullmatch(content)
    if found is not None:
        try:
            ticket = base64.b64decode(found[1], validate=True)
        except ValueError:
            ticket = b""
        if _render_ticket(ticket) == content:  # one spelling only
            return ticket
    raise BackupRefused("The backup's ticket was changed or is damaged.")


def _read_padding(source: BinaryIO, size: int) -> None:
    if any(_read_exactly(source, -size % BLOCK_BYTES)):
        raise BackupRefused("The backup is damaged: there is something between its parts.")


def _read_exactly(source: BinaryIO, count: int) -> bytes:
    content = source.read(count)
    if len(content) != count:
        raise BackupRefused("The backup is cut short.")
    return content


def _create(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return open(os.open(path, flags, 0o600), "wb")


def _text(value: object) -> str:
    if not isinstance(value, str) or _TEXT.fullmatch(value) is None:
        raise ValueError
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or _HASH.fullmatch(value) is None:
        raise ValueError
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError
    return value
