"""The SQL of the last uses of keys, and their rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Text, bindparam, exists, insert, select, update

from strongroom.aws.generated.enums import KeyLastUsageTrackingOperation
from strongroom.resources.identifiers import AccountId, KeyId, Region
from strongroom.resources.key_usage_record import KeyUsageRecord
from strongroom.store.schema import KEY_USAGES, KEYS

_MICROSECONDS = 1_000_000
_COLUMNS = ("operation", "used_at", "event_id", "request_id")

_USAGE = select(KEY_USAGES).where(
    KEY_USAGES.c.region == bindparam("region"), KEY_USAGES.c.key_id == bindparam("key_id")
)
_IS_THERE = exists().where(
    KEY_USAGES.c.region == bindparam("of_region"), KEY_USAGES.c.key_id == bindparam("of_key_id")
)
_HAS_KEY = exists().where(
    KEYS.c.region == bindparam("of_region"),
    KEYS.c.key_id == bindparam("of_key_id"),
    KEYS.c.account_id == bindparam("of_account_id"),
)
_UPDATE = (
    update(KEY_USAGES)
    .where(
        KEY_USAGES.c.region == bindparam("of_region"),
        KEY_USAGES.c.key_id == bindparam("of_key_id"),
        KEY_USAGES.c.used_at <= bindparam("new_used_at"),  # another worker may have seen a later use
    )
    .values({name: bindparam(f"new_{name}") for name in _COLUMNS})
)
_INSERT = insert(KEY_USAGES).from_select(
    ["region", "key_id", "account_id", *_COLUMNS],
    select(
        bindparam("of_region", type_=Text),
        bindparam("of_key_id", type_=Text),
        bindparam("of_account_id", type_=Text),
        *(bindparam(f"new_{name}", type_=KEY_USAGES.c[name].type) for name in _COLUMNS),
    ).where(_HAS_KEY, ~_IS_THERE),
)


def keep_key_usages(connection: Connection, usages: Sequence[KeyUsageRecord]) -> None:
    """Keep each where it is the latest of its key. What became of keys that are destroyed is left out."""
    rows = [_render(usage) for usage in usages]
    if rows:
        connection.execute(_UPDATE, rows)
        connection.execute(_INSERT, rows)


def select_key_usage(connection: Connection, region: Region, key_id: KeyId) -> KeyUsageRecord | None:
    """The record, or None."""
    row = connection.execute(_USAGE, {"region": region, "key_id": key_id}).one_or_none()
    if row is None:
        return None
    return KeyUsageRecord(
        AccountId(row.account_id),
        Region(row.region),
        KeyId(row.key_id),
        KeyLastUsageTrackingOperation(row.operation),
        row.used_at / _MICROSECONDS,
        row.event_id,
        row.request_id,
    )


def _render(usage: KeyUsageRecord) -> dict[str, object]:
    return {
        "of_region": usage.region,
        "of_key_id": usage.key_id,
        "of_account_id": usage.account_id,
        "new_operation": usage.operation.value,
        "new_used_at": round(usage.used_at * _MICROSECONDS),
        "new_event_id": usage.event_id,
        "new_request_id": usage.request_id,
    }
