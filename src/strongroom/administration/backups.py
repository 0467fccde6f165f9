"""Backups, for the operator's command line: the boundary says, or tells, that they are of this server."""

from __future__ import annotations

import base64
import re
from typing import Final

from strongroom.administration.messages import (
    AuthenticateBackup,
    BackupChecked,
    BackupTicket,
    CheckBackup,
)
from strongroom.operations.backup_tickets import BackupForged, authenticate_manifest, require_authentic
from strongroom.operations.context import Rooms

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class HashRefused(Exception):
    """No SHA-256; the text is one sentence."""


async def authenticate_backup(rooms: Rooms, command: AuthenticateBackup) -> BackupTicket:
    """A ticket. Raises HashRefused, BoundaryUnavailable."""
    ticket = await authenticate_manifest(rooms.boundary, _parse(command.manifest_sha256))
    return BackupTicket(base64.b64encode(ticket).decode("ascii"))


async def check_backup(rooms: Rooms, command: CheckBackup) -> BackupChecked:
    """Whether the ticket is genuine. Raises HashRefused, BoundaryUnavailable."""
    try:
        ticket = base64.b64decode(command.ticket, validate=True)
        await require_authentic(rooms.boundary, _parse(command.manifest_sha256), ticket)
    except (BackupForged, ValueError):
        return BackupChecked(False)
    return BackupChecked(True)


def _parse(text: str) -> bytes:
    if _SHA256.fullmatch(text) is None:
        raise HashRefused("A backup is named by the SHA-256 of its manifest, 64 hexadecimal digits.")
    return bytes.fromhex(text)
