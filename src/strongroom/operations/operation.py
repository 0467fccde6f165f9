"""What an operation declares. The road (pipeline.py) does everything that is declared here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from strongroom.aws.generated.enums import GrantOperation, KeyUsageType
from strongroom.resources.iam import EntityKind
from strongroom.resources.key_state import StateRule

_GRANT_OPERATIONS = {f"kms:{operation}": operation for operation in GrantOperation}


@dataclass(frozen=True, slots=True)
class KeyTarget:
    """A KMS key that the road resolves, authorizes and whose state it checks before `run`.

    `member` is the input's attribute that names the key. Where it may be absent, `ciphertext` is the
    attribute whose header names it instead. `aliases` says whether an alias may stand for the key,
    `cross_account` whether a caller of another account may use it at all (each operation's page in
    the API reference says so under "Cross-account use").
    """

    action: str
    member: str
    aliases: bool
    ciphertext: str | None
    cross_account: bool
    is_primary: bool = False
    """Whether it must be a multi-Region primary key; said before its state is judged."""
    encryption_context: str | None = None
    """The input's attribute with the encryption context that a symmetric key is used with."""
    grant_operation: GrantOperation | None = field(init=False)
    """What a grant must list to permit the action; None: no grant can."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "grant_operation", _GRANT_OPERATIONS.get(self.action))


@dataclass(frozen=True, slots=True)
class RelatedKeyTarget:
    """The replica of the multi-Region primary key named before, in the Region that `member` names.

    It is allowed, and its state judged, as any other key target.
    """

    action: str
    member: str


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """An alias that must be allowed as a resource of its own; `member` names it."""

    action: str
    member: str


@dataclass(frozen=True, slots=True)
class AliasedKeyTarget:
    """The KMS key that an existing alias points to now; `member` names the alias."""

    action: str
    member: str


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """An action that no key policy governs: CreateKey, ListKeys, ListAliases, GenerateRandom."""

    action: str


@dataclass(frozen=True, slots=True)
class NewKeyTarget:
    """The KMS key that the operation will make; only where the request gives the member `given`.

    Its ARN is not known yet, so identity policies are asked about `key/*` in the Region that the member
    `region` names, or in the request's own.
    """

    action: str
    given: str
    region: str | None


@dataclass(frozen=True, slots=True)
class GrantTarget:
    """A grant that says itself who may do this to it: RetireGrant. Named by a token, or its id and key."""

    action: str


@dataclass(frozen=True, slots=True)
class EntityTarget:
    """An entity of IAM as a resource. The operation looks it up itself; it need not exist.

    `member` is the input's attribute that names it: a name, or the ARN of a policy or provider. Of an entity
    that the operation makes, `path` is the attribute that holds its path. `is_caller_if_absent`: without a
    name the calling user is meant. `given`: needed only where the request gives that member, as iam:TagUser
    for a new user with tags.
    """

    action: str
    kind: EntityKind
    member: str
    path: str | None = None
    is_caller_if_absent: bool = False
    given: str | None = None


@dataclass(frozen=True, slots=True)
class MovedEntityTarget:
    """An entity under the name and path that it is about to get; only where the request gives either.

    `member` names it as it is now. Source: API reference, UpdateUser and UpdateGroup: "permissions on both
    the source object and the target object".
    """

    action: str
    kind: EntityKind
    member: str
    new_name: str
    new_path: str


@dataclass(frozen=True, slots=True)
class AccessKeyTarget:
    """The user or root whose access key `member` names: GetAccessKeyLastUsed."""

    action: str
    member: str


IamTarget: TypeAlias = EntityTarget | MovedEntityTarget | AccessKeyTarget
"""Targets whose ARN stands in no request: operations/entity_arns.py works it out."""

Target: TypeAlias = (
    KeyTarget
    | RelatedKeyTarget
    | AliasTarget
    | AliasedKeyTarget
    | AccountTarget
    | NewKeyTarget
    | GrantTarget
    | EntityTarget
    | MovedEntityTarget
    | AccessKeyTarget
)
Access: TypeAlias = tuple[Target, ...]

NO_PERMISSION_NEEDED: Access = ()
"""Only sts:GetCallerIdentity: it works even where a policy denies it (STS API reference)."""


def on_key(
    action: str,
    *,
    member: str = "key_id",
    aliases: bool = False,
    cross_account: bool = False,
    encryption_context: str | None = None,
) -> Access:
    """One key, named by `member`."""
    return (KeyTarget(action, member, aliases, None, cross_account, encryption_context=encryption_context),)


def on_primary_key(action: str) -> Access:
    """One multi-Region primary key, named by its id or ARN."""
    return (KeyTarget(action, "key_id", False, None, False, is_primary=True),)


def on_account(action: str) -> Access:
    """An action on the account itself, governed by identity policies only."""
    return (AccountTarget(action),)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A member that may stand in the audit record, with what it means when it is absent."""

    member: str
    absent: str | None = None


def records(*members: str, **absent: str) -> tuple[Recorded, ...]:
    """An allow-list for the audit record: `records("key_id", encryption_algorithm="SYMMETRIC_DEFAULT")`."""
    return tuple(Recorded(member) for member in members) + tuple(
        Recorded(member, value) for member, value in absent.items()
    )


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A change in two steps, for an operation that takes DryRun: a dry run takes only the first.

    `prepare(call, request)` checks everything and changes nothing; what it returns is handed to
    `carry_out(call, request, prepared)`.
    """

    prepare: Callable[[Any, Any], Awaitable[Any]]
    carry_out: Callable[[Any, Any, Any], Awaitable[msgspec.Struct | None]]

    async def __call__(self, call: Any, request: Any) -> msgspec.Struct | None:
        return await self.carry_out(call, request, await self.prepare(call, request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, declared. There are no defaults: leaving a line out is a type error."""

    service: str
    name: str
    input: type[msgspec.Struct]
    output: type[msgspec.Struct] | None
    check: Callable[[Any], object] | None
    """What the request alone can be wrong about, beyond its shape: judged before any key is looked up."""
    access: Access
    states: StateRule | None
    """Which states the key targets may be in (resources/key_state.py); None where there is no key."""
    usage: KeyUsageType | None
    """What the key targets must be for; None where any usage will do."""
    read_only: bool
    """CloudTrail's readOnly. A request that is not read-only always waits for its durable record."""
    records: tuple[Recorded, ...]
    """Input members that may stand in the audit record. All others are left out."""
    response_records: tuple[str, ...]
    """Output members that may stand in the record's responseElements; () gives null, as AWS does."""
    run: Callable[[Any, Any], Awaitable[msgspec.Struct | None]]
    """run(call: strongroom.operations.context.Call, request) -> response."""
