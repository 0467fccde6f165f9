"""Making a backup, while the server runs or not."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from strongroom import __version__
from strongroom.audit.chain import HEAD_FILE, START, ChainBroken, Link, parse_head
from strongroom.backup.archive import (
    PARTS,
    WITH_TICKET,
    WITHOUT_TICKET,
    Archive,
    BackupRefused,
    Manifest,
    hash_file,
    read_archive,
    write_archive,
)
from strongroom.backup.swap import DATABASE, SEAL_RECORD
from strongroom.resources.deletion import LedgerRefused
from strongroom.store.copying import CopyFacts, copy_database, describe_copy
from strongroom.store.interface import StoreUnavailable

Authenticate: TypeAlias = Callable[[str], bytes]
"""The boundary's ticket for a manifest of this SHA-256, in hexadecimal."""


def make_backup(data_directory: Path, target: Path, authenticate: Authenticate | None) -> Manifest:
    """Write a backup of a data directory to the new file `target` (0600): whole, or not at all.

    `authenticate` asks the running server; None makes a backup that anybody could have made.
    Raises BackupRefused, and what `authenticate` raises.
    """
    if os.path.lexists(target):
        raise BackupRefused(f"{target} is there already: name a new file. Nothing was changed.")
    try:
        work = Path(tempfile.mkdtemp(prefix=".strongroom-backup-", dir=target.parent))
    except OSError as error:
        raise BackupRefused(f"Cannot write in {target.parent}: {error.strerror}.") from None
    try:
        return _make(data_directory, target, work, authenticate)
    except OSError as error:
        raise BackupRefused(f"The backup could not be written: {_render(error)}.") from None
    except (StoreUnavailable, LedgerRefused) as error:
        raise BackupRefused(f"The database cannot be backed up: {error}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def verify_backup(path: Path) -> Archive:
    """Check every byte of a backup, and its database. Raises BackupRefused."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".strongroom-backup-", dir=path.parent) as work,
            path.open("rb") as file,
        ):
            archive = read_archive(file)
            file.seek(0)
            read_archive(file, Path(work))
            require_facts(Path(work) / DATABASE, archive.manifest)
            return archive
    except OSError as error:
        raise BackupRefused(f"The backup {path} cannot be read: {_render(error)}.") from None


def _render(error: OSError) -> str:
    return f"{error.strerror} ({error.filename})" if error.filename else f"{error.strerror}"


def require_facts(database: Path, manifest: Manifest) -> None:
    """The database is one that this version can use, and what the manifest says. Raises BackupRefused."""
    try:
        facts = describe_copy(database)
    except (StoreUnavailable, LedgerRefused) as error:
        raise BackupRefused(f"The backup cannot be used: {error}. Nothing was changed.") from None
    told = CopyFacts(
        manifest.schema_revision,
        list(manifest.domain_key_ids),
        manifest.keys,
        manifest.deletions,
        manifest.ledger_hash,
    )
    if facts != told:
        raise BackupRefused("The backup's database is not what its manifest says. Nothing was changed.")


def _make(data_directory: Path, target: Path, work: Path, authenticate: Authenticate | None) -> Manifest:
    created_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # The audit head first: everything up to it is in the database that is copied afterwards.
    head = _load_audit_head(data_directory / "audit")
    seal_record = _load_seal_record(data_directory / SEAL_RECORD)
    (work / SEAL_RECORD).write_bytes(seal_record)
    copy_database(data_directory / DATABASE, work / DATABASE)
    facts = describe_copy(work / DATABASE)
    hashes = {name: hash_file(work / name) for name in PARTS}
    manifest = Manifest(
        format=WITHOUT_TICKET,
        version=__version__,
        created_at=created_at,
        schema_revision=facts.schema_revision,
        audit_block=head.block,
        audit_hash=head.hash.hex(),
        domain_key_ids=tuple(facts.domain_key_ids),
        keys=facts.keys,
        deletions=facts.deletions,
        ledger_hash=facts.ledger_hash,
        part_bytes={name: size for name, (size, _) in hashes.items()},
        part_sha256={name: digest for name, (_, digest) in hashes.items()},
    )
    ticket: bytes | None = None
    if authenticate is not None:
        manifest = replace(manifest, format=WITH_TICKET)
        ticket = authenticate(manifest.sha256)
    draft = work / f"draft-{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(draft, flags, 0o600), "wb") as file:
        write_archive(file, manifest, ticket, {name: work / name for name in PARTS})
        file.flush()
        os.fsync(file.fileno())
    with draft.open("rb") as file:
        read_archive(file)  # what was written is what a restore will accept
    try:
        os.link(draft, target)  # never over an existing file
    except FileExistsError:
        raise BackupRefused(f"{target} is there already: name a new file. Nothing was changed.") from None
    with contextlib.suppress(OSError):
        os.unlink(draft)
    fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return manifest


def _load_audit_head(directory: Path) -> Link:
    try:
        return parse_head((directory / HEAD_FILE).read_bytes()).link
    except FileNotFoundError:
        return START  # nothing was recorded yet
    except ChainBroken as error:
        raise BackupRefused(
            f"The audit trail in {directory} is damaged ({error}): look at it with strongroom audit verify."
        ) from None


def _load_seal_record(path: Path) -> bytes:
    try:
        record = path.read_bytes()
    except FileNotFoundError:
        record = b""
    if not record:
        raise BackupRefused(f"There is no seal record {path}: is this the data directory of a server?")
    return record
