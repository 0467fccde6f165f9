"""Who made a backup: the boundary's ticket for its manifest, whose hashes bind the rest of it.

Only a server with the root key makes one, and only such a server can tell that it is genuine: the rows of a
forged backup (policies, grants, users) hold no secret, so nothing else would tell them.
"""

from __future__ import annotations

from typing import Final

from strongroom.boundary.interface import Boundary, TicketRefused

PURPOSE: Final = "backup-manifest"
_TEXT: Final = b"backup"


class BackupForged(Exception):
    """No server with this root key made the backup."""


async def authenticate_manifest(boundary: Boundary, sha256: bytes) -> bytes:
    """A ticket for the manifest with this hash. Raises BoundaryUnavailable."""
    return await boundary.make_ticket(PURPOSE, sha256, _TEXT)


async def require_authentic(boundary: Boundary, sha256: bytes, ticket: bytes) -> None:
    """Raises BackupForged, BoundaryUnavailable."""
    try:
        text = await boundary.read_ticket(PURPOSE, sha256, ticket)
    except TicketRefused:
        text = b""
    if text != _TEXT:
        raise BackupForged
