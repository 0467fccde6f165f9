"""The part of the store that keeps accounts, IAM's entities and credentials; `SqlStore` is this and more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection

from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES
from strongroom.resources.iam import Entity, EntityKind, Identity, Reference, UniqueId
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store import iam_entities, identities
from strongroom.store.iam_interface import AccessKey, AccessKeyUse, Account
from strongroom.store.reader import Reader
from strongroom.store.stamped_cache import StampedCache
from strongroom.store.writer import Changed, Writer

E = TypeVar("E", bound=Entity)

KnownIdentities: TypeAlias = StampedCache[tuple[AccountId, UniqueId], Identity]
KnownPolicyTexts: TypeAlias = StampedCache[str, str]
KnownAccessKeys: TypeAlias = StampedCache[AccessKeyId, AccessKey]


def identities_of_identity(account_id: str) -> str:
    """Stamped by every write to an entity of the account."""
    return f"iam/{account_id}"


def access_key_identity(access_key_id: str) -> str:
    """Stamped by every write to one access key."""
    return f"access-key/{access_key_id}"


class IamStore:
    """Implements iam_interface.IamStore.

    Concurrency and errors: those of SqlStore.
    """

    _reader: Reader
    _writer: Writer
    _access_keys: KnownAccessKeys
    _identities: KnownIdentities
    _policy_texts: KnownPolicyTexts

    # accounts
    async def insert_account(self, account: Account) -> None:
        """Raises AlreadyExists."""
        await self._writer.add(lambda c, _: identities.insert_account(c, account))

    async def find_account(self, account_id: AccountId) -> Account | None:
        """The account, or None."""
        return self._reader.read(lambda c: identities.select_account(c, account_id))

    async def list_accounts(self, after: AccountId | None, limit: int) -> Sequence[Account]:
        """In ascending order of id."""
        return self._reader.read(lambda c: identities.select_accounts(c, after, limit))

    # entities
    async def find_entity(self, kind: type[E], account_id: AccountId, name: str) -> E | None:
        """The entity of that kind and name, or None."""
        return self._reader.read(lambda c: iam_entities.select_entity(c, kind, account_id, name))

    async def find_entity_by_id(self, kind: type[E], unique_id: UniqueId) -> E | None:
        """The entity of that kind and unique id, or None."""
        return self._reader.read(lambda c: iam_entities.select_entity_by_id(c, kind, unique_id))

    async def list_entities(
        self, kind: type[E], account_id: AccountId, path_prefix: str, after: str | None, limit: int
    ) -> Sequence[E]:
        """In ascending order of the name in lower case."""
        return self._reader.read(
            lambda c: iam_entities.select_entities(c, kind, account_id, path_prefix, after, limit)
        )

    async def insert_entity(self, entity: Entity, *, of_account_max: int | None = None) -> None:
        """Raises AlreadyExists, LimitReached, ConcurrentChange."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(identities_of_identity(entity.account_id))
            iam_entities.insert_entity(connection, entity, of_account_max)

        await self._writer.add(work)

    async def update_entity(self, entity: E) -> E:
        """Raises ConcurrentChange, AlreadyExists. On a full disk rights can still be taken away."""

        def work(connection: Connection, changed: Changed) -> E:
            changed.append(identities_of_identity(entity.account_id))
            return iam_entities.update_entity(connection, entity)

        return await self._writer.change(work)

    async def delete_entity(self, entity: Entity) -> None:
        """Raises ConcurrentChange, StillInUse."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(identities_of_identity(entity.account_id))
            iam_entities.delete_entity(connection, entity)

        await self._writer.change(work)

    async def list_references_to(self, account_id: AccountId, target: str) -> Sequence[Reference]:
        """In ascending order of kind and name."""
        return self._reader.read(lambda c: iam_entities.select_references_to(c, account_id, target))

    async def count_entities(self, account_id: AccountId, kind: EntityKind) -> int:
        """How many the account has of a kind."""
        return self._reader.read(lambda c: iam_entities.count_entities(c, account_id, kind))

    # what decisions are made from
    async def find_identity(self, account_id: AccountId, unique_id: UniqueId) -> Identity | None:
        """Remembered until an entity of the account changes; absence is not."""
        found = self._identities.get((account_id, unique_id))
        if found is None:
            # INVARIANT S2: noted before the database is asked.
            noted = self._identities.note(identities_of_identity(account_id))
            found = self._reader.read(lambda c: iam_entities.select_identity(c, account_id, unique_id))
            if found is not None:
                self._identities.keep((account_id, unique_id), found, noted)
        return found

    async def find_policy_text(self, arn: str) -> str | None:
        """Remembered until an entity of the policy's account changes."""
        found = AWS_MANAGED_POLICIES.get(arn) or self._policy_texts.get(arn)
        if found is None:
            account_id = arn.partition(":iam::")[2].partition(":")[0]
            noted = self._policy_texts.note(identities_of_identity(account_id))
            found = self._reader.read(lambda c: iam_entities.select_policy_text(c, arn))
            if found is not None:
                self._policy_texts.keep(arn, found, noted)
        return found

    # credentials
    async def find_access_key(self, access_key_id: AccessKeyId) -> AccessKey | None:
        """The credential, active or not, or None."""
        access_key = self._access_keys.get(access_key_id)
        if access_key is None:
            noted = self._access_keys.note(access_key_identity(access_key_id))
            access_key = self._reader.read(lambda c: identities.select_access_key(c, access_key_id))
            if access_key is not None:
                self._access_keys.keep(access_key_id, access_key, noted)
        return access_key

    async def put_access_key(self, access_key: AccessKey) -> None:
        """Insert or replace. On a full disk a credential can still be made inactive."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(access_key_identity(access_key.access_key_id))
            identities.put_access_key(connection, access_key)

        if access_key.active:
            await self._writer.add(work)
        else:
            await self._writer.change(work)

    async def insert_access_key(self, access_key: AccessKey, *, of_principal_max: int) -> None:
        """Raises AlreadyExists, LimitReached, ConcurrentChange."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(access_key_identity(access_key.access_key_id))
            identities.insert_access_key(connection, access_key, of_principal_max)

        await self._writer.add(work)

    async def set_access_key_active(self, access_key_id: AccessKeyId, active: bool) -> None:
        """Raises ConcurrentChange when it is gone. On a full disk it can still be made inactive."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(access_key_identity(access_key_id))
            identities.set_access_key_active(connection, access_key_id, active)

        await (self._writer.add if active else self._writer.change)(work)

    async def list_access_keys(self, account_id: AccountId, principal_id: str) -> Sequence[AccessKey]:
        """In ascending order of id."""
        return self._reader.read(lambda c: identities.select_access_keys(c, account_id, principal_id))

    async def delete_access_key(self, access_key_id: AccessKeyId) -> None:
        """Raises ConcurrentChange when it is gone. Secrets: nothing of its token stays on disk."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(access_key_identity(access_key_id))
            identities.delete_access_key(connection, access_key_id)

        await self._writer.change(work, erase=True)

    # last uses: never remembered, so their writes need no stamp
    async def find_access_key_use(self, access_key_id: AccessKeyId) -> AccessKeyUse | None:
        """The last use that was kept, or None."""
        return self._reader.read(lambda c: identities.select_access_key_use(c, access_key_id))

    async def keep_access_key_uses(self, uses: Sequence[AccessKeyUse]) -> None:
        """Keep each unless a later one of its key is kept; of keys that are gone, nothing."""
        await self._writer.add(lambda c, _: identities.keep_access_key_uses(c, uses))
