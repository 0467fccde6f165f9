"""The part of the store over SQL that keeps custom key stores; `sql_store.SqlStore` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Connection

from strongroom.aws.generated.enums import ConnectionStateType
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.identifiers import AccountId, Region
from strongroom.resources.key import Key
from strongroom.store import custom_key_stores
from strongroom.store.custom_key_stores import Check
from strongroom.store.reader import Reader
from strongroom.store.stamped_cache import StampedCache
from strongroom.store.writer import Changed, Writer

KnownStores: TypeAlias = StampedCache[tuple[AccountId, Region, str], CustomKeyStore]
STORES_REMEMBERED_MAX = 1000


def _identity(account_id: str, region: str, custom_key_store_id: str) -> str:
    return f"custom-key-store/{account_id}/{region}/{custom_key_store_id}"


class CustomKeyStoreStore:
    """Custom key stores and the making of keys in them. See interface.Store."""

    _reader: Reader
    _writer: Writer
    _custom_key_stores: KnownStores

    async def find_custom_key_store(
        self, account_id: AccountId, region: Region, custom_key_store_id: str
    ) -> CustomKeyStore | None:
        """The record, or None."""
        known = (account_id, region, custom_key_store_id)
        store = self._custom_key_stores.get(known)
        if store is None:
            noted = self._custom_key_stores.note(_identity(*known))  # INVARIANT S2
            store = self._reader.read(lambda c: custom_key_stores.select_custom_key_store(c, *known))
            if store is not None:
                self._custom_key_stores.keep(known, store, noted)
        return store

    async def list_custom_key_stores(
        self, account_id: AccountId, region: Region, after: str | None, limit: int
    ) -> Sequence[CustomKeyStore]:
        """In ascending order of id, beginning after `after`."""
        return self._reader.read(
            lambda c: custom_key_stores.select_custom_key_stores(c, account_id, region, after, limit)
        )

    async def list_custom_key_stores_in(
        self, states: Sequence[ConnectionStateType], limit: int
    ) -> Sequence[CustomKeyStore]:
        """Of all accounts and Regions."""
        return self._reader.read(lambda c: custom_key_stores.select_custom_key_stores_in(c, states, limit))

    async def insert_custom_key_store(self, store: CustomKeyStore, check: Check) -> None:
        """Raises AlreadyExists, and what `check` raises."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_identity(store.account_id, store.region, store.custom_key_store_id))
            custom_key_stores.insert_custom_key_store(connection, store, check)

        await self._writer.add(work)

    async def update_custom_key_store(
        self, store: CustomKeyStore, check: Check | None = None
    ) -> CustomKeyStore:
        """Returns it with its new version. Raises ConcurrentChange, AlreadyExists, what `check` raises."""

        def work(connection: Connection, changed: Changed) -> CustomKeyStore:
            changed.append(_identity(store.account_id, store.region, store.custom_key_store_id))
            return custom_key_stores.update_custom_key_store(connection, store, check)

        return await self._writer.change(work)

    async def delete_custom_key_store(self, store: CustomKeyStore) -> None:
        """Leaves no copy of its secret's token. Raises ConcurrentChange, StillInUse."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_identity(store.account_id, store.region, store.custom_key_store_id))
            custom_key_stores.delete_custom_key_store(connection, store)

        await self._writer.change(work, erase=True)

    async def insert_key_in(
        self, key: Key, store: CustomKeyStore, *, of_account_max: int | None = None
    ) -> None:
        """Raises ConcurrentChange, AlreadyExists, LimitReached."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(f"key/{key.region}/{key.key_id}")
            custom_key_stores.insert_key_in(connection, key, store, of_account_max)

        await self._writer.add(work)
