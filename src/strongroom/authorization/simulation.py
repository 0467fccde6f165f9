"""What would be decided, if: the evaluation of this room with policies and values that a caller supplies.

Source: IAM API reference, SimulateCustomPolicy and SimulatePrincipalPolicy, EvaluationResult.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from strongroom.authorization.decision import DENIED_BY, Decision, PolicyType
from strongroom.authorization.evaluation import (
    CallerPolicies,
    PolicyInForce,
    Question,
    evaluate_identity_policies,
    evaluate_resource_policy,
)
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import Caller
from strongroom.authorization.statement_positions import TextPosition, statement_positions
from strongroom.authorization.statements import NO_BINDINGS, CompiledPolicy, compile_policy

_EXPLICIT = frozenset(DENIED_BY.values())


class Outcome(IntEnum):
    """What a simulation says; the greater, the more restrictive."""

    ALLOWED = 0
    IMPLICIT_DENY = 1
    EXPLICIT_DENY = 2


class GivenValues:
    """The context entries of a simulation, by key in lower case. Implements `ask.ConditionValues`."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, tuple[str, ...]]) -> None:
        self._values = values

    def values_of(self, key: str) -> tuple[str, ...] | None:
        """What the caller gave for the key."""
        return self._values.get(key)

    def needs_store(self, keys: frozenset[str]) -> bool:
        """Never."""
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        """Nothing to look up."""


class SimulatedPolicy:
    """A policy of a simulation, what it is called there, and where its statements stand.

    One that cannot be read is `compiled` None, and denies.
    """

    __slots__ = ("compiled", "in_force", "places", "source_id", "source_type", "spelled")

    def __init__(
        self,
        source_id: str,
        source_type: str,
        text: str,
        kind: PolicyKind,
        bindings: Mapping[str, str] = NO_BINDINGS,
        *,
        is_input: bool = True,
    ) -> None:
        """Raises PolicyError for a policy of the request that cannot be read."""
        self.source_id = source_id
        self.source_type = source_type
        self.compiled: CompiledPolicy | None = None
        self.places: list[tuple[TextPosition, TextPosition]] = []
        self.spelled: dict[str, str] = {}
        """Condition keys as the policy writes them, by their lower case."""
        try:
            document = parse_document(text, kind)
            self.compiled = compile_policy(document, bindings)
        except PolicyError:
            if is_input:
                raise
        else:
            self.places = statement_positions(text)
            self.spelled = {
                one.key.lower(): one.key for statement in document.statements for one in statement.conditions
            }
        # Two policies may be called the same: an account's own and AWS's of one name.
        self.in_force = PolicyInForce(f"{source_id}\0{text}", self.compiled)


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A statement that decided."""

    policy: SimulatedPolicy
    start: TextPosition
    end: TextPosition


@dataclass(frozen=True, slots=True)
class Finding:
    """One action on one resource."""

    outcome: Outcome
    matched: tuple[MatchedStatement, ...]
    missing: tuple[str, ...]
    """Condition keys that the policies about this action and resource look at, and that were not given."""
    within_boundary: bool | None
    """None: there is no boundary."""
    within_organization: bool | None
    """None: there are no service control policies."""
    by_type: Mapping[str, Outcome] | None
    """Of a request across accounts: what each side says. None within one account."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """Who is simulated, and all policies that have a say. Pure."""

    caller: Caller
    identity: tuple[SimulatedPolicy, ...]
    boundary: SimulatedPolicy | None
    resource_policy: SimulatedPolicy | None
    organization: tuple[tuple[SimulatedPolicy, ...], ...]
    """Service control policies, level by level: each level must allow."""
    values: GivenValues
    identity_type: str
    resource_type: str

    @property
    def statements(self) -> int:
        """How many there are: what one decision costs."""
        return sum(len(one.compiled.statements) for one in self._all() if one.compiled is not None)

    def _all(self) -> Sequence[SimulatedPolicy]:
        found = [*self.identity, *(one for level in self.organization for one in level)]
        return found + [one for one in (self.boundary, self.resource_policy) if one is not None]

    def decide(self, action: str, resource_arn: str, resource_account_id: str, *, is_key: bool) -> Finding:
        """`is_key`: a KMS key, whose policy must let anyone in. Of all other resources either policy is
        enough within an account."""
        own = CallerPolicies(
            identity=tuple(one.in_force for one in self.identity),
            boundary=None if self.boundary is None else self.boundary.in_force,
        )
        is_stranger = resource_account_id != self.caller.account_id
        question = self._question(action, resource_arn, resource_account_id)
        decision = by_identity = evaluate_identity_policies(
            self._question(action, resource_arn, self.caller.account_id), own
        )
        by_type = None
        if self.resource_policy is not None:
            by_resource = evaluate_resource_policy(
                question, PolicyType.KEY, self.resource_policy.in_force, own
            )
            if is_key or is_stranger or not by_identity.allowed or by_resource.reason in _EXPLICIT:
                decision = by_resource
            if is_stranger:
                by_type = {
                    self.identity_type: _outcome_of(by_identity),
                    self.resource_type: self._by_resource_alone(question),
                }
        within = self._within_organization(question)
        outcome = _outcome_of(decision) if within is None else max(_outcome_of(decision), within)
        return Finding(
            outcome=outcome,
            matched=self._matched(decision) if outcome is _outcome_of(decision) else (),
            missing=self._missing(question),
            within_boundary=self._within_boundary(question),
            within_organization=None if within is None else within is Outcome.ALLOWED,
            by_type=by_type,
        )

    def _question(self, action: str, resource_arn: str, resource_account_id: str) -> Question:
        return Question(
            caller=self.caller,
            caller_account_id=self.caller.account_id,
            is_root=False,
            action=lower_ascii(action),
            resource_arn=resource_arn,
            resource_account_id=resource_account_id,
            values=self.values,
            cross_account=True,
        )

    def _by_resource_alone(self, question: Question) -> Outcome:
        """What the resource's side says, as if everything were allowed on the caller's own."""
        assert self.resource_policy is not None  # noqa: S101
        own = CallerPolicies(identity=(_ALLOWING_ALL,))
        return _outcome_of(
            evaluate_resource_policy(question, PolicyType.KEY, self.resource_policy.in_force, own)
        )

    def _within_boundary(self, question: Question) -> bool | None:
        if self.boundary is None:
            return None
        return self._allows((self.boundary,), question) is Outcome.ALLOWED

    def _within_organization(self, question: Question) -> Outcome | None:
        if not self.organization:
            return None
        return max(self._allows(level, question) for level in self.organization)

    def _allows(self, policies: tuple[SimulatedPolicy, ...], question: Question) -> Outcome:
        own = CallerPolicies(identity=tuple(one.in_force for one in policies))
        asked = self._question(question.action, question.resource_arn, self.caller.account_id)
        return _outcome_of(evaluate_identity_policies(asked, own))

    def _matched(self, decision: Decision) -> tuple[MatchedStatement, ...]:
        """Of identity-based and resource-based policies; of a boundary only those that deny."""
        named = {one.in_force.label: one for one in self.identity}
        for one in (self.resource_policy, None if decision.allowed else self.boundary):
            if one is not None:
                named[one.in_force.label] = one
        found = []
        for reference in decision.statements:
            policy = named.get(reference.policy)
            if policy is not None:
                found.append(MatchedStatement(policy, *policy.places[reference.index]))
        return tuple(found)

    def _missing(self, question: Question) -> tuple[str, ...]:
        missing: dict[str, str] = {}
        for policy in (*self.identity, self.boundary, self.resource_policy):
            if policy is None or policy.compiled is None:
                continue
            for statement in policy.compiled.statements:
                # A resource with variables that have no value is not known to be another one.
                if not statement.actions.match(question.action, self.values):
                    continue
                for key in sorted(statement.keys):
                    if self.values.values_of(key) is None:
                        missing.setdefault(key, policy.spelled.get(key, key))
        return tuple(missing.values())


def _outcome_of(decision: Decision) -> Outcome:
    if decision.allowed:
        return Outcome.ALLOWED
    return Outcome.EXPLICIT_DENY if decision.reason in _EXPLICIT else Outcome.IMPLICIT_DENY


_ALLOWING_ALL = SimulatedPolicy(
    "",
    "",
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
    PolicyKind.IDENTITY,
).in_force
