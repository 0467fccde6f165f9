"""What the rooms may ask of the store about accounts and identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from strongroom.resources.iam import Entity, EntityKind, Identity, Reference, UniqueId
from strongroom.resources.identifiers import AccessKeyId, AccountId

E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-term credential of a principal. The secret is a token that only the boundary opens."""

    access_key_id: AccessKeyId
    account_id: AccountId
    principal_arn: str
    """Of a user as it was when the key was made: who it is now, `find_identity(principal_id)` says."""
    principal_id: str
    """The account id of a root, the unique id of a user, the name of an integrated service."""
    principal_type: str
    secret_token: bytes
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccessKeyUse:
    """The last use of an access key, as GetAccessKeyLastUsed tells."""

    access_key_id: AccessKeyId
    used_at: datetime
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account. Made by the operator, or by the first key of a development server's caller."""

    account_id: AccountId
    name: str | None
    created_at: datetime


class IamStore(Protocol):
    """The part of the store that keeps accounts, IAM's entities and credentials.

    Every write to an account's entities ends whatever any worker remembers of that account's identities
    (INVARIANT S2). Names are compared without the case of their letters, ids exactly.
    """

    # accounts
    async def insert_account(self, account: Account) -> None:
        """Raises AlreadyExists."""
        ...

    async def find_account(self, account_id: AccountId) -> Account | None: ...

    async def list_accounts(self, after: AccountId | None, limit: int) -> Sequence[Account]:
        """In ascending order of id."""
        ...

    # entities
    async def find_entity(self, kind: type[E], account_id: AccountId, name: str) -> E | None: ...

    async def find_entity_by_id(self, kind: type[E], unique_id: UniqueId) -> E | None: ...

    async def list_entities(
        self, kind: type[E], account_id: AccountId, path_prefix: str, after: str | None, limit: int
    ) -> Sequence[E]:
        """In ascending order of the name in lower case, beginning after the name `after`."""
        ...

    async def insert_entity(self, entity: Entity, *, of_account_max: int | None = None) -> None:
        """Store a new entity as version 1. Raises AlreadyExists; LimitReached when the account has
        `of_account_max` of its kind; ConcurrentChange when something that it refers to is gone."""
        ...

    async def update_entity(self, entity: E) -> E:
        """Replace the record with this unique id and version, perhaps under another name; returns it with
        its new version. Raises ConcurrentChange (also when something newly referred to is gone),
        AlreadyExists."""
        ...

    async def delete_entity(self, entity: Entity) -> None:
        """Raises ConcurrentChange; StillInUse while another entity refers to it or a user has access keys."""
        ...

    async def list_references_to(self, account_id: AccountId, target: str) -> Sequence[Reference]:
        """Who refers to a policy's ARN or a group's unique id, in ascending order of kind and name."""
        ...

    async def count_entities(self, account_id: AccountId, kind: EntityKind) -> int: ...

    # what decisions are made from, from memory while nothing has changed
    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        """A user or role with its policies in force; the same object until something of the account's
        entities changes."""
        ...

    async def find_policy_text(self, arn: str) -> str | None:
        """The default version of a managed policy, AWS's or an account's."""
        ...

    # credentials
    async def find_access_key(self, access_key_id: AccessKeyId) -> AccessKey | None: ...

    async def put_access_key(self, access_key: AccessKey) -> None:
        """Insert or replace."""
        ...

    async def insert_access_key(self, access_key: AccessKey, *, of_principal_max: int) -> None:
        """Raises AlreadyExists; LimitReached when the principal has that many, active or not;
        ConcurrentChange when it is a user's and the user is gone."""
        ...

    async def set_access_key_active(self, access_key_id: AccessKeyId, active: bool) -> None:
        """Raises ConcurrentChange when it is gone: a key that was deleted is not made again."""
        ...

    async def list_access_keys(self, account_id: AccountId, principal_id: str) -> Sequence[AccessKey]:
        """In ascending order of id."""
        ...

    async def delete_access_key(self, access_key_id: AccessKeyId) -> None:
        """Raises ConcurrentChange when it is gone."""
        ...

    async def find_access_key_use(self, access_key_id: AccessKeyId) -> AccessKeyUse | None: ...

    async def keep_access_key_uses(self, uses: Sequence[AccessKeyUse]) -> None:
        """Keep each unless a later one of its key is kept; of keys that are gone, nothing."""
        ...
