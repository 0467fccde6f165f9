"""A decision laid open: every policy and grant considered, what of each statement fitted, what was missing.

For the operator only; a caller hears which type of policy it was, and no more (decision.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.authorization.ask import Ask
from strongroom.authorization.conditions import ConditionFinding
from strongroom.authorization.decision import Decision, PolicyType, Reason, StatementReference
from strongroom.authorization.evaluation import CallerPolicies, PolicyInForce, Question, how_named
from strongroom.authorization.grants import GrantUse, constraints_met, is_no_wider
from strongroom.authorization.principals import PrincipalMatch
from strongroom.authorization.statements import CompiledStatement
from strongroom.aws.generated.enums import GrantOperation
from strongroom.resources.grant import Grant

EXPLAINED_KEYS = frozenset({"aws:sourcearn"})
"""What is looked at besides the policies' own condition keys."""
_FAR = 1000


@dataclass(frozen=True, slots=True)
class StatementExplanation:
    """One statement against one request."""

    reference: StatementReference
    denies: bool
    names_caller: PrincipalMatch | None
    """By which name; None in a policy of the caller's own, which names nobody."""
    action_matches: bool
    resource_matches: bool
    conditions: tuple[ConditionFinding, ...]
    applies: bool

    @property
    def distance(self) -> int | None:
        """How far it is from applying: 1 and more where only conditions keep it from it, then one that
        names others or another resource. None: it is about something else."""
        if self.applies or not self.action_matches:
            return None
        conditions = sum(not one.held for one in self.conditions)
        elsewhere = (self.names_caller is PrincipalMatch.NONE) + (not self.resource_matches)
        if elsewhere == 0:
            return conditions
        return _FAR if elsewhere + conditions == 1 else None

    @property
    def misses(self) -> tuple[str, ...]:
        """What kept it from applying, in words."""
        found = []
        if self.names_caller is PrincipalMatch.NONE:
            found.append("its Principal does not name the caller")
        if not self.action_matches:
            found.append("its Action does not match")
        if not self.resource_matches:
            found.append("its Resource does not match")
        found += [_condition_in_words(one) for one in self.conditions if not one.held]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PolicyExplanation:
    """One policy against one request. No statements and not readable: it counted as a denial."""

    type: PolicyType
    label: str
    readable: bool
    statements: tuple[StatementExplanation, ...]


@dataclass(frozen=True, slots=True)
class GrantExplanation:
    """One grant that names the caller. Without misses it permits."""

    grant_id: str
    grantee: str
    misses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request is allowed or denied."""

    decision: Decision
    principal_arn: str
    action: str
    resource_arn: str
    policies: tuple[PolicyExplanation, ...]
    grants: tuple[GrantExplanation, ...]
    would_allow: tuple[str, ...]
    """Of a denial: what would have to be otherwise, the nearest first."""


def explain(
    ask: Ask,
    decision: Decision,
    question: Question,
    policy: PolicyInForce | None,
    own: CallerPolicies,
    grants: Sequence[Grant],
) -> Explanation:
    """The explanation of a decision, from what it was made from.

    `policy` is the resource's own, if it has one; its label is its type's.
    """
    considered = [] if policy is None else [(PolicyType(policy.label), policy)]
    policies = tuple(
        PolicyExplanation(
            policy_type,
            in_force.label,
            in_force.compiled is not None,
            ()
            if in_force.compiled is None
            else tuple(
                _explain_statement(in_force, statement, question, own)
                for statement in in_force.compiled.statements
            ),
        )
        for policy_type, in_force in considered + own.with_types()
    )
    explained_grants = tuple(_explain_grant(grant, ask) for grant in grants)
    would_allow = () if decision.allowed else _what_would_allow(ask, decision, policies, explained_grants)
    return Explanation(
        decision,
        ask.principal.arn,
        ask.action,
        ask.resource_arn,
        policies,
        explained_grants,
        would_allow,
    )


def _explain_statement(
    policy: PolicyInForce, statement: CompiledStatement, question: Question, own: CallerPolicies
) -> StatementExplanation:
    values = question.values
    match = None if statement.principal is None else how_named(statement, question.caller, own)
    action = statement.actions.match(question.action, values)
    resource = statement.resources.match(question.resource_arn, values)
    findings = statement.findings(values)
    reference = statement.reference
    return StatementExplanation(
        StatementReference(reference.index, reference.sid, policy.label),
        statement.denies,
        match,
        action,
        resource,
        findings,
        match is not PrincipalMatch.NONE and action and resource and all(one.held for one in findings),
    )


def _explain_grant(grant: Grant, ask: Ask) -> GrantExplanation:
    misses = []
    if grant.grantee_service_principal is None and not (grant.grantee_principal or "").endswith(":root"):
        if grant.grantee_id is None:
            misses.append("its grantee did not exist when it was made")
        elif grant.grantee_id != ask.principal.unique_id:
            misses.append("its grantee was another of the same name, which is gone")
    if ask.grant_operation is None:
        misses.append("no grant can permit this operation")
    else:
        if ask.grant_operation not in grant.operations:
            misses.append(f"it does not list {ask.grant_operation}")
        source = ask.values.values_of("aws:sourcearn")
        use = GrantUse(
            ask.grant_operation,
            ask.encryption_context,
            source[0] if source is not None and len(source) == 1 else None,
            ask.child_grant,
        )
        if ask.grant_operation is GrantOperation.CREATE_GRANT:
            if ask.child_grant is not None and not is_no_wider(ask.child_grant, grant):
                misses.append("it permits less than the grant that is to be made")
            if grant.constraints.source_arn not in (None, use.source_arn):
                misses.append("the request does not meet its constraints")
        elif not constraints_met(grant.constraints, use):
            misses.append("the request does not meet its constraints")
    named = grant.grantee_principal or grant.grantee_service_principal or ""
    return GrantExplanation(grant.grant_id, named, tuple(misses))


_MISSING = {
    Reason.NO_IDENTITY_POLICY_ALLOWS: (
        "an identity-based policy of the caller that allows {action} on {resource}"
    ),
    Reason.NO_BOUNDARY_ALLOWS: "a permissions boundary of the caller that allows {action} on {resource}",
    Reason.NO_SESSION_POLICY_ALLOWS: "a session policy that allows {action} on {resource}",
    Reason.NO_KEY_POLICY_ALLOWS: (
        "a statement of the key policy that allows {caller} to {action}, or one that allows its account, "
        "with an identity-based policy that allows {action} on {resource}"
    ),
    Reason.NO_TRUST_POLICY_ALLOWS: "a statement of the role trust policy that allows {caller} to {action}",
    Reason.NOT_ACROSS_ACCOUNTS: "a caller of the account that the KMS key is in",
    Reason.KEY_POLICY_UNREADABLE: "a key policy that can be read",
    Reason.TRUST_POLICY_UNREADABLE: "a role trust policy that can be read",
    Reason.CALLER_POLICY_UNREADABLE: "policies of the caller that can all be read",
    Reason.CALLER_GONE: "a user or role that exists",
}


def _what_would_allow(
    ask: Ask,
    decision: Decision,
    policies: tuple[PolicyExplanation, ...],
    grants: tuple[GrantExplanation, ...],
) -> tuple[str, ...]:
    denied, found = nearest_statements(policies)
    if denied:
        return tuple(found)
    found += [f"grant {one.grant_id}, but {one.misses[0]}" for one in grants if len(one.misses) == 1]
    missing = _MISSING.get(decision.reason)
    if missing is not None:
        found.append(missing.format(action=ask.action, resource=ask.resource_arn, caller=ask.principal.arn))
    if ask.grant_operation is not None and ask.key is not None:
        found.append(f"a grant to {ask.principal.arn} of the operation {ask.grant_operation}")
    return tuple(found)


def nearest_statements(policies: Sequence[PolicyExplanation]) -> tuple[bool, list[str]]:
    """Whether a statement denies, and those that do; or else those that allow nearly, the nearest first."""
    found = []
    denying = [one for policy in policies for one in policy.statements if one.denies and one.applies]
    for one in denying:
        escapes = [f"{finding.operator} {finding.key}" for finding in one.conditions]
        unless = f", or another value under its condition {' or '.join(escapes)}" if escapes else ""
        found.append(f"without {_place(one.reference)}, which denies it{unless}")
    if denying:
        return True, found
    allowing = [one for policy in policies for one in policy.statements if not one.denies]
    nearest = sorted((one for one in allowing if one.distance is not None), key=lambda one: one.distance or 0)
    nearest = nearest or [one for one in allowing if len(one.misses) == 1]
    return False, [f"{_place(one.reference)}, but {' and '.join(one.misses)}" for one in nearest]


def _place(reference: StatementReference) -> str:
    named = f" ({reference.sid})" if reference.sid else ""
    return f"statement {reference.index + 1}{named} of {reference.policy}"


def _condition_in_words(finding: ConditionFinding) -> str:
    wanted = ", ".join(finding.policy_values)
    given = "nothing" if finding.request_values is None else ", ".join(finding.request_values)
    return f"its condition {finding.operator} {finding.key} asks for {wanted} and the request has {given}"
