"""The authorizer: what the road asks before anything runs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from strongroom.authorization.ask import AmbiguousCondition, Ask, PolicyFacts
from strongroom.authorization.decision import A_GRANT_MAY_STILL_ALLOW, Decision, PolicyType, Reason
from strongroom.authorization.denial_record import Considered
from strongroom.authorization.evaluation import (
    PolicyInForce,
    Question,
    evaluate_identity_policies,
    evaluate_resource_policy,
    evaluate_retirement,
)
from strongroom.authorization.explanation import EXPLAINED_KEYS, Explanation, explain
from strongroom.authorization.grant_permission import GrantMemory, allow_by_grant, may_retire
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_memory import NO_BINDINGS, Bindings, PolicyMemory
from strongroom.authorization.principals import caller_of
from strongroom.authorization.standings import (
    REMEMBERED_CHARACTERS_MAX,
    SessionSources,
    Standing,
    StandingMemory,
    boundary_label,
    compile_own_side,
)
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.grant import Grant
from strongroom.resources.iam import Identity
from strongroom.resources.key import Key

_AMBIGUOUS = Decision(False, Reason.AMBIGUOUS_CONDITION)
_NO_SESSION_POLICIES: SessionSources = ()

ResourcePolicy: TypeAlias = tuple[PolicyType | None, PolicyKind, str, Bindings]
"""A resource's policy: what it is, how it is read, its text, and whom its principals mean."""

_NO_POLICY: ResourcePolicy = (None, PolicyKind.KEY, "", NO_BINDINGS)
_WITH_IDENTITY = (PrincipalType.IAM_USER, PrincipalType.ASSUMED_ROLE)


LATEST_MAX = 8192


class _Latest(NamedTuple):
    """Where a caller without a session stood before a key when last asked: found without comparing texts."""

    policy: str
    policy_principals: Mapping[str, str]
    type: PrincipalType
    standing: Standing


class Authorizer:
    """Decides who may do what, and remembers its decisions.

    INVARIANT Z5: a decision is remembered under everything it was made from, so no change of a policy, an
    attachment, a group, a session or a condition's value can meet an older one. Grants are asked anew each
    time. Concurrency: one event loop; each worker has its own.
    """

    __slots__ = ("_facts", "_grants", "_latest", "_policies", "_standings")

    def __init__(self, facts: PolicyFacts) -> None:
        self._facts = facts
        self._policies = PolicyMemory()
        self._standings = StandingMemory()
        self._grants = GrantMemory(facts)
        self._latest: dict[tuple[str, str, str], _Latest] = {}

    async def authorize_key(self, ask: Ask) -> Decision:
        """By the key policy, the caller's policies, and the key's grants."""
        key, principal = ask.key, ask.principal
        assert key is not None  # noqa: S101
        # A root needs nothing of the store, and a policy without conditions nothing of the request.
        identity: Identity | None = None
        if principal.type in _WITH_IDENTITY and principal.unique_id:
            identity = await self._facts.find_identity(principal.account_id, principal.unique_id)
        place = (key.arn, principal.arn, principal.unique_id)
        latest = self._latest.get(place)
        # INVARIANT Z5: of this very key record, identity and kind of caller, and still in the memory.
        if (
            latest is not None
            and latest.policy is key.policy
            and latest.policy_principals is key.policy_principals
            and latest.standing.identity is identity
            and latest.type is principal.type
            and principal.session is None
            and latest.standing.is_kept
        ):
            standing = latest.standing
        else:
            standing = await self._stand_before_key(place, key, principal, identity)
        values: tuple[tuple[str, ...] | None, ...] = ()
        if standing.key_order:
            asked = ask.values
            try:
                if asked.needs_store(standing.condition_keys):
                    await asked.prepare(standing.condition_keys)
                values = tuple(map(asked.values_of, standing.key_order))
            except AmbiguousCondition:
                return _AMBIGUOUS
        decision = self._decide_by(ask, standing, values)
        if decision.allowed or decision.reason not in A_GRANT_MAY_STILL_ALLOW:
            return decision
        return await allow_by_grant(self._grants, ask, key, standing.identity) or decision

    async def authorize_resource(self, ask: Ask) -> Decision:
        """By the caller's policies alone: accounts, aliases, entities of IAM have none of their own."""
        return await self._decide(ask, await self._stand(ask.principal, _NO_POLICY))

    async def authorize_trust(
        self, ask: Ask, trust_policy: str, trust_principals: Mapping[str, str]
    ) -> Decision:
        """By a role's trust policy and the caller's policies: AssumeRole and its kin."""
        resource = trust_policy_of(trust_policy, trust_principals)
        return await self._decide(ask, await self._stand(ask.principal, resource))

    async def authorize_retirement(self, ask: Ask, grant: Grant) -> Decision:
        """By the grant itself; policies can deny it, and delegate what an account may."""
        key = ask.key
        assert key is not None  # noqa: S101
        standing = await self._stand(ask.principal, _policy_of(key))
        assert standing.policy is not None  # noqa: S101
        try:
            await ask.values.prepare(standing.condition_keys)
            by_policies = evaluate_retirement(_question(ask, standing), standing.policy, standing.own)
        except AmbiguousCondition:
            return _AMBIGUOUS
        return may_retire(ask.principal, grant, by_policies)

    async def explain_key(self, ask: Ask) -> Explanation:
        """All that `authorize_key` looks at, and what it found."""
        key = ask.key
        assert key is not None  # noqa: S101
        standing = await self._stand(ask.principal, _policy_of(key))
        grants = await self._grants.list_for(ask.principal, standing.identity, key)
        return await self._explain(ask, await self.authorize_key(ask), standing, grants)

    async def explain_resource(self, ask: Ask) -> Explanation:
        """The same of `authorize_resource`."""
        standing = await self._stand(ask.principal, _NO_POLICY)
        return await self._explain(ask, await self.authorize_resource(ask), standing, ())

    async def explain_trust(
        self, ask: Ask, trust_policy: str, trust_principals: Mapping[str, str]
    ) -> Explanation:
        """The same of `authorize_trust`."""
        standing = await self._stand(ask.principal, trust_policy_of(trust_policy, trust_principals))
        decision = await self.authorize_trust(ask, trust_policy, trust_principals)
        return await self._explain(ask, decision, standing, ())

    async def list_considered(self, ask: Ask, resource: ResourcePolicy | None = None) -> Considered:
        """What a decision was made from, for the record of a denial. `resource`: where it is no key."""
        if resource is None:
            resource = _NO_POLICY if ask.key is None else _policy_of(ask.key)
        principal, policy_type = ask.principal, resource[0]
        standing = await self._stand(principal, resource)
        sources = [] if policy_type is None else [(str(policy_type), resource[2])]
        if (identity := standing.identity) is not None:
            sources += [(one.label, one.text) for one in identity.policies]
            if identity.boundary is not None:
                sources.append((boundary_label(identity.boundary), identity.boundary.text))
        if principal.session is not None and _has_identity(principal):
            sources += await self._session_sources(principal)
        values: dict[str, tuple[str, ...] | None] = {}
        with suppress(AmbiguousCondition):
            await ask.values.prepare(standing.every_condition_key)
            for key in sorted(standing.every_condition_key):
                values[key] = ask.values.values_of(key)
        return Considered(tuple(sources), values)

    async def _explain(
        self, ask: Ask, decision: Decision, standing: Standing, grants: tuple[Grant, ...]
    ) -> Explanation:
        if decision is _AMBIGUOUS:
            return Explanation(
                decision, ask.principal.arn, ask.action, ask.resource_arn, (), (), (str(decision.reason),)
            )
        await ask.values.prepare(standing.every_condition_key | EXPLAINED_KEYS)
        return explain(ask, decision, _question(ask, standing), standing.policy, standing.own, grants)

    async def _stand_before_key(
        self,
        place: tuple[str, str, str],
        key: Key,
        principal: AuthenticatedPrincipal,
        identity: Identity | None,
    ) -> Standing:
        session = _NO_SESSION_POLICIES
        if principal.session is not None and _has_identity(principal):
            session = await self._session_sources(principal)
        standing = self._standing(principal, _policy_of(key), identity, session)
        if principal.session is None:
            latest = _Latest(key.policy, key.policy_principals, principal.type, standing)
            self._latest[place] = latest
            if len(self._latest) > LATEST_MAX:
                del self._latest[next(iter(self._latest))]
        return standing

    async def _stand(self, principal: AuthenticatedPrincipal, resource: ResourcePolicy) -> Standing:
        """The caller before a resource's policy, with what the store knows of the caller now."""
        identity: Identity | None = None
        session = _NO_SESSION_POLICIES
        if _has_identity(principal):
            identity = await self._facts.find_identity(principal.account_id, principal.unique_id)
            if principal.session is not None:
                session = await self._session_sources(principal)
        return self._standing(principal, resource, identity, session)

    def _standing(
        self,
        principal: AuthenticatedPrincipal,
        resource: ResourcePolicy,
        identity: Identity | None,
        session: SessionSources,
    ) -> Standing:
        """INVARIANT Z5: found under all that it was made from, and made for this very `identity`."""
        provider = None if principal.session is None else principal.session.federated_provider
        place = (resource, principal.type, principal.arn, principal.unique_id, provider, session)
        standing = self._standings.found.get(place)
        if standing is not None and standing.identity is identity:
            return standing
        policy_type, kind, text, bindings = resource
        policy = None
        if policy_type is not None:
            policy = PolicyInForce(str(policy_type), self._policies.find(kind, text, bindings))
        gone = identity is None and _has_identity(principal)
        own = compile_own_side(self._policies, identity, session, gone=gone)
        characters = len(text) + sum(len(one) for _, one in session)
        if identity is not None:
            characters += sum(len(source.text) for source in identity.policies)
        standing = Standing(caller_of(principal), policy, own, identity, characters)
        self._standings.keep(place, standing)
        return standing

    async def _session_sources(self, principal: AuthenticatedPrincipal) -> SessionSources:
        session = principal.session
        assert session is not None  # noqa: S101
        if not session.policies and not session.policy_arns:
            return _NO_SESSION_POLICIES
        sources = [("session policy", text) for text in session.policies]
        for arn in session.policy_arns:
            sources.append((f"session policy {arn}", await self._facts.find_policy_text(arn) or ""))
        return tuple(sources)

    async def _decide(self, ask: Ask, standing: Standing) -> Decision:
        """By policies, under the values of the condition keys that they look at."""
        try:
            await ask.values.prepare(standing.condition_keys)
            values = tuple([ask.values.values_of(key) for key in standing.key_order])
        except AmbiguousCondition:
            return _AMBIGUOUS
        return self._decide_by(ask, standing, values)

    def _decide_by(
        self, ask: Ask, standing: Standing, values: tuple[tuple[str, ...] | None, ...]
    ) -> Decision:
        made_from: Hashable = (
            ask.action,
            ask.cross_account,
            ask.resource_account_id,
            ask.resource_arn if standing.names_resources else "",
            values,
        )
        decision = standing.decisions.get(made_from)
        if decision is not None:
            return decision
        decision = _evaluate(_question(ask, standing), standing)
        if sum(len(text) for found in values if found for text in found) <= REMEMBERED_CHARACTERS_MAX:
            self._standings.remember(standing, made_from, decision)
        return decision


def _has_identity(principal: AuthenticatedPrincipal) -> bool:
    """Whether it is a user or role. A web identity that has no role yet is a caller without an id."""
    return principal.type in _WITH_IDENTITY and principal.unique_id != ""


def trust_policy_of(trust_policy: str, trust_principals: Mapping[str, str]) -> ResourcePolicy:
    """A role's trust policy as the policy of a resource."""
    return PolicyType.TRUST, PolicyKind.TRUST, trust_policy, frozenset(trust_principals.items())


def _policy_of(key: Key) -> ResourcePolicy:
    bindings = frozenset(key.policy_principals.items()) if key.policy_principals else NO_BINDINGS
    return PolicyType.KEY, PolicyKind.KEY, key.policy, bindings


def _evaluate(question: Question, standing: Standing) -> Decision:
    if standing.policy is None:
        return evaluate_identity_policies(question, standing.own)
    policy_type = PolicyType(standing.policy.label)
    return evaluate_resource_policy(question, policy_type, standing.policy, standing.own)


def _question(ask: Ask, standing: Standing) -> Question:
    caller = standing.caller
    return Question(
        caller=caller,
        caller_account_id=caller.account_id,
        is_root=ask.principal.type is PrincipalType.ROOT,
        action=ask.action.lower(),
        resource_arn=ask.resource_arn,
        resource_account_id=ask.resource_account_id,
        values=ask.values,
        cross_account=ask.cross_account,
    )
