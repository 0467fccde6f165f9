"""`strongroom backup` and `strongroom restore`."""

from __future__ import annotations

import argparse
import base64
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.backup.archive import Archive


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
        "wrapped keys only: what opens the seal (the key file, shares) is not in it; keep it elsewhere. The "
        "running server authenticates it, so that nobody without the root key can make one.",
        allow_abbrev=False,
    )
    backup.add_argument("--to", dest="target", type=Path, metavar="FILE", help="the new file")
    backup.add_argument(
        "--unauthenticated", action="store_true", help="without the server: anybody could have made it"
    )
    add_data_directory(backup)
    backup.set_defaults(command=run_backup)
    verify = backup.add_subparsers(title="commands", metavar="COMMAND").add_parser(
        "verify", help="check every byte of a backup, and who made it", allow_abbrev=False
    )
    verify.add_argument("source", type=Path, metavar="FILE", help="the backup")
    verify.add_argument(
        "--data-dir",
        dest="asked_directory",
        type=Path,
        metavar="DIR",
        help="of a running server: ask it whether it made the backup",
    )
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
    restore.add_argument(
        "--unauthenticated",
        action="store_true",
        help="take a backup that no server authenticated, as those of older versions; recorded",
    )
    restore.add_argument(
        "--root-key",
        dest="root_key_id",
        metavar="ID",
        help="refuse a backup of another root key than this one (seal status shows it)",
    )
    add_data_directory(restore)
    restore.set_defaults(command=run_restore)


def run_backup(data_directory: Path, target: Path | None, unauthenticated: bool) -> int:
    """`strongroom backup`. Raises: BackupRefused, BackupUsage, ServerNotThere, CommandFailed."""
    from strongroom.backup.making import make_backup

    if target is None:
        raise BackupUsage("the following arguments are required: --to (see strongroom backup --help)")
    authenticate = None if unauthenticated else functools.partial(_authenticate, data_directory)
    manifest = make_backup(data_directory.absolute(), target.absolute(), authenticate)
    print(f"Backup of {manifest.keys} keys in {target}. SHA-256 of its manifest: {manifest.sha256}")
    if unauthenticated:
        print("Not authenticated: a restore takes it only with --unauthenticated, so note the SHA-256.")
    print("It opens only with what opens the seal; keep that, and the deletion ledger, elsewhere.")
    return 0


def run_verify(source: Path, asked_directory: Path | None, **_: object) -> int:
    """`strongroom backup verify`. Raises: BackupRefused, ServerNotThere, CommandFailed."""
    from strongroom.backup.making import verify_backup

    archive = verify_backup(source.absolute())
    manifest = archive.manifest
    print(
        f"The backup holds: {manifest.keys} keys, made {manifest.created_at} by version {manifest.version}, "
        f"{manifest.deletions} deletions known, audit block {manifest.audit_block} ({manifest.audit_hash})."
    )
    print(f"SHA-256 of its manifest: {manifest.sha256}")
    print(_describe_maker(archive, asked_directory))
    return 0


def run_restore(
    data_directory: Path,
    source: Path,
    ledger: Path | None,
    without_ledger: bool,
    replaces: bool,
    unauthenticated: bool,
    root_key_id: str | None,
) -> int:
    """`strongroom restore`. Raises: BackupRefused, StartRefused."""
    from strongroom.backup.restoring import restore_backup

    restored = restore_backup(
        source.absolute(),
        data_directory.absolute(),
        ledger and ledger.absolute(),
        replaces=replaces,
        takes_unauthenticated=unauthenticated,
        root_key_id=root_key_id,
    )
    print(
        f"Restored {restored.manifest.keys} keys of {restored.manifest.created_at} to {data_directory}. "
        f"Their root key is {restored.root_key_id}. Start the server now."
    )
    if restored.is_authenticated:
        print("The first start verifies that a server with this root key made the backup.")
    else:
        print("Nobody verifies who made the backup: its policies, grants and users may be anybody's.")
    if without_ledger:
        print("Without a deletion ledger: what was deleted since the backup is alive again.")
    return 0


def _authenticate(data_directory: Path, manifest_sha256: str) -> bytes:
    """Asks the running server. Raises BackupRefused, CommandFailed."""
    from strongroom.administration.client import ServerNotThere, ask
    from strongroom.administration.messages import AuthenticateBackup, BackupTicket
    from strongroom.backup.archive import BackupRefused

    try:
        made = ask(data_directory, AuthenticateBackup(manifest_sha256))
    except ServerNotThere as reason:
        raise BackupRefused(
            f"{reason} Only a running server can say that a backup is its own; without it, say "
            "--unauthenticated, and so will the restore have to. Nothing was written."
        ) from None
    assert isinstance(made, BackupTicket)  # noqa: S101
    return base64.b64decode(made.ticket)


def _describe_maker(archive: Archive, asked_directory: Path | None) -> str:
    """Raises BackupRefused, ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import BackupChecked, CheckBackup
    from strongroom.backup.archive import BackupRefused

    if archive.ticket is None:
        return "NOT AUTHENTICATED: anybody could have made it. Compare its SHA-256 with what you noted."
    if asked_directory is None:
        return "Who made it, only a server with its root key can tell: name one that runs (--data-dir)."
    ticket = base64.b64encode(archive.ticket).decode("ascii")
    told = ask(asked_directory, CheckBackup(archive.manifest.sha256, ticket))
    assert isinstance(told, BackupChecked)  # noqa: S101
    if not told.is_authentic:
        raise BackupRefused("No server with this root key made the backup: it is of another one, or forged.")
    return "A server with this root key made it."
