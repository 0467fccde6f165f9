"""The SQL of keys, their materials and tags, and the ledger of destroyed keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from strongroom.aws.generated.enums import KeyManagerType, KeyState
from strongroom.resources.deletion import Deletion, DeletionKind
from strongroom.resources.identifiers import AccountId, KeyId, Region
from strongroom.resources.key import Key
from strongroom.store.deletion_notes import note_deletion
from strongroom.store.interface import ConcurrentChange, LimitReached
from strongroom.store.rows import (
    parse_key,
    render_instant,
    render_key,
    render_ledger_entry,
    render_materials,
    render_tags,
)
from strongroom.store.schema import (
    ACCESS_KEY_USES,
    ACCESS_KEYS,
    ACCOUNTS,
    ALIASES,
    CUSTOM_KEY_STORES,
    DESTROYED_KEYS,
    GRANTS,
    IAM_ENTITIES,
    IAM_REFERENCES,
    KEY_COUNTS,
    KEY_MATERIALS,
    KEY_TAGS,
    KEY_USAGES,
    KEYS,
)

_KEY = select(KEYS).where(KEYS.c.region == bindparam("region"), KEYS.c.key_id == bindparam("key_id"))
_MATERIALS = (
    select(KEY_MATERIALS)
    .where(KEY_MATERIALS.c.region == bindparam("region"), KEY_MATERIALS.c.key_id == bindparam("key_id"))
    .order_by(KEY_MATERIALS.c.position)
)
_TAGS = (
    select(KEY_TAGS.c.tag_key, KEY_TAGS.c.tag_value)
    .where(KEY_TAGS.c.region == bindparam("region"), KEY_TAGS.c.key_id == bindparam("key_id"))
    .order_by(KEY_TAGS.c.position)
)
_PAGE = (
    select(KEYS.c.key_id)
    .where(
        KEYS.c.account_id == bindparam("account_id"),
        KEYS.c.region == bindparam("region"),
        KEYS.c.key_id > bindparam("after"),
    )
    .order_by(KEYS.c.key_id)
    .limit(bindparam("limit"))
)
_DUE = (
    select(KEYS.c.region, KEYS.c.key_id)
    .where(KEYS.c.deletion_at <= bindparam("until"))
    .order_by(KEYS.c.deletion_at)
    .limit(bindparam("limit"))
)
_MAY_ROTATE = (KEYS.c.key_state == KeyState.ENABLED.value) & (
    KEYS.c.primary_region.is_(None) | (KEYS.c.primary_region == KEYS.c.region)
)
_DUE_FOR_ROTATION = (
    select(KEYS.c.region, KEYS.c.key_id)
    .where(_MAY_ROTATE, KEYS.c.next_rotation_at <= bindparam("until"))
    .order_by(KEYS.c.next_rotation_at)
    .limit(bindparam("limit"))
)
_IN_ROTATION = (
    select(KEYS.c.region, KEYS.c.key_id)
    .where(_MAY_ROTATE, KEYS.c.rotation_started_at > 0)  # a range: IS NOT NULL would read every row
    .order_by(KEYS.c.rotation_started_at)
    .limit(bindparam("limit"))
)
_EXPIRED = (
    select(KEY_MATERIALS.c.region, KEY_MATERIALS.c.key_id)
    .where(KEY_MATERIALS.c.expires_at <= bindparam("until"))
    .order_by(KEY_MATERIALS.c.expires_at)
    .limit(bindparam("limit"))
)
_RELATED = (
    select(KEYS.c.region)
    .where(KEYS.c.key_id == bindparam("key_id"), KEYS.c.account_id == bindparam("account_id"))
    .order_by(KEYS.c.region)
)
_IN_STATE = (
    select(KEYS.c.region, KEYS.c.key_id)
    .where(
        KEYS.c.key_state == bindparam("key_state"),
        tuple_(KEYS.c.region, KEYS.c.key_id) > tuple_(bindparam("after_region"), bindparam("after_key_id")),
    )
    .order_by(KEYS.c.region, KEYS.c.key_id)
    .limit(bindparam("limit"))
)
_COUNT = (
    select(func.count())
    .select_from(KEYS)
    .where(
        KEYS.c.account_id == bindparam("account_id"),
        KEYS.c.region == bindparam("region"),
        KEYS.c.key_manager == KeyManagerType.CUSTOMER.value,
    )
)
_UPDATE = update(KEYS).where(
    KEYS.c.region == bindparam("of_region"),
    KEYS.c.key_id == bindparam("of_key_id"),
    KEYS.c.account_id == bindparam("of_account_id"),
    KEYS.c.version == bindparam("of_version"),
)


def select_key(connection: Connection, region: Region, key_id: KeyId) -> Key | None:
    """The record, put together from three tables of one snapshot."""
    identity = {"region": region, "key_id": key_id}
    row = connection.execute(_KEY, identity).one_or_none()
    if row is None:
        return None
    materials = connection.execute(_MATERIALS, identity).all()
    return parse_key(row, materials, connection.execute(_TAGS, identity).all())


def insert_keys(connection: Connection, keys: Sequence[Key], of_account_max: int | None = None) -> None:
    """New keys, as version 1, with materials and tags. An account is made known by its first key.

    Raises LimitReached when an account then has more than `of_account_max` in a Region.
    """
    for account_id, created_at in {key.account_id: key.created_at for key in reversed(keys)}.items():
        insert_account_if_new(connection, account_id, created_at)
    counted = Counter((k.account_id, k.region) for k in keys if k.key_manager is KeyManagerType.CUSTOMER)
    for (account_id, region), added in counted.items():
        count = _change_count(connection, account_id, region, added)
        if of_account_max is not None and count > of_account_max:
            raise LimitReached("the account has as many keys in the Region as it may have")
    connection.execute(insert(KEYS), [render_key(key) | {"version": 1} for key in keys])
    _insert_parts(connection, keys)


def update_key(connection: Connection, key: Key, *, erase: bool = False) -> Key:
    """Replace the record of `key.version`. Raises ConcurrentChange.

    `erase`: material that the record no longer has is entered in the deletion ledger.
    """
    changed = replace(key, version=key.version + 1)
    identity = {
        "of_region": key.region,
        "of_key_id": key.key_id,
        "of_account_id": key.account_id,
        "of_version": key.version,
    }
    # INVARIANT S3: no row has that version, so another request was first, or the key is gone.
    if connection.execute(_UPDATE, render_key(changed) | identity).rowcount != 1:
        raise ConcurrentChange("the key was changed since it was read")
    if erase:
        _note_erased_material(connection, changed)
    _delete_parts(connection, key)
    _insert_parts(connection, (changed,))
    return changed


def _note_erased_material(connection: Connection, changed: Key) -> None:
    is_its = (KEY_MATERIALS.c.region == changed.region) & (KEY_MATERIALS.c.key_id == changed.key_id)
    present = select(KEY_MATERIALS.c.material_id).where(is_its, KEY_MATERIALS.c.exported_token.is_not(None))
    kept = {one.material_id for one in changed.materials.values() if one.exported_token is not None}
    for material_id in sorted(set(connection.execute(present).scalars()) - kept):
        erased = Deletion(
            DeletionKind.MATERIAL, changed.key_id, changed.account_id, changed.region, material_id
        )
        note_deletion(connection, erased)


def destroy_key(connection: Connection, key: Key, destroyed_at: datetime) -> list[str]:
    """Remove the key with all that hangs on it and enter it in the ledger; the names of its aliases."""
    of_key = (ALIASES.c.region == key.region) & (ALIASES.c.target_key_id == key.key_id)
    alias_names = list(connection.execute(select(ALIASES.c.alias_name).where(of_key)).scalars())
    connection.execute(delete(ALIASES).where(of_key))
    for table in (GRANTS, KEY_USAGES):
        connection.execute(delete(table).where(table.c.region == key.region, table.c.key_id == key.key_id))
    _delete_parts(connection, key)
    of_version = (
        (KEYS.c.region == key.region)
        & (KEYS.c.key_id == key.key_id)
        & (KEYS.c.account_id == key.account_id)
        & (KEYS.c.version == key.version)
    )
    # INVARIANT S3: nothing of the above stays when the version is not the stored one.
    if connection.execute(delete(KEYS).where(of_version)).rowcount != 1:
        raise ConcurrentChange("the key was changed since it was read")
    if key.key_manager is KeyManagerType.CUSTOMER:
        _change_count(connection, key.account_id, key.region, -1)
    entry = render_ledger_entry(key, destroyed_at)
    in_ledger = (DESTROYED_KEYS.c.region == key.region) & (DESTROYED_KEYS.c.key_id == key.key_id)
    connection.execute(delete(DESTROYED_KEYS).where(in_ledger))  # an id that was restored and destroyed again
    connection.execute(insert(DESTROYED_KEYS), entry)
    note_deletion(connection, Deletion(DeletionKind.KEY, key.key_id, key.account_id, key.region))
    return alias_names


def select_key_ids(
    connection: Connection, account_id: AccountId, region: Region, after: KeyId | None, limit: int
) -> list[KeyId]:
    """One page, in ascending order."""
    page = {"account_id": account_id, "region": region, "after": after or "", "limit": limit}
    return [KeyId(key_id) for key_id in connection.execute(_PAGE, page).scalars()]


def count_keys(connection: Connection, account_id: AccountId, region: Region) -> int:
    """How many customer managed keys there are, in any state."""
    return connection.execute(_COUNT, {"account_id": account_id, "region": region}).scalar_one()


def select_keys_due(connection: Connection, until: datetime, limit: int) -> list[Key]:
    """Keys whose deletion_at has come, the longest due first."""
    return _select_keys(connection, _DUE, {"until": render_instant(until), "limit": limit})


def select_keys_due_for_rotation(connection: Connection, until: datetime, limit: int) -> list[Key]:
    """Enabled keys, not replicas, whose next_rotation_at has come, the longest due first."""
    return _select_keys(connection, _DUE_FOR_ROTATION, {"until": render_instant(until), "limit": limit})


def select_keys_in_rotation(connection: Connection, limit: int) -> list[Key]:
    """Enabled keys, not replicas, with a rotation under way, the oldest first."""
    return _select_keys(connection, _IN_ROTATION, {"limit": limit})


def _select_keys(
    connection: Connection, which: Select[tuple[str, str]], parameters: dict[str, int]
) -> list[Key]:
    found = (
        select_key(connection, row.region, row.key_id) for row in connection.execute(which, parameters).all()
    )
    return [key for key in found if key is not None]


def select_keys_with_expired_material(connection: Connection, until: datetime, limit: int) -> list[Key]:
    """Keys with material whose expires_at has come, each once, the longest expired first."""
    expired = connection.execute(_EXPIRED, {"until": render_instant(until), "limit": limit}).all()
    identities = dict.fromkeys((row.region, row.key_id) for row in expired)
    found = (select_key(connection, region, key_id) for region, key_id in identities)
    return [key for key in found if key is not None]


def select_related_keys(connection: Connection, account_id: AccountId, key_id: KeyId) -> list[Key]:
    """The keys of one id in every Region, in ascending order of Region."""
    regions = connection.execute(_RELATED, {"account_id": account_id, "key_id": key_id}).scalars().all()
    found = (select_key(connection, Region(region), key_id) for region in regions)
    return [key for key in found if key is not None]


def select_keys_in_state(
    connection: Connection, state: KeyState, after: tuple[Region, KeyId] | None, limit: int
) -> list[Key]:
    """One page, ascending by Region and key id."""
    region, key_id = after or ("", "")
    page = {"key_state": state.value, "after_region": region, "after_key_id": key_id, "limit": limit}
    rows = connection.execute(_IN_STATE, page).all()
    found = (select_key(connection, row.region, row.key_id) for row in rows)
    return [key for key in found if key is not None]


def delete_everything(connection: Connection) -> None:
    """Remove keys and what hangs on them, the ledger, and identities; roots keep their access keys."""
    connection.execute(delete(ACCESS_KEY_USES))
    connection.execute(delete(ACCESS_KEYS).where(ACCESS_KEYS.c.principal_type != "Root"))
    for table in (
        ALIASES,
        GRANTS,
        KEY_USAGES,
        KEY_TAGS,
        KEY_MATERIALS,
        KEYS,
        KEY_COUNTS,
        DESTROYED_KEYS,
        CUSTOM_KEY_STORES,
        IAM_REFERENCES,
        IAM_ENTITIES,
    ):
        connection.execute(delete(table))


def _change_count(connection: Connection, account_id: AccountId, region: Region, by: int) -> int:
    """Keep `key_counts` true; the new count. Counting the rows would take longer the more there are."""
    is_it = (KEY_COUNTS.c.account_id == account_id) & (KEY_COUNTS.c.region == region)
    changed = connection.execute(update(KEY_COUNTS).where(is_it).values(keys=KEY_COUNTS.c["keys"] + by))
    if changed.rowcount == 0:
        connection.execute(insert(KEY_COUNTS), {"account_id": account_id, "region": region, "keys": by})
    count: int = connection.execute(select(KEY_COUNTS.c["keys"]).where(is_it)).scalar_one()
    return count


def insert_account_if_new(connection: Connection, account_id: AccountId, created_at: datetime) -> None:
    """Make an account known, if it is not."""
    known = exists().where(ACCOUNTS.c.account_id == account_id)
    new = select(literal(account_id), literal(render_instant(created_at))).where(~known)
    connection.execute(insert(ACCOUNTS).from_select(["account_id", "created_at"], new))


def _insert_parts(connection: Connection, keys: Iterable[Key]) -> None:
    materials = [row for key in keys for row in render_materials(key)]
    if materials:
        connection.execute(insert(KEY_MATERIALS), materials)
    tags = [row for key in keys for row in render_tags(key)]
    if tags:
        connection.execute(insert(KEY_TAGS), tags)


def _delete_parts(connection: Connection, key: Key) -> None:
    for table in (KEY_MATERIALS, KEY_TAGS):
        connection.execute(delete(table).where(table.c.region == key.region, table.c.key_id == key.key_id))
