"""Grants as permission: which of a key's grants are a caller's, and who may retire one.

A grant permits by itself: what identity-based policies, a permissions boundary or session policies merely
leave out does not limit it, what they deny does. A grant to a role is its sessions' too. One to an account
is its root's; AWS does not say that an account could hand it on.
Source: CreateGrant in the KMS API reference; KMS Developer Guide, "Grants in AWS KMS", "Retiring and revoking
grants" and "Troubleshooting AWS KMS permissions"; docs/decisions/0010-who-may.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from strongroom.authorization.ask import Ask, PolicyFacts
from strongroom.authorization.decision import (
    A_GRANT_MAY_STILL_ALLOW,
    Decision,
    Reason,
    StatementReference,
)
from strongroom.authorization.grants import GrantIndex, GrantUse
from strongroom.aws.generated.enums import GrantOperation
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.grant import Grant, GrantId
from strongroom.resources.iam import EntityKind, Identity, iam_arn
from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.key import Key

GRANTEES_MAX = 4096
GRANTS_MAX = 200_000
"""How many are kept arranged; more are arranged anew when they are asked for."""

DECISIONS_MAX = 256
"""Remembered for one grantee on one key."""
CONTEXT_CHARACTERS_MAX = 1024
"""Of an encryption context whose decision is remembered."""

SOURCE_ARN = "aws:sourcearn"
_SOURCE_KEYS = frozenset({SOURCE_ARN})


class GranteeName(NamedTuple):
    """A name by which a grant may mean this caller."""

    name: str
    """An ARN; of a user, who can be renamed, the unique id."""
    unique_id: str | None
    """What the name must have been bound to; None for a root and a service, which are not bound."""


def grantee_names(principal: AuthenticatedPrincipal, identity: Identity | None) -> tuple[GranteeName, ...]:
    """The names of a caller."""
    if principal.type is PrincipalType.AWS_SERVICE or principal.type is PrincipalType.ROOT:
        return (GranteeName(principal.arn, None),)
    if principal.type is PrincipalType.IAM_USER:
        return (GranteeName(principal.unique_id, principal.unique_id),)
    itself = GranteeName(principal.arn, principal.unique_id)
    if identity is None:
        return (itself,)
    partition = principal.arn.split(":", 2)[1]
    role_arn = iam_arn(principal.account_id, EntityKind.ROLE, identity.path, identity.name, partition)
    return (GranteeName(role_arn, principal.unique_id), itself)


class GrantMemory:
    """A key's grants to one grantee, arranged for finding while the store hands out the same ones."""

    __slots__ = ("_facts", "_kept", "_size")

    def __init__(self, facts: PolicyFacts) -> None:
        self._facts = facts
        self._kept: dict[tuple[Region, KeyId, str], tuple[Sequence[Grant], GrantIndex]] = {}
        self._size = 0

    async def find_index(self, key: Key, grantee: str) -> GrantIndex | None:
        """None: there are no grants."""
        grants = await self._facts.list_grants_to(key.region, key.key_id, grantee)
        if not grants:
            return None
        place = (key.region, key.key_id, grantee)
        kept = self._kept.get(place)
        if kept is not None and kept[0] is grants:  # INVARIANT Z5: the same object, so nothing changed
            return kept[1]
        index = GrantIndex(grants)
        self._forget(place)
        self._kept[place] = (grants, index)
        self._size += index.size
        while self._size > GRANTS_MAX or len(self._kept) > GRANTEES_MAX:
            self._forget(next(iter(self._kept)))
        return index

    async def list_for(
        self, principal: AuthenticatedPrincipal, identity: Identity | None, key: Key
    ) -> tuple[Grant, ...]:
        """All grants on a key that name this caller, bound to it or not; for explanations."""
        names = [grantee.name for grantee in grantee_names(principal, identity)]
        found: dict[GrantId, Grant] = {}
        for name in dict.fromkeys((*names, principal.arn)):
            grants = await self._facts.list_grants_to(key.region, key.key_id, name)
            found |= {grant.grant_id: grant for grant in grants}
        return tuple(found.values())

    def _forget(self, place: tuple[Region, KeyId, str]) -> None:
        kept = self._kept.pop(place, None)
        if kept is not None:
            self._size -= kept[1].size


async def allow_by_grant(
    memory: GrantMemory, ask: Ask, key: Key, identity: Identity | None
) -> Decision | None:
    """The decision of a grant that permits what is asked; None when there is none."""
    if ask.grant_operation is None:
        return None
    for grantee in grantee_names(ask.principal, identity):
        index = await memory.find_index(key, grantee.name)
        if index is None:
            continue
        source_arn = None
        if index.has_sources:
            await ask.values.prepare(_SOURCE_KEYS)
            given = ask.values.values_of(SOURCE_ARN)
            source_arn = given[0] if given is not None and len(given) == 1 else None
        decision = _decide(index, ask, source_arn, grantee.unique_id)
        if decision is not None:
            return decision
    return None


def _decide(index: GrantIndex, ask: Ask, source_arn: str | None, unique_id: str | None) -> Decision | None:
    """INVARIANT Z5: remembered under all that is looked at, with grants that are never changed."""
    operation, context = ask.grant_operation, ask.encryption_context
    assert operation is not None  # noqa: S101
    use = GrantUse(operation, context, source_arn, ask.child_grant)
    if ask.child_grant is not None:
        return _allowed_by(index.find(use, unique_id))
    made_from = (operation, source_arn, unique_id, None if context is None else tuple(context.items()))
    try:
        return index.decisions[made_from]
    except KeyError:
        decision = _allowed_by(index.find(use, unique_id))
    if sum(map(len, context or ())) + sum(map(len, (context or {}).values())) <= CONTEXT_CHARACTERS_MAX:
        if len(index.decisions) >= DECISIONS_MAX:
            index.decisions.clear()
        index.decisions[made_from] = decision
    return decision


def _allowed_by(grant: Grant | None) -> Decision | None:
    return None if grant is None else Decision(True, Reason.GRANT_ALLOWS, (grant_reference(grant),))


def grant_reference(grant: Grant) -> StatementReference:
    """A grant in the place of a statement: it is its own only one, and its name its Sid."""
    return StatementReference(0, grant.name, f"grant {grant.grant_id}")


def may_retire(principal: AuthenticatedPrincipal, grant: Grant, by_policies: Decision) -> Decision:
    """Whether this caller may retire the grant, given what policies say to kms:RetireGrant.

    The retiring principal and, where RetireGrant is among the operations, the grantee may by the grant
    itself. The account that has the key, the one that made the grant, and one that is the retiring principal
    may by their root, and by whom their identity-based policies let. INVARIANT Z7.
    """
    if not by_policies.allowed and by_policies.reason not in A_GRANT_MAY_STILL_ALLOW:
        return by_policies
    named = (grant.retiring_principal, grant.retiring_id, grant.retiring_service_principal)
    by_itself = Decision(True, Reason.GRANT_SAYS_WHO_RETIRES_IT, (grant_reference(grant),))
    if _names(principal, *named):
        return by_itself
    if GrantOperation.RETIRE_GRANT in grant.operations and _names(
        principal, grant.grantee_principal, grant.grantee_id, grant.grantee_service_principal
    ):
        return by_itself
    if principal.type is not PrincipalType.AWS_SERVICE:
        accounts = {grant.account_id, grant.issuing_account.split(":")[4]}
        retiring = grant.retiring_principal
        if retiring is not None and retiring.endswith(":root"):
            accounts.add(retiring.split(":")[4])
        if principal.account_id in accounts:
            return by_policies if by_policies.allowed else Decision(False, Reason.NO_KEY_POLICY_ALLOWS)
    return Decision(False, Reason.NO_KEY_POLICY_ALLOWS)


def _names(
    principal: AuthenticatedPrincipal, name: str | None, unique_id: str | None, service: str | None
) -> bool:
    """Whether a member of a grant means this very caller: by id where it was bound to one."""
    if principal.type is PrincipalType.AWS_SERVICE:
        return service is not None and service == principal.arn
    if name is None:
        return False
    if principal.type is PrincipalType.ROOT:
        return name == principal.arn
    if unique_id is None or not principal.unique_id or unique_id != principal.unique_id:
        return False
    return ":assumed-role/" not in name or name == principal.arn
