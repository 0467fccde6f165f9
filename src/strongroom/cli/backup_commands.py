"""`strongroom backup` and `strongroom restore`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


class BackupUsage(Exception):
    """The flags do not go together."""

    exit_code = 252


def add_to(
    commands_of: argparse._SubParsersAction[Any],
    add_data_directory: Callable[[argparse.ArgumentParser], None],
) -> None:
    """`backup`, `backup verify`, `restore`."""
    backup = commands_of.add_parser(
        "backup",
        help="write a backup while the server runs, or verify one",
        description="Write the database and the seal record, with a manifest, to one new file. It holds "
        "wrapped keys only: what opens the seal (the key file, shares) is not in it; keep it elsewhere.",
        allow_abbrev=False,
    )
    backup.add_argument("--to", dest="target", type=Path, metavar="FILE", help="the new file")
    add_data_directory(backup)
    backup.set_defaults(command=run_backup)
    verify = backup.add_subparsers(title="commands", metavar="COMMAND").add_parser(
        "verify", help="check every byte of a backup", allow_abbrev=False
    )
    verify.add_argument("source", type=Path, metavar="FILE", help="the backup")
    verify.set_defaults(command=run_verify)
    restore = commands_of.add_parser(
        "restore",
        help="put a backup in place of a stopped server's data",
        description="Verify a backup and put it in a data directory whose server is stopped. The next start "
        "deletes again what the deletion ledger tells of, and records the restore in the audit trail.",
        allow_abbrev=False,
    )
    restore.add_argument("--from", dest="source", type=Path, metavar="FILE", required=True, help="the backup")
    ledger = restore.add_mutually_exclusive_group(required=True)
    ledger.add_argument(
        "--deletion-ledger", dest="ledger", type=Path, metavar="FILE", help="what was deleted since"
    )
    ledger.add_argument(
        "--without-deletion-ledger",
        dest="without_ledger",
        action="store_true",
        help="let keys come back that were deleted since the backup",
    )
    restore.add_argument(
        "--replace", dest="replaces", action="store_true", help="give up the data that are in the directory"
    )
    add_data_directory(restore)
    restore.set_defaults(command=run_restore)


def run_backup(data_directory: Path, target: Path | None) -> int:
    """`strongroom backup`. Raises: BackupRefused, BackupUsage."""
    from strongroom.backup.making import make_backup

    if target is None:
        raise BackupUsage("the following arguments are required: --to (see strongroom backup --help)")
    manifest = make_backup(data_directory.absolute(), target.absolute())
    print(f"Backup of {manifest.keys} keys in {target}. SHA-256 of its manifest: {manifest.sha256}")
    print("It opens only with what opens the seal; keep that, and the deletion ledger, elsewhere.")
    return 0


def run_verify(source: Path, **_: object) -> int:
    """`strongroom backup verify`. Raises: BackupRefused."""
    from strongroom.backup.making import verify_backup

    manifest = verify_backup(source.absolute())
    print(
        f"The backup holds: {manifest.keys} keys, made {manifest.created_at} by version {manifest.version}, "
        f"{manifest.deletions} deletions known, audit block {manifest.audit_block} ({manifest.audit_hash})."
    )
    print(f"SHA-256 of its manifest: {manifest.sha256}")
    return 0


def run_restore(
    data_directory: Path, source: Path, ledger: Path | None, without_ledger: bool, replaces: bool
) -> int:
    """`strongroom restore`. Raises: BackupRefused, StartRefused."""
    from strongroom.backup.restoring import restore_backup

    manifest = restore_backup(
        source.absolute(), data_directory.absolute(), ledger and ledger.absolute(), replaces=replaces
    )
    print(
        f"Restored {manifest.keys} keys of {manifest.created_at} to {data_directory}. Start the server now."
    )
    if without_ledger:
        print("Without a deletion ledger: what was deleted since the backup is alive again.")
    return 0
