"""What the rooms may ask of the store. It keeps rows; it knows no rule of KMS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from strongroom.aws.generated.enums import ConnectionStateType, KeyState
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.domain_key import DomainKeyRecord, HeldToken, TokenPlace
from strongroom.resources.grant import Grant, GrantFilter, GrantId
from strongroom.resources.identifiers import AccessKeyId, AccountId, AliasName, KeyId, Region
from strongroom.resources.key import Alias, Key
from strongroom.resources.key_usage_record import KeyUsageRecord
from strongroom.resources.proxy_credential import ProxyCredential
from strongroom.store.iam_interface import IamStore


class StoreError(Exception):
    """Drawn as a tree:

    StoreError
     ├─ ConcurrentChange   the row was changed since it was read: take the road again
     ├─ AlreadyExists      a row of that identity is there
     ├─ StillInUse         rows hang on it
     ├─ LimitReached       as many rows as the caller allowed are there
     └─ StoreUnavailable   not acknowledged; disk full, read-only, locked too long
    """


class ConcurrentChange(StoreError):
    """Another request changed the record first; nothing was written."""


class AlreadyExists(StoreError):
    """The identity is taken; nothing was written."""


class StillInUse(StoreError):
    """Something hangs on the record; nothing was written."""


class LimitReached(StoreError):
    """There are as many as the caller said there may be; nothing was written."""


class StoreUnavailable(StoreError):
    """The database did not take or give the rows.

    Nothing was acknowledged. Where the disk failed in the middle of a commit, the outcome is unknown.
    """


class Store(IamStore, Protocol):
    """INVARIANT S1: a write is on disk when its coroutine returns.
    INVARIANT S2: after a write returned, no worker of this server answers from the older row.
    INVARIANT S3: a write whose `version` is not the stored one raises ConcurrentChange.

    Reads are cheap and may be answered from this worker's memory, S2 permitting.
    """

    # keys
    async def find_key(self, region: Region, key_id: KeyId) -> Key | None:
        """The key record, of whatever account, in this Region."""
        ...

    async def insert_key(self, key: Key, *, of_account_max: int | None = None) -> None:
        """Store a new key with its materials and tags (version 1). Raises AlreadyExists; LimitReached
        when the account has `of_account_max` customer managed keys in the Region, in any state."""
        ...

    async def insert_key_with_alias(self, key: Key, alias: Alias) -> None:
        """Store a new key and an alias for it, both or none. Raises AlreadyExists: the alias is taken."""
        ...

    async def update_key(self, key: Key, *, erase: bool = False) -> Key:
        """Replace the record of `key.version` by `key`; returns it with its new version.

        Tags and materials are replaced too. `erase`: nothing of the older rows stays on disk. Raises
        ConcurrentChange.
        """
        ...

    async def update_keys(
        self,
        records: Sequence[Key],
        new: Sequence[Key] = (),
        *,
        erase: bool = False,
        of_account_max: int | None = None,
    ) -> Sequence[Key]:
        """Replace several records, and insert `new` ones (version 1), in one transaction: all or none.

        INVARIANT S3 for each of them. Returns the replaced ones with their new versions. `erase` as in
        update_key, `of_account_max` as in insert_key. Raises ConcurrentChange, AlreadyExists, LimitReached.
        """
        ...

    async def destroy_key(self, key: Key) -> None:
        """Remove the key, its materials, tags and aliases, and note its id in the ledger of
        destroyed keys, in one transaction. Raises ConcurrentChange."""
        ...

    async def list_key_ids(
        self, account_id: AccountId, region: Region, after: KeyId | None, limit: int
    ) -> Sequence[KeyId]:
        """Up to `limit` key ids in ascending order, beginning after `after`."""
        ...

    async def count_keys(self, account_id: AccountId, region: Region) -> int:
        """How many customer managed keys the account has in the Region, in any state."""
        ...

    async def list_related_keys(self, account_id: AccountId, key_id: KeyId) -> Sequence[Key]:
        """The keys of that id in every Region, in ascending order of Region: a multi-Region key's
        primary and replicas. Read from the database, in one snapshot."""
        ...

    async def list_keys_in_state(
        self, state: KeyState, after: tuple[Region, KeyId] | None, limit: int
    ) -> Sequence[Key]:
        """Up to `limit` keys of all accounts that are in `state`, ascending by Region and key id,
        beginning after `after`. For states that few keys are in."""
        ...

    async def list_keys_due_for_deletion(self, until: datetime, limit: int) -> Sequence[Key]:
        """Keys of all accounts and Regions whose deletion_at has come."""
        ...

    async def list_keys_due_for_rotation(self, until: datetime, limit: int) -> Sequence[Key]:
        """Enabled keys of all accounts and Regions whose next_rotation_at has come, the longest due
        first; no replicas of multi-Region keys."""
        ...

    async def list_keys_in_rotation(self, limit: int) -> Sequence[Key]:
        """Enabled keys of all accounts and Regions with a rotation_started_at, the oldest first; no
        replicas of multi-Region keys."""
        ...

    async def list_keys_with_expired_material(self, until: datetime, limit: int) -> Sequence[Key]:
        """Keys of all accounts and Regions that hold imported material whose expires_at has come."""
        ...

    # aliases
    async def find_alias(self, account_id: AccountId, region: Region, name: AliasName) -> Alias | None: ...

    async def insert_alias(self, alias: Alias, *, of_key_max: int | None = None) -> None:
        """Raises AlreadyExists; ConcurrentChange when the key is gone; LimitReached when the key has
        `of_key_max` aliases, counted in the same transaction."""
        ...

    async def update_alias(
        self, alias: Alias, *, expected_target: KeyId | None = None, of_key_max: int | None = None
    ) -> None:
        """Point an existing alias at another key. Raises ConcurrentChange when either is gone, or the
        alias names another key than `expected_target`; LimitReached as above."""
        ...

    async def delete_alias(
        self,
        account_id: AccountId,
        region: Region,
        name: AliasName,
        *,
        expected_target: KeyId | None = None,
    ) -> None:
        """Raises ConcurrentChange when it is gone, or names another key than `expected_target`."""
        ...

    async def list_aliases(
        self,
        account_id: AccountId,
        region: Region,
        key_id: KeyId | None,
        after: AliasName | None,
        limit: int,
    ) -> Sequence[Alias]:
        """Aliases in ascending order of name, of one key if `key_id` is given."""
        ...

    async def count_aliases_of(self, region: Region, key_id: KeyId) -> int: ...

    # grants
    async def find_grant(self, region: Region, key_id: KeyId, grant_id: GrantId) -> Grant | None: ...

    async def insert_grant(
        self, grant: Grant, *, of_key_version: int, of_key_max: int | None = None
    ) -> Grant:
        """The grant that there is now. Where the key has a grant of this name and with the same
        parameters, that one and nothing is written; else this one. Both are decided in one transaction.

        Raises ConcurrentChange when the key is gone or not at `of_key_version`, whose policy and state
        allowed this; LimitReached when the key has `of_key_max` grants."""
        ...

    async def delete_grant(self, region: Region, key_id: KeyId, grant_id: GrantId) -> None:
        """Raises ConcurrentChange when it is gone."""
        ...

    async def list_grants(
        self, region: Region, key_id: KeyId, chosen: GrantFilter, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        """A key's grants in ascending order of grant id."""
        ...

    async def list_retirable_grants(
        self, region: Region, retiring_principal: str, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        """Grants with that retiring principal, of keys of all accounts, in ascending order of grant id."""
        ...

    async def list_grants_to(self, region: Region, key_id: KeyId, grantee_principal: str) -> Sequence[Grant]:
        """All of a key's grants to one principal, by its ARN, or a service's name: what authorization asks.
        From memory, S2 permitting."""
        ...

    async def count_grants_of(self, region: Region, key_id: KeyId) -> int: ...

    # last uses of keys
    async def find_key_usage(self, region: Region, key_id: KeyId) -> KeyUsageRecord | None:
        """The last use of a key that was kept."""
        ...

    async def keep_key_usages(self, usages: Sequence[KeyUsageRecord]) -> None:
        """Keep each unless a later one of its key is kept; of keys that are gone, nothing."""
        ...

    # custom key stores
    async def find_custom_key_store(
        self, account_id: AccountId, region: Region, custom_key_store_id: str
    ) -> CustomKeyStore | None: ...

    async def list_custom_key_stores(
        self, account_id: AccountId, region: Region, after: str | None, limit: int
    ) -> Sequence[CustomKeyStore]:
        """In ascending order of id, beginning after `after`."""
        ...

    async def list_custom_key_stores_in(
        self, states: Sequence[ConnectionStateType], limit: int
    ) -> Sequence[CustomKeyStore]:
        """Of all accounts and Regions, those in one of these connection states."""
        ...

    async def insert_custom_key_store(
        self, store: CustomKeyStore, check: Callable[[Sequence[CustomKeyStore]], None]
    ) -> None:
        """`check` judges the others of the account and Region in the same transaction: what it raises is
        raised, and nothing is written. Raises AlreadyExists."""
        ...

    async def update_custom_key_store(
        self, store: CustomKeyStore, check: Callable[[Sequence[CustomKeyStore]], None] | None = None
    ) -> CustomKeyStore:
        """Replace the record of `store.version`. Raises ConcurrentChange, AlreadyExists; `check` as above."""
        ...

    async def delete_custom_key_store(self, store: CustomKeyStore) -> None:
        """Raises ConcurrentChange; StillInUse while there are keys in it, in any state."""
        ...

    async def insert_key_in(
        self, key: Key, store: CustomKeyStore, *, of_account_max: int | None = None
    ) -> None:
        """`insert_key` into a custom key store. Raises ConcurrentChange when the store is not at
        `store.version`; AlreadyExists when the external key has a KMS key in it; LimitReached."""
        ...

    # credentials of the external key store proxy's callers
    async def find_proxy_credential(self, access_key_id: AccessKeyId) -> ProxyCredential | None:
        """From memory, S2 permitting."""
        ...

    async def list_proxy_credentials(self) -> Sequence[ProxyCredential]:
        """All of them, the oldest first."""
        ...

    async def insert_proxy_credential(self, credential: ProxyCredential, *, of_proxy_max: int) -> None:
        """Raises AlreadyExists; LimitReached when there are `of_proxy_max`."""
        ...

    async def delete_proxy_credential(self, access_key_id: AccessKeyId) -> None:
        """Nothing of it stays on disk. Raises ConcurrentChange when it is gone."""
        ...

    # the boundary's own records: opaque tokens kept for it
    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        """All domain key tokens of a Region, the active one last; empty if there is none yet."""
        ...

    async def insert_domain_key_token(self, region: str, domain_key_id: bytes, token: bytes) -> bool:
        """Keep a Region's first active domain key. False (and nothing written) if another worker
        was first; then list again."""
        ...

    async def find_domain_key_token(self, domain_key_id: bytes) -> bytes | None: ...

    async def list_active_domain_keys(self) -> Sequence[DomainKeyRecord]:
        """The one that wraps of each Region."""
        ...

    async def list_domain_keys(self, region: str) -> Sequence[DomainKeyRecord]:
        """All of a Region, the active one last."""
        ...

    async def insert_next_domain_key(self, record: DomainKeyRecord, token: bytes) -> bool:
        """False (and nothing written) when another one has become the Region's newest meanwhile."""
        ...

    async def is_domain_key_named(self, domain_key_id: bytes) -> bool:
        """Whether any token, of whatever Region, says that this domain key wraps it."""
        ...

    async def delete_domain_key(self, domain_key_id: bytes) -> bool:
        """Remove a retired domain key, and leave no copy of its token.

        False (and nothing removed) for one that wraps or that a token names: judged in the same transaction.
        """
        ...

    async def list_held_tokens(
        self, region: str, place: TokenPlace, after: tuple[str, ...] | None, limit: int
    ) -> Sequence[HeldToken]:
        """The exported key tokens of a Region in one place, after a row."""
        ...

    async def replace_held_tokens(self, replacing: Sequence[tuple[HeldToken, bytes]]) -> int:
        """Put re-wrapped tokens in the place of those they were made from; returns how many were.

        A record gets a new version: who has read the older token must not put it back (INVARIANT S3).
        """
        ...

    async def find_setting(self, name: str) -> str | None:
        """A server-wide setting kept with the data (the moved clock of development, say)."""
        ...

    async def put_setting(self, name: str, value: str) -> None: ...

    # the deletion ledger: an entry is made in the transaction that deletes something
    async def list_deletions(self, after: int, limit: int | None = None) -> Sequence[str]:
        """The entries beyond the first `after`, in their order, as resources.deletion renders them."""
        ...

    async def repeat_deletions(self, after: int, entries: Sequence[str]) -> int:
        """On restored data: delete again what these entries tell of, of which the first is number
        `after` + 1, and enter them; how many were alive. All or none."""
        ...

    # the whole
    async def empty(self) -> None:
        """Remove keys and identities of all accounts (development only); the roots keep their access keys."""
        ...

    async def ping(self) -> None:
        """Raises StoreUnavailable when requests could not be answered."""
        ...
