"""The SQL of the deletion ledger's entries, and their repetition on restored data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from strongroom.resources.deletion import Deletion, DeletionKind, parse_deletion
from strongroom.resources.identifiers import KeyId, MaterialId, Region
from strongroom.resources.imported_material import without_material
from strongroom.resources.key import Key
from strongroom.store import keys
from strongroom.store.deletion_notes import count_deletions
from strongroom.store.schema import ACCESS_KEY_USES, ACCESS_KEYS, DELETIONS, PROXY_CREDENTIALS


def select_deletions(connection: Connection, after: int, limit: int | None) -> list[str]:
    """The entries with a sequence above `after`, in their order."""
    page = select(DELETIONS.c.entry).where(DELETIONS.c.sequence > after).order_by(DELETIONS.c.sequence)
    return list(connection.execute(page if limit is None else page.limit(limit)).scalars())


def repeat_deletions(connection: Connection, after: int, entries: Sequence[str], now: datetime) -> int:
    """Delete again what the entries from `after` + 1 on tell of, and enter them; how many were alive."""
    if count_deletions(connection) != after:
        raise ValueError("other entries were made meanwhile")
    repeated = 0
    for sequence, entry in enumerate(entries, after + 1):
        repeated += _repeat(connection, parse_deletion(entry), now)
        # What was just deleted has entered itself under the next sequence; the ledger's word stands.
        connection.execute(delete(DELETIONS).where(DELETIONS.c.sequence >= sequence))
        connection.execute(insert(DELETIONS), {"sequence": sequence, "entry": entry})
    return repeated


def _repeat(connection: Connection, deletion: Deletion, now: datetime) -> int:
    if deletion.kind is DeletionKind.ACCESS_KEY:
        connection.execute(delete(ACCESS_KEY_USES).where(ACCESS_KEY_USES.c.access_key_id == deletion.subject))
        gone = connection.execute(delete(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key_id == deletion.subject))
        return gone.rowcount
    if deletion.kind is DeletionKind.ACTIVE_ACCESS_KEY:
        is_its = ACCESS_KEYS.c.access_key_id == deletion.subject
        its_row = update(ACCESS_KEYS).where(is_its, ACCESS_KEYS.c.active)
        return connection.execute(its_row.values(active=False)).rowcount
    if deletion.kind is DeletionKind.PROXY_CREDENTIAL:
        is_it = PROXY_CREDENTIALS.c.access_key_id == deletion.subject
        return connection.execute(delete(PROXY_CREDENTIALS).where(is_it)).rowcount
    key = keys.select_key(connection, Region(deletion.region), KeyId(deletion.subject))
    if key is None or key.account_id != deletion.account_id:
        return 0
    if deletion.kind is DeletionKind.KEY:
        keys.destroy_key(connection, key, now)
        return 1
    return _erase_again(connection, key, MaterialId(deletion.material_id))


def _erase_again(connection: Connection, key: Key, material_id: MaterialId) -> int:
    material = key.materials.get(material_id)
    if material is None or material.exported_token is None:
        return 0
    keys.update_key(connection, without_material(key, {material_id}), erase=True)
    return 1
