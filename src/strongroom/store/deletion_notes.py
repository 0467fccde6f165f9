"""Entering a deletion in the ledger, in the transaction that deletes."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from strongroom.resources.deletion import Deletion, render_deletion
from strongroom.store.schema import DELETIONS


def count_deletions(connection: Connection) -> int:
    """How many entries there are; the last one's sequence."""
    return connection.execute(select(func.max(DELETIONS.c.sequence))).scalar_one() or 0


def note_deletion(connection: Connection, deletion: Deletion) -> None:
    """Enter it."""
    entry = {"sequence": count_deletions(connection) + 1, "entry": render_deletion(deletion)}
    connection.execute(insert(DELETIONS), entry)
