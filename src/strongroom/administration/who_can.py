"""`strongroom who-can`: every principal that could do something with a KMS key now, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from strongroom.administration.principals import ANY_SESSION, list_principals, role_principal
from strongroom.administration.replay import rooms_to_look
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import PolicyType
from strongroom.authorization.evaluation import CallerPolicies, PolicyInForce, Question
from strongroom.authorization.key_policy import named_principals
from strongroom.authorization.policy_document import PolicyKind, PrincipalKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_memory import NO_BINDINGS, PolicyMemory
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.possibility import (
    IsKnown,
    OpenStatement,
    Possibility,
    Verdict,
    weigh_key_policies,
)
from strongroom.authorization.principals import caller_of
from strongroom.authorization.standings import compile_own_side
from strongroom.clock import HostClock
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest, PrincipalType
from strongroom.operations.condition_values import RequestConditions
from strongroom.operations.operation import AliasedKeyTarget, GrantTarget, KeyTarget, RelatedKeyTarget
from strongroom.operations.permissions import may_be_asked_of
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.resources.grant import ALL_GRANTS, Grant
from strongroom.resources.iam import Role
from strongroom.resources.identifiers import partition_of
from strongroom.resources.key import Key
from strongroom.store.interface import Store

_PAGE = 500
_OF_KEY_AND_CALLER = frozenset(
    """
    aws:principalaccount aws:principalarn aws:principaltype aws:principalisawsservice
    aws:principalservicename aws:principalservicenameslist aws:resourceaccount aws:requestedregion
    kms:calleraccount kms:keyspec kms:customermasterkeyspec kms:keyusage kms:customermasterkeyusage
    kms:keyorigin kms:multiregion kms:multiregionkeytype kms:resourcealiases
    """.split()  # noqa: SIM905
)
"""Condition keys that have their values before there is a request."""


class NotAKeyAction(Exception):
    """No permission on a KMS key is called that."""


@dataclass(frozen=True, slots=True)
class GrantWay:
    """A grant that permits."""

    grant_id: str
    constraints: tuple[str, ...]
    """What a request must have besides, in words."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A principal that could, and how."""

    arn: str
    """Of a role its own ARN, where any session of it is meant."""
    kind: PrincipalType
    possibility: Possibility
    statements: tuple[OpenStatement, ...]
    unless: tuple[OpenStatement, ...]
    grants: tuple[GrantWay, ...]


@dataclass(frozen=True, slots=True)
class Holders:
    """The whole answer."""

    holders: tuple[Holder, ...]
    cannot: int
    """How many principals of the server could not."""
    elsewhere: tuple[str, ...]
    """Whom the key policy or a grant names, who is not on this server or gone."""


@dataclass(frozen=True, slots=True)
class _Action:
    name: str
    cross_account: bool
    grant_operation: str | None


def key_action(named: str) -> _Action:
    """A permission on KMS keys, as AWS spells it. Raises NotAKeyAction."""
    found: dict[str, _Action] = {}
    for operation in KMS_OPERATIONS.values():
        for target in operation.access:
            if isinstance(target, KeyTarget):
                found[target.action.lower()] = _Action(
                    target.action, target.cross_account, target.grant_operation
                )
            elif isinstance(target, AliasedKeyTarget | RelatedKeyTarget | GrantTarget):
                found.setdefault(target.action.lower(), _Action(target.action, False, None))
    name = named.lower()
    action = found.get(name if name.startswith("kms:") else f"kms:{name}")
    if action is None:
        raise NotAKeyAction(f"{named!r} is no permission on KMS keys, such as kms:Decrypt.")
    return action


async def list_holders(store: Store, key: Key, action: str) -> Holders:
    """Raises NotAKeyAction, StoreUnavailable."""
    inquiry = _Inquiry(store, key, key_action(action), await list_all_grants(store, key))
    partition = partition_of(key.region)
    found: list[Holder] = []
    cannot = 0
    names: set[str] = set()
    async for principal in list_principals(store, partition, (key.account_id,)):
        names |= {principal.arn, principal.unique_id, principal.account_id}
        asked = [principal, *await inquiry.named_sessions(principal)]
        could = [one for each in asked if (one := await inquiry.weigh(each)) is not None]
        if could and could[0].possibility is Possibility.YES and could[0].arn == principal.role_arn:
            could = could[:1]  # every session of it, so the named ones need no line of their own
        found += could
        cannot += not could
    elsewhere = [written for written, known_as in inquiry.named() if known_as not in names]
    return Holders(tuple(found), cannot, tuple(dict.fromkeys(elsewhere)))


async def list_all_grants(store: Store, key: Key) -> list[Grant]:
    """All grants of a key."""
    found: list[Grant] = []
    while True:
        after = found[-1].grant_id if found else None
        page = await store.list_grants(key.region, key.key_id, ALL_GRANTS, after, _PAGE)
        found += page
        if len(page) < _PAGE:
            return found


class _Inquiry:
    """One key and action, asked about many principals."""

    def __init__(self, store: Store, key: Key, action: _Action, grants: Sequence[Grant]) -> None:
        self._store = store
        self._key = key
        self._action = action
        self._policies = PolicyMemory()
        bindings = frozenset(key.policy_principals.items()) or NO_BINDINGS
        compiled = self._policies.find(PolicyKind.KEY, key.policy, bindings)
        self._policy = PolicyInForce(str(PolicyType.KEY), compiled)
        self._rooms = rooms_to_look(store, Authorizer(store), HostClock())
        self._grants: dict[str, list[Grant]] = {}
        for grant in grants:
            if grant.grantee_id is not None:
                name = grant.grantee_id
            else:
                name = grant.grantee_service_principal or grant.grantee_principal or ""
            self._grants.setdefault(name, []).append(grant)

    async def weigh(self, principal: AuthenticatedPrincipal) -> Holder | None:
        """None: it cannot."""
        key, action = self._key, self._action
        if not may_be_asked_of(principal, action.name, key, cross_account=action.cross_account):
            return None
        own = await self._own_side(principal)
        is_known = _known_of(principal)
        authenticated = AuthenticatedRequest(principal, key.region, "kms")
        values = RequestConditions(
            self._rooms, _NO_REQUEST, authenticated, action.name, SimpleNamespace(), (key,), key
        )
        in_force = [self._policy, *(one for _, one in own.with_types())]
        looked_at = frozenset[str]().union(
            *(one.compiled.condition_keys for one in in_force if one.compiled is not None)
        )
        await values.prepare(frozenset(name for name in looked_at if is_known(name)))
        caller = caller_of(principal)
        question = Question(
            caller=caller,
            caller_account_id=caller.account_id,
            is_root=principal.type is PrincipalType.ROOT,
            action=action.name.lower(),
            resource_arn=key.arn,
            resource_account_id=key.account_id,
            values=values,
            cross_account=action.cross_account,
        )
        verdict = weigh_key_policies(question, self._policy, own, is_known)
        return self._holder(principal, verdict)

    async def named_sessions(self, principal: AuthenticatedPrincipal) -> list[AuthenticatedPrincipal]:
        """The sessions of a role that the key policy or a grant names."""
        if principal.type is not PrincipalType.ASSUMED_ROLE:
            return []
        role = await self._store.find_entity_by_id(Role, principal.unique_id)
        if role is None:
            return []
        arns = [arn for arn, bound in self._key.policy_principals.items() if bound == role.unique_id]
        arns += [one.grantee_principal or "" for one in self._grants.get(role.unique_id, ())]
        names = dict.fromkeys(arn.rpartition("/")[2] for arn in arns if ":assumed-role/" in arn)
        return [role_principal(role, partition_of(self._key.region), name) for name in names]

    def named(self) -> list[tuple[str, str]]:
        """Every principal in the key policy and the grants, as written, and by what it is known."""
        found = [
            (grant.grantee_principal or grant.grantee_service_principal or "", known_as)
            for known_as, grants in self._grants.items()
            for grant in grants
        ]
        try:
            document = parse_document(self._key.policy)
        except PolicyError:
            return found
        for name in named_principals(document):
            bound = self._key.policy_principals.get(name)
            is_account = name.isdigit() or name.endswith(":root")
            by_name = _account_in(name) if is_account or not name.startswith("arn:") else ""
            found.append((name, bound or by_name))
        for statement in document.statements:
            names = () if statement.principal is None else statement.principal.names
            found += [(name, name) for kind, name in names if kind is not PrincipalKind.AWS]
        return found

    async def _own_side(self, principal: AuthenticatedPrincipal) -> CallerPolicies:
        if principal.type not in (PrincipalType.IAM_USER, PrincipalType.ASSUMED_ROLE):
            return CallerPolicies()
        identity = await self._store.find_identity(principal.account_id, principal.unique_id)
        return compile_own_side(self._policies, identity, (), gone=identity is None)

    def _holder(self, principal: AuthenticatedPrincipal, verdict: Verdict) -> Holder | None:
        grants = [] if verdict.grant is Possibility.NO else self._grants_to(principal)
        possibility = verdict.possibility
        if possibility is not Possibility.YES and grants:
            is_sure = verdict.grant is Possibility.YES and any(not one.constraints for one in grants)
            possibility = Possibility.YES if is_sure else Possibility.IF
        if possibility is Possibility.NO:
            return None
        arn = principal.role_arn if principal.arn.endswith(f"/{ANY_SESSION}") else principal.arn
        return Holder(arn, principal.type, possibility, verdict.allowing, verdict.unless, tuple(grants))

    def _grants_to(self, principal: AuthenticatedPrincipal) -> list[GrantWay]:
        operation = self._action.grant_operation
        if operation is None:
            return []
        names = {principal.unique_id, principal.arn} - {""}
        found = []
        for grant in [grant for name in sorted(names) for grant in self._grants.get(name, ())]:
            named = grant.grantee_principal or ""
            is_other_session = ":assumed-role/" in named and named != principal.arn
            if operation in grant.operations and not is_other_session:
                found.append(GrantWay(grant.grant_id, _constraints_of(grant, operation)))
        return found


_NO_REQUEST = HttpRequest("POST", b"/", [], b"", "", False)


def _known_of(principal: AuthenticatedPrincipal) -> IsKnown:
    """A session can have tags and a name of its own, a user and a root cannot."""
    is_session = principal.type is PrincipalType.ASSUMED_ROLE

    def is_known(key: str) -> bool:
        if key in _OF_KEY_AND_CALLER or key.startswith("aws:resourcetag/"):
            return True
        own = key in ("aws:username", "aws:userid") or key.startswith("aws:principaltag/")
        return own and not is_session

    return is_known


def _account_in(name: str) -> str:
    """An account's number, where its root is named: that is how accounts are known."""
    return name.split(":")[4] if name.endswith(":root") else name


def _constraints_of(grant: Grant, operation: str) -> tuple[str, ...]:
    constraints, found = grant.constraints, []
    if operation == "CreateGrant":
        return ("what it grants is no more than this grant has",)
    for word, pairs in (
        ("has", constraints.encryption_context_subset),
        ("is", constraints.encryption_context_equals),
    ):
        if pairs is not None:
            shown = ", ".join(f"{name}={value}" for name, value in pairs.items())
            found.append(f"the encryption context {word} {shown}")
    if constraints.source_arn is not None:
        found.append(f"aws:SourceArn is {constraints.source_arn}")
    return tuple(found)
