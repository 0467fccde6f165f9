"""The store over SQL: what is remembered, what is asked, what is written, and in which thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from strongroom.aws.generated.enums import KeyState
from strongroom.clock import Clock
from strongroom.resources.identifiers import AccountId, AliasName, KeyId, Region
from strongroom.resources.key import Alias, Key
from strongroom.resources.key_usage_record import KeyUsageRecord
from strongroom.store import aliases, deletions, identities, key_usages, keys
from strongroom.store.custom_key_store_store import (
    STORES_REMEMBERED_MAX,
    CustomKeyStoreStore,
    KnownStores,
)
from strongroom.store.domain_key_store import DomainKeyStore
from strongroom.store.engine import Database
from strongroom.store.grant_store import (
    GRANT_LISTS_REMEMBERED_MAX,
    GrantStore,
    KnownGrants,
    grants_of_identity,
)
from strongroom.store.iam_store import (
    IamStore,
    KnownAccessKeys,
    KnownIdentities,
    KnownPolicyTexts,
)
from strongroom.store.interface import AlreadyExists
from strongroom.store.proxy_credentials import (
    PROXY_CREDENTIALS_REMEMBERED_MAX,
    KnownProxyCredentials,
    ProxyCredentialStore,
)
from strongroom.store.reader import Reader
from strongroom.store.stamped_cache import StampedCache
from strongroom.store.stamps import Stamps
from strongroom.store.writer import EVERYTHING, Changed, Writer

RECORDS_REMEMBERED_MAX = 10_000
"""Of each kind, in each worker. A key's record is about 3 KiB, with the longest policy 35 KiB."""


def _key_identity(region: str, key_id: str) -> str:
    return f"key/{region}/{key_id}"


def _alias_identity(account_id: str, region: str, name: str) -> str:
    return f"alias/{account_id}/{region}/{name}"


def _aliases_of_identity(region: str, key_id: str) -> str:
    return f"aliases-of/{region}/{key_id}"


class SqlStore(GrantStore, CustomKeyStoreStore, ProxyCredentialStore, DomainKeyStore, IamStore):
    """Keys, aliases, grants and credentials in a SQL database. Implements interface.Store.

    Concurrency: opened in the process that uses it (never before a fork) and used by one event loop:
    reads are answered at once, in the loop's thread, and never wait for a write; writes wait for
    the disk in a thread of their own. Works under `reply.drive` as well as in a task.
    Raises: StoreUnavailable from every method; see interface.StoreError.
    """

    def __init__(
        self,
        database: Database,
        stamps: Stamps,
        clock: Clock,
        records_remembered_max: int = RECORDS_REMEMBERED_MAX,
    ) -> None:
        self._clock = clock
        self._database = database
        self._reader = Reader(database)
        self._writer = Writer(database, stamps)
        self._keys: StampedCache[tuple[Region, KeyId], Key] = StampedCache(stamps, records_remembered_max)
        self._aliases: StampedCache[tuple[AccountId, Region, AliasName], Alias] = StampedCache(
            stamps, records_remembered_max
        )
        self._aliases_of: StampedCache[tuple[AccountId, Region, KeyId, int], tuple[Alias, ...]] = (
            StampedCache(stamps, records_remembered_max)
        )
        self._access_keys: KnownAccessKeys = StampedCache(stamps, records_remembered_max)
        self._identities: KnownIdentities = StampedCache(stamps, records_remembered_max)
        self._policy_texts: KnownPolicyTexts = StampedCache(stamps, records_remembered_max)
        self._known_grants: KnownGrants = OrderedDict()
        self._custom_key_stores: KnownStores = StampedCache(stamps, STORES_REMEMBERED_MAX)
        self._proxy_credentials: KnownProxyCredentials = StampedCache(
            stamps, PROXY_CREDENTIALS_REMEMBERED_MAX
        )
        self._grants_to = StampedCache(stamps, min(records_remembered_max, GRANT_LISTS_REMEMBERED_MAX))

    def close(self) -> None:
        """Finish the writes under way and close the database."""
        self._writer.close()
        self._reader.close()
        self._database.close()
        for cache in (self._keys, self._aliases, self._aliases_of, self._access_keys, self._grants_to):
            cache.clear()
        self._known_grants.clear()
        self._identities.clear()
        self._policy_texts.clear()
        self._custom_key_stores.clear()
        self._proxy_credentials.clear()

    def settle(self) -> tuple[Path, ...]:
        """For a process that will be confined: no thread is left that began before; these files are there.

        Raises StoreUnavailable.
        """
        self._writer.renew_thread()
        return self._database.hold_files()

    # keys
    async def find_key(self, region: Region, key_id: KeyId) -> Key | None:
        """The key record, of whatever account, in this Region."""
        key = self._keys.get((region, key_id))
        if key is None:
            # INVARIANT S2: noted before the database is asked, here and in every method below.
            noted = self._keys.note(_key_identity(region, key_id))
            key = self._reader.read(lambda connection: keys.select_key(connection, region, key_id))
            if key is not None:
                self._keys.keep((region, key_id), key, noted)
        return key

    async def insert_key(self, key: Key, *, of_account_max: int | None = None) -> None:
        """Store a new key as version 1. Raises AlreadyExists, LimitReached."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_key_identity(key.region, key.key_id))
            keys.insert_keys(connection, (key,), of_account_max)

        await self._writer.add(work)

    async def insert_key_with_alias(self, key: Key, alias: Alias) -> None:
        """Store a new key and an alias for it, both or none. Raises AlreadyExists."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_key_identity(key.region, key.key_id))
            changed.append(_alias_identity(alias.account_id, alias.region, alias.alias_name))
            changed.append(_aliases_of_identity(alias.region, alias.target_key_id))
            keys.insert_keys(connection, (key,))
            aliases.insert_alias(connection, alias)

        await self._writer.add(work)

    async def update_key(self, key: Key, *, erase: bool = False) -> Key:
        """Replace the record of `key.version`; returns it with its new version. Raises ConcurrentChange.

        Secrets: `erase` as in destroy_key, for a token that must go with the older rows.
        """
        return (await self.update_keys((key,), erase=erase))[0]

    async def update_keys(
        self,
        records: Sequence[Key],
        new: Sequence[Key] = (),
        *,
        erase: bool = False,
        of_account_max: int | None = None,
    ) -> Sequence[Key]:
        """Replace and insert several records, all or none.

        Raises ConcurrentChange, AlreadyExists, LimitReached.
        """

        def work(connection: Connection, changed: Changed) -> Sequence[Key]:
            changed.extend(_key_identity(key.region, key.key_id) for key in (*records, *new))
            if new:
                keys.insert_keys(connection, new, of_account_max)
            return tuple(keys.update_key(connection, key, erase=erase) for key in records)

        return await (self._writer.add(work) if new else self._writer.change(work, erase=erase))

    async def destroy_key(self, key: Key) -> None:
        """Remove the key and all that hangs on it, and enter it in the ledger. Raises ConcurrentChange.

        Secrets: the rows are overwritten with zeros and the log is emptied; what the disk itself
        keeps of overwritten blocks is beyond us, and only the boundary could open it.
        """
        destroyed_at = self._clock.now()

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_key_identity(key.region, key.key_id))
            changed.append(_aliases_of_identity(key.region, key.key_id))
            changed.append(grants_of_identity(key.region, key.key_id))
            names = keys.destroy_key(connection, key, destroyed_at)
            changed.extend(_alias_identity(key.account_id, key.region, name) for name in names)

        await self._writer.change(work, erase=True)

    async def list_key_ids(
        self, account_id: AccountId, region: Region, after: KeyId | None, limit: int
    ) -> Sequence[KeyId]:
        """Up to `limit` key ids in ascending order, beginning after `after`."""
        return self._reader.read(lambda c: keys.select_key_ids(c, account_id, region, after, limit))

    async def count_keys(self, account_id: AccountId, region: Region) -> int:
        """How many customer managed keys there are. Grows with their number, so not on the loop's thread."""
        return await self._writer.read(lambda c: keys.count_keys(c, account_id, region))

    async def list_related_keys(self, account_id: AccountId, key_id: KeyId) -> Sequence[Key]:
        """A multi-Region key's primary and replicas, in ascending order of Region."""
        return self._reader.read(lambda c: keys.select_related_keys(c, account_id, key_id))

    async def list_keys_in_state(
        self, state: KeyState, after: tuple[Region, KeyId] | None, limit: int
    ) -> Sequence[Key]:
        """One page of the keys of all accounts and Regions that are in `state`."""
        return self._reader.read(lambda c: keys.select_keys_in_state(c, state, after, limit))

    async def list_keys_due_for_deletion(self, until: datetime, limit: int) -> Sequence[Key]:
        """Keys of all accounts and Regions whose deletion_at has come, the longest due first."""
        return self._reader.read(lambda c: keys.select_keys_due(c, until, limit))

    async def list_keys_due_for_rotation(self, until: datetime, limit: int) -> Sequence[Key]:
        """Enabled keys whose next_rotation_at has come, the longest due first; no replicas."""
        return self._reader.read(lambda c: keys.select_keys_due_for_rotation(c, until, limit))

    async def list_keys_in_rotation(self, limit: int) -> Sequence[Key]:
        """Enabled keys with a rotation_started_at, the oldest first; no replicas."""
        return self._reader.read(lambda c: keys.select_keys_in_rotation(c, limit))

    async def list_keys_with_expired_material(self, until: datetime, limit: int) -> Sequence[Key]:
        """Keys that hold imported material whose expires_at has come, the longest expired first."""
        return self._reader.read(lambda c: keys.select_keys_with_expired_material(c, until, limit))

    # aliases
    async def find_alias(self, account_id: AccountId, region: Region, name: AliasName) -> Alias | None:
        """The alias record, or None."""
        alias = self._aliases.get((account_id, region, name))
        if alias is None:
            noted = self._aliases.note(_alias_identity(account_id, region, name))
            alias = self._reader.read(lambda c: aliases.select_alias(c, account_id, region, name))
            if alias is not None:
                self._aliases.keep((account_id, region, name), alias, noted)
        return alias

    async def insert_alias(self, alias: Alias, *, of_key_max: int | None = None) -> None:
        """Raises AlreadyExists, LimitReached; ConcurrentChange when its key is gone or in another account."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_alias_identity(alias.account_id, alias.region, alias.alias_name))
            changed.append(_aliases_of_identity(alias.region, alias.target_key_id))
            aliases.insert_alias(connection, alias, of_key_max)

        await self._writer.add(work)

    async def update_alias(
        self, alias: Alias, *, expected_target: KeyId | None = None, of_key_max: int | None = None
    ) -> None:
        """Raises ConcurrentChange when the alias, or the key it should name, is gone; LimitReached."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_alias_identity(alias.account_id, alias.region, alias.alias_name))
            changed.append(_aliases_of_identity(alias.region, alias.target_key_id))
            before = aliases.update_alias(connection, alias, expected_target, of_key_max)
            changed.append(_aliases_of_identity(alias.region, before))

        await self._writer.change(work)

    async def delete_alias(
        self,
        account_id: AccountId,
        region: Region,
        name: AliasName,
        *,
        expected_target: KeyId | None = None,
    ) -> None:
        """Raises ConcurrentChange when it is gone, or names another key than expected."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(_alias_identity(account_id, region, name))
            before = aliases.delete_alias(connection, account_id, region, name, expected_target)
            changed.append(_aliases_of_identity(region, before))

        await self._writer.change(work)

    async def list_aliases(
        self,
        account_id: AccountId,
        region: Region,
        key_id: KeyId | None,
        after: AliasName | None,
        limit: int,
    ) -> Sequence[Alias]:
        """Aliases in ascending order of name. The first page of one key is remembered."""
        if key_id is None or after is not None:
            return self._reader.read(
                lambda c: aliases.select_aliases(c, account_id, region, key_id, after=after, limit=limit)
            )
        page = self._aliases_of.get((account_id, region, key_id, limit))
        if page is None:
            noted = self._aliases_of.note(_aliases_of_identity(region, key_id))
            page = self._reader.read(
                lambda c: tuple(
                    aliases.select_aliases(c, account_id, region, key_id, after=None, limit=limit)
                )
            )
            self._aliases_of.keep((account_id, region, key_id, limit), page, noted)
        return page

    async def count_aliases_of(self, region: Region, key_id: KeyId) -> int:
        """How many aliases name the key."""
        return self._reader.read(lambda c: aliases.count_aliases_of(c, region, key_id))

    # last uses of keys: never remembered, so their writes need no stamp
    async def find_key_usage(self, region: Region, key_id: KeyId) -> KeyUsageRecord | None:
        """The last use of a key that was kept, or None."""
        return self._reader.read(lambda c: key_usages.select_key_usage(c, region, key_id))

    async def keep_key_usages(self, usages: Sequence[KeyUsageRecord]) -> None:
        """Keep each unless a later one of its key is kept; of keys that are gone, nothing."""
        await self._writer.add(lambda c, _: key_usages.keep_key_usages(c, usages))

    # the boundary's own records
    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        """All domain key tokens of a Region, the active one last."""
        return self._reader.read(lambda c: identities.select_domain_key_tokens(c, region))

    async def insert_domain_key_token(self, region: str, domain_key_id: bytes, token: bytes) -> bool:
        """Keep a Region's first domain key; False (and nothing written) if there is one already."""
        created_at = self._clock.now()

        def work(connection: Connection, changed: Changed) -> bool:
            return identities.insert_first_domain_key_token(
                connection, region, domain_key_id, token, created_at
            )

        try:
            return await self._writer.add(work)
        except AlreadyExists:
            # Where transactions overlap (not SQLite's), both may have found the Region empty.
            if await self.list_domain_key_tokens(region):
                return False
            raise

    async def find_domain_key_token(self, domain_key_id: bytes) -> bytes | None:
        """The token of one domain key, or None."""
        return self._reader.read(lambda c: identities.select_domain_key_token(c, domain_key_id))

    async def find_setting(self, name: str) -> str | None:
        """A server-wide setting kept with the data, or None."""
        return self._reader.read(lambda c: identities.select_setting(c, name))

    async def put_setting(self, name: str, value: str) -> None:
        """Insert or replace."""
        await self._writer.add(lambda c, _: identities.put_setting(c, name, value))

    # the deletion ledger
    async def list_deletions(self, after: int, limit: int | None = None) -> Sequence[str]:
        """The entries beyond the first `after`, in their order, as resources.deletion renders them."""
        return self._reader.read(lambda c: deletions.select_deletions(c, after, limit))

    async def repeat_deletions(self, after: int, entries: Sequence[str]) -> int:
        """Delete again what these entries tell of (the first is number `after` + 1); how many were alive."""
        now = self._clock.now()

        def work(connection: Connection, changed: Changed) -> int:
            changed.append(EVERYTHING)
            return deletions.repeat_deletions(connection, after, entries, now)

        return await self._writer.change(work, erase=True)

    # the whole
    async def empty(self) -> None:
        """Remove keys, identities and the ledger of all accounts (development only)."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(EVERYTHING)
            keys.delete_everything(connection)

        await self._writer.change(work, erase=True)

    async def ping(self) -> None:
        """Raises StoreUnavailable when requests could not be answered."""
        self._reader.read(lambda c: identities.select_setting(c, "ping"))
