"""What a start does first with data that `strongroom restore` put in place: verify, delete again, and say so.

`restore` cannot tell a forged backup or ledger from a true one: only the boundary can. Until this is done no
request is answered. Safe to be cut short anywhere: it begins again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail
from strongroom.operations.backup_tickets import BackupForged, require_authentic
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import LedgerUnavailable, require_seals
from strongroom.request_ids import RequestIds
from strongroom.resources.deletion import LedgerRefused, parse_ledger, render_deletion

PENDING_FILE: Final = "restore.pending"
GIVEN_LEDGER_FILE: Final = "restore.ledger"
POLL_SECONDS: Final = 0.02


class RestoreRefused(Exception):
    """What was restored is not to be served. Its text is one or two sentences."""

    exit_code = 255


async def finish_restore(
    rooms: Rooms, audit: AuditTrail, request_ids: RequestIds, directory: Path, account_id: str
) -> None:
    """Check the backup and the ledger of a restore, repeat the deletions, record it, and let requests in.

    Raises RestoreRefused, LedgerUnavailable, AuditUnavailable; then the data stay as they are and nothing is
    served.
    """
    marker = directory / PENDING_FILE
    if not marker.exists():
        return
    pending: dict[str, Any] = json.loads(marker.read_bytes())
    ticket: str | None = pending.get("ticket")
    if ticket is not None:
        await _require_authentic(rooms, pending["sha256"], ticket)
    repeated = entries = 0
    given = directory / GIVEN_LEDGER_FILE
    if pending["with_ledger"]:
        try:
            entries, repeated = await _repeat_deletions(rooms, given)
        except (LedgerRefused, OSError) as refusal:
            raise LedgerUnavailable(
                f"The deletion ledger that was given to strongroom restore is not to be believed: {refusal}. "
                "Restore again, with the ledger of this data. Nothing was served."
            ) from None
    elif rooms.deletion_ledger is not None:
        await asyncio.to_thread(rooms.deletion_ledger.set_aside)
    details: dict[str, object] = {
        "backupCreatedAt": pending["created_at"],
        "backupSha256": pending["sha256"],
        "backupAuditBlock": pending["audit_block"],
        "backupAuditHash": pending["audit_hash"],
        "backupAuthenticated": ticket is not None,
        "rootKeyId": pending.get("root_key_id"),
        "deletionLedger": "applied" if pending["with_ledger"] else "none was given",
        "ledgerEntries": entries,
        "deletedAgain": repeated,
    }
    event = render_service_event(
        event_time=rooms.clock.epoch_seconds(),
        event_source="kms.amazonaws.com",
        event_name="RestoreBackup",
        region="us-east-1",
        service_event_details=details,
        resources=[],
        recipient_account_id=account_id,
        event_id=request_ids.next(),
    )
    await audit.durably(event)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(given)
    os.unlink(marker)
    _sync_directory(directory)


async def wait_for_restore(directory: Path) -> None:
    """Return when there is no restore to finish (any more): no request is answered before that."""
    while (directory / PENDING_FILE).exists():
        await asyncio.sleep(POLL_SECONDS)


async def _require_authentic(rooms: Rooms, sha256: str, ticket: str) -> None:
    try:
        await require_authentic(rooms.boundary, bytes.fromhex(sha256), base64.b64decode(ticket))
    except BackupForged:
        raise RestoreRefused(
            "The backup that was restored is not to be believed: no server with this root key made it, so "
            "its policies, grants and users may be anybody's. Restore another one. Nothing was served."
        ) from None


async def _repeat_deletions(rooms: Rooms, given: Path) -> tuple[int, int]:
    """How many entries were new, and how many of their subjects alive. Raises LedgerRefused, OSError."""
    lines = parse_ledger(await asyncio.to_thread(given.read_bytes))
    await require_seals(rooms.boundary, lines)
    entries = [render_deletion(line.deletion) for line in lines]
    known = list(await rooms.store.list_deletions(0))
    if entries[: len(known)] != known:
        raise LedgerRefused("it does not begin with the deletions that the backup knows")
    new = entries[len(known) :]
    return len(new), (await rooms.store.repeat_deletions(len(known), new) if new else 0)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
