"""The nouns of IAM: users, groups, roles, managed policies, OIDC providers, and what a caller's policies are.

Names are unique in their account whatever the case of their letters; unique ids are never used again, so
what is bound to an id never means something that was made later under the same name.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from strongroom.resources.identifiers import AccountId

UniqueId: TypeAlias = str
"""AIDA..., AROA..., AGPA..., ANPA...: what AWS calls the unique identifier of an entity."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UNIQUE_ID_LETTERS = 17
_ACCESS_KEY_ID_LETTERS = 16


class EntityKind(StrEnum):
    """What the store keeps of IAM; unique names are unique within a kind."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"
    POLICY = "policy"
    OIDC_PROVIDER = "oidc-provider"
    SERVICE = "service"


class IdPrefix(StrEnum):
    """The first four letters of a unique id. Source: IAM User Guide, "Unique identifiers"."""

    USER = "AIDA"
    GROUP = "AGPA"
    ROLE = "AROA"
    POLICY = "ANPA"
    ACCESS_KEY = "AKIA"
    TEMPORARY_ACCESS_KEY = "ASIA"


def new_unique_id(prefix: IdPrefix) -> UniqueId:
    """A fresh unique id (21 letters) or access key id (20)."""
    is_access_key = prefix in (IdPrefix.ACCESS_KEY, IdPrefix.TEMPORARY_ACCESS_KEY)
    letters = _ACCESS_KEY_ID_LETTERS if is_access_key else _UNIQUE_ID_LETTERS
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(letters))


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """What every entity of IAM has.

    Invariant: `version` grows by one with every stored change, as a key's does.
    """

    account_id: AccountId
    name: str
    """As its maker wrote it. A provider's is its URL without the scheme; a service's its principal."""
    unique_id: UniqueId
    path: str = "/"
    created_at: datetime
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    """In the order in which they were given."""
    version: int = 1

    @property
    def kind(self) -> EntityKind:
        """Which table of names it is in."""
        return KINDS[type(self)]


class User(Entity, frozen=True, kw_only=True):
    """An IAM user."""

    permissions_boundary: str | None = None
    """The ARN of a managed policy."""
    inline_policies: dict[str, str] = msgspec.field(default_factory=dict)
    """Policy text by policy name."""
    attached_policies: tuple[str, ...] = ()
    """ARNs of managed policies, in the order of their attachment."""
    groups: tuple[UniqueId, ...] = ()
    """Unique ids of its groups."""


class Group(Entity, frozen=True, kw_only=True):
    """An IAM group: policies that its users share. It is no principal."""

    inline_policies: dict[str, str] = msgspec.field(default_factory=dict)
    attached_policies: tuple[str, ...] = ()


class Role(Entity, frozen=True, kw_only=True):
    """An IAM role."""

    trust_policy: str
    """AssumeRolePolicyDocument: who may assume it."""
    trust_principals: dict[str, UniqueId] = msgspec.field(default_factory=dict)
    """As Key.policy_principals, of the trust policy."""
    description: str | None = None
    max_session_seconds: int = 3600
    permissions_boundary: str | None = None
    inline_policies: dict[str, str] = msgspec.field(default_factory=dict)
    attached_policies: tuple[str, ...] = ()


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a managed policy."""

    version_id: str
    """v1, v2, ...: never used again."""
    text: str
    created_at: datetime


class ManagedPolicy(Entity, frozen=True, kw_only=True):
    """A customer managed policy. Invariant: `default_version_id` names one of `versions`."""

    description: str | None = None
    versions: tuple[PolicyVersion, ...]
    default_version_id: str
    last_version_number: int = 1
    updated_at: datetime

    @property
    def default_text(self) -> str:
        """The policy that is in force."""
        return next(one.text for one in self.versions if one.version_id == self.default_version_id)


class OidcProvider(Entity, frozen=True, kw_only=True):
    """An OpenID Connect identity provider that roles may trust."""

    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()


class IntegratedService(Entity, frozen=True, kw_only=True):
    """A service that the operator registered: it acts on KMS keys for its own users.

    Its `name` is what stands before the dot in its principal (`s3` of s3.amazonaws.com); it belongs to no
    account: `account_id` is empty.
    """

    own_account_id: str = ""
    """The account of the keys that it owns itself, and that serve many customers (AWS owned keys)."""


KINDS: dict[type[Entity], EntityKind] = {
    User: EntityKind.USER,
    Group: EntityKind.GROUP,
    Role: EntityKind.ROLE,
    ManagedPolicy: EntityKind.POLICY,
    OidcProvider: EntityKind.OIDC_PROVIDER,
    IntegratedService: EntityKind.SERVICE,
}


class PolicySource(msgspec.Struct, frozen=True):
    """One identity-based policy in force, and where it stands."""

    label: str
    """The ARN of a managed policy; of an inline one `inline policy NAME of user/NAME`, or group or role."""
    text: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A user or role with every policy in force for it: what a decision about its requests is made from.

    The store hands out the same object for as long as nothing in it has changed.
    """

    account_id: AccountId
    kind: EntityKind
    name: str
    path: str
    unique_id: UniqueId
    tags: dict[str, str]
    policies: tuple[PolicySource, ...]
    boundary: PolicySource | None
    """None: it has none. A boundary that is gone is a source with an empty text, which allows nothing."""

    @property
    def resource_name(self) -> str:
        """`user/path/name` or `role/path/name`: the last part of its ARN."""
        return f"{self.kind}{self.path}{self.name}"


class Relation(StrEnum):
    """How an entity refers to another."""

    ATTACHED = "attached"
    BOUNDARY = "boundary"
    MEMBER = "member"


class Reference(msgspec.Struct, frozen=True):
    """One entity that refers to another, as the store answers it."""

    kind: EntityKind
    name: str
    unique_id: UniqueId
    relation: Relation


def references_of(entity: Entity) -> list[tuple[Relation, str]]:
    """What an entity refers to: policy ARNs, and the unique ids of groups."""
    found = [(Relation.ATTACHED, arn) for arn in getattr(entity, "attached_policies", ())]
    if (boundary := getattr(entity, "permissions_boundary", None)) is not None:
        found.append((Relation.BOUNDARY, boundary))
    return found + [(Relation.MEMBER, group) for group in getattr(entity, "groups", ())]


def iam_arn(account_id: str, kind: EntityKind, path: str, name: str, partition: str = "aws") -> str:
    """The ARN of an entity: `arn:aws:iam::111122223333:user/division/Bob`."""
    return f"arn:{partition}:iam::{account_id}:{kind}{path}{name}"
