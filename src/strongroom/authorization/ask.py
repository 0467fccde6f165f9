"""What the road asks of this room: may this caller do this to that, under these circumstances?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from strongroom.aws.generated.enums import GrantOperation
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.resources.grant import Grant, GrantTerms
from strongroom.resources.iam import Identity
from strongroom.resources.identifiers import AccountId, KeyId, Region
from strongroom.resources.key import Key


class AmbiguousCondition(Exception):
    """A condition key that has one value has two here: the request or the resource has two names (of an
    encryption context, of a tag) that differ only in case.

    Whichever were taken, one statement could be dodged or another tricked. Who catches it denies.
    """


class TooMuchToCompare(AmbiguousCondition):
    """The request has more than policies are compared with. As both are long at their writers' will, their
    product would be time that everybody waits for. Who catches it denies.
    """


class ConditionValues(Protocol):
    """The condition keys of one request, each worked out when a policy first looks at it."""

    def values_of(self, key: str) -> tuple[str, ...] | None:
        """The values of a condition key, or None where the request has none.

        Shape: `key` in lower case as a whole, what follows a `/` or `kms:encryptioncontext:` included.
        Booleans are `true` and `false`, instants ISO 8601 in UTC, numbers decimal. A key with several
        values has them in the request's order. An empty tuple is a key that is there without a value.
        Raises AmbiguousCondition.
        """
        ...

    def needs_store(self, keys: frozenset[str]) -> bool:
        """Whether `prepare` has anything to look up for these keys."""
        ...

    async def prepare(self, keys: frozenset[str]) -> None:
        """Look up what the values of these keys need of the store (kms:ResourceAliases), before
        `values_of` is asked. `keys` are all that the policies name, in their variables too. May raise
        StoreUnavailable."""
        ...


class NoValues:
    """A request without condition keys."""

    def values_of(self, key: str) -> None:
        """None has a value."""

    def needs_store(self, keys: frozenset[str]) -> bool:
        """Never."""
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        """Nothing to look up."""


NO_VALUES = NoValues()


class PolicyFacts(Protocol):
    """What this room asks of the store; each answer is the same object until something in it changes."""

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        """A user or role with its policies in force; None when it is gone."""
        ...

    async def find_policy_text(self, arn: str) -> str | None:
        """The default version of a managed policy, AWS's or an account's; None when it is gone."""
        ...

    async def list_grants_to(self, region: Region, key_id: KeyId, grantee_principal: str) -> Sequence[Grant]:
        """All of a key's grants to one principal: its ARN as the grants have it, or a service's name."""
        ...


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One question. Every permission that an operation needs is one of its own."""

    principal: AuthenticatedPrincipal
    action: str
    """As AWS spells it: `kms:Decrypt`, `iam:CreateUser`, `sts:AssumeRole`."""
    resource_arn: str
    """`*` where an action has no resource."""
    resource_account_id: AccountId
    values: ConditionValues = NO_VALUES
    key: Key | None = None
    """The KMS key, where the resource is one: its policy and grants are asked."""
    cross_account: bool = False
    """Whether the operation works on keys of other accounts at all."""
    grant_operation: GrantOperation | None = None
    """What a grant must list to permit this; None: no grant can."""
    encryption_context: Mapping[str, str] | None = None
    """Of a cryptographic operation with a symmetric key; what grants' constraints are compared with."""
    child_grant: GrantTerms | None = None
    """Of CreateGrant: what is to be granted, which a grant that permits it must not be narrower than."""
