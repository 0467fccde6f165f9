"""The SQL of custom key stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from strongroom.aws.generated.enums import (
    ConnectionErrorCodeType,
    ConnectionStateType,
    CustomKeyStoreType,
    XksProxyConnectivityType,
)
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.identifiers import AccountId, Region
from strongroom.resources.key import Key
from strongroom.store.interface import AlreadyExists, ConcurrentChange, StillInUse
from strongroom.store.keys import insert_account_if_new, insert_keys
from strongroom.store.rows import AnyRow, Values, parse_instant, render_instant
from strongroom.store.schema import CUSTOM_KEY_STORES, KEYS

Check = Callable[[Sequence[CustomKeyStore]], None]
"""Judges the other custom key stores of the account and Region inside the transaction; raises to refuse."""


def select_custom_key_store(
    connection: Connection, account_id: AccountId, region: Region, custom_key_store_id: str
) -> CustomKeyStore | None:
    """The record, or None."""
    is_it = _identity(account_id, region, custom_key_store_id)
    row = connection.execute(select(CUSTOM_KEY_STORES).where(is_it)).one_or_none()
    return None if row is None else _parse(row)


def select_custom_key_stores(
    connection: Connection, account_id: AccountId, region: Region, after: str | None, limit: int
) -> list[CustomKeyStore]:
    """One page, in ascending order of id."""
    page = (
        select(CUSTOM_KEY_STORES)
        .where(
            CUSTOM_KEY_STORES.c.account_id == account_id,
            CUSTOM_KEY_STORES.c.region == region,
            CUSTOM_KEY_STORES.c.custom_key_store_id > (after or ""),
        )
        .order_by(CUSTOM_KEY_STORES.c.custom_key_store_id)
        .limit(limit)
    )
    return [_parse(row) for row in connection.execute(page)]


def select_custom_key_stores_in(
    connection: Connection, states: Sequence[ConnectionStateType], limit: int
) -> list[CustomKeyStore]:
    """Custom key stores of all accounts and Regions in one of these states."""
    found = (
        select(CUSTOM_KEY_STORES)
        .where(CUSTOM_KEY_STORES.c.connection_state.in_([state.value for state in states]))
        .limit(limit)
    )
    return [_parse(row) for row in connection.execute(found)]


def insert_custom_key_store(connection: Connection, store: CustomKeyStore, check: Check) -> None:
    """As version 1. Raises (from the database) AlreadyExists, and what `check` raises."""
    check(_others(connection, store))
    insert_account_if_new(connection, store.account_id, store.created_at)
    connection.execute(insert(CUSTOM_KEY_STORES), _render(store) | {"version": 1})


def update_custom_key_store(
    connection: Connection, store: CustomKeyStore, check: Check | None
) -> CustomKeyStore:
    """Replace the record of `store.version`. Raises ConcurrentChange, AlreadyExists, what `check` raises."""
    if check is not None:
        check(_others(connection, store))
    changed = replace(store, version=store.version + 1)
    # INVARIANT S3: no row has that version, so another request was first, or the store is gone.
    if (
        connection.execute(update(CUSTOM_KEY_STORES).where(_of_version(store)), _render(changed)).rowcount
        != 1
    ):
        raise ConcurrentChange("the custom key store was changed since it was read")
    return changed


def delete_custom_key_store(connection: Connection, store: CustomKeyStore) -> None:
    """Raises ConcurrentChange, StillInUse."""
    if connection.execute(delete(CUSTOM_KEY_STORES).where(_of_version(store))).rowcount != 1:
        raise ConcurrentChange("the custom key store was changed since it was read")
    if connection.execute(select(KEYS.c.key_id).where(_keys_of(store)).limit(1)).first() is not None:
        raise StillInUse("the custom key store has keys")


def insert_key_in(
    connection: Connection, key: Key, store: CustomKeyStore, of_account_max: int | None
) -> None:
    """A new key in a custom key store that is still as it was read.

    Raises ConcurrentChange, LimitReached; AlreadyExists when the external key has a KMS key in the store.
    """
    held = connection.execute(select(CUSTOM_KEY_STORES.c.version).where(_of_version(store))).first()
    if held is None:
        raise ConcurrentChange("the custom key store was changed since it was read")
    if key.xks_key_id is not None:
        taken = select(KEYS.c.key_id).where(_keys_of(store), KEYS.c.xks_key_id == key.xks_key_id).limit(1)
        if connection.execute(taken).first() is not None:
            raise AlreadyExists("the external key has a KMS key")
    insert_keys(connection, (key,), of_account_max)


def _others(connection: Connection, store: CustomKeyStore) -> list[CustomKeyStore]:
    found = connection.execute(
        select(CUSTOM_KEY_STORES).where(
            CUSTOM_KEY_STORES.c.account_id == store.account_id,
            CUSTOM_KEY_STORES.c.region == store.region,
            CUSTOM_KEY_STORES.c.custom_key_store_id != store.custom_key_store_id,
        )
    )
    return [_parse(row) for row in found]


def _identity(account_id: str, region: str, custom_key_store_id: str) -> ColumnElement[bool]:
    return (
        (CUSTOM_KEY_STORES.c.account_id == account_id)
        & (CUSTOM_KEY_STORES.c.region == region)
        & (CUSTOM_KEY_STORES.c.custom_key_store_id == custom_key_store_id)
    )


def _of_version(store: CustomKeyStore) -> ColumnElement[bool]:
    is_it = _identity(store.account_id, store.region, store.custom_key_store_id)
    return is_it & (CUSTOM_KEY_STORES.c.version == store.version)


def _keys_of(store: CustomKeyStore) -> ColumnElement[bool]:
    return (
        (KEYS.c.custom_key_store_id == store.custom_key_store_id)
        & (KEYS.c.account_id == store.account_id)
        & (KEYS.c.region == store.region)
    )


def _render(store: CustomKeyStore) -> Values:
    return {name: getattr(store, name) for name in CustomKeyStore.__slots__} | {
        "created_at": render_instant(store.created_at)
    }


def _parse(row: AnyRow) -> CustomKeyStore:
    columns = dict(row._mapping)
    error, connectivity = columns["connection_error_code"], columns["xks_proxy_connectivity"]
    return CustomKeyStore(
        **columns
        | {
            "account_id": AccountId(columns["account_id"]),
            "region": Region(columns["region"]),
            "type": CustomKeyStoreType(columns["type"]),
            "connection_state": ConnectionStateType(columns["connection_state"]),
            "connection_error_code": None if error is None else ConnectionErrorCodeType(error),
            "created_at": parse_instant(columns["created_at"]),
            "xks_proxy_connectivity": None
            if connectivity is None
            else XksProxyConnectivityType(connectivity),
        }
    )
