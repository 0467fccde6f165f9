"""A decision about a stranger laid open: every statement of the key policy, and what kept it from applying.

Strangers come through the external key store proxy (foreign_principals.py). For the operator only.
"""

from __future__ import annotations

from strongroom.authorization.conditions import CompiledCondition, ConditionFinding
from strongroom.authorization.decision import Decision, PolicyType, Reason, StatementReference
from strongroom.authorization.explanation import (
    Explanation,
    PolicyExplanation,
    StatementExplanation,
    nearest_statements,
)
from strongroom.authorization.foreign_principals import (
    ForeignAuthority,
    ForeignValues,
    denies_stranger,
    holds_of_stranger,
)
from strongroom.authorization.principals import Caller, PrincipalMatch
from strongroom.authorization.statements import CompiledStatement

NOT_TOLD = "(not told)"
"""In the place of a condition key's value; it decides for a Deny and against an Allow."""


async def explain_stranger(
    authority: ForeignAuthority,
    key_policy: str,
    caller: Caller,
    action: str,
    key_arn: str,
    values: ForeignValues,
) -> Explanation:
    """The decision of `ForeignAuthority.decide`, and what it was made from."""
    decision = await authority.decide(key_policy, caller, action, key_arn, values)
    compiled = authority.compiled(key_policy, caller)
    statements: tuple[StatementExplanation, ...] = ()
    # Of two names that differ in case only there is no value to show; the decision's reason says so.
    if compiled is not None and decision.reason is not Reason.AMBIGUOUS_CONDITION:
        statements = tuple(
            _explain(one, caller, action.lower(), key_arn, values) for one in compiled.statements
        )
    policy = PolicyExplanation(PolicyType.KEY, "key policy", compiled is not None, statements)
    remedies = () if decision.allowed else _remedies(decision, policy, caller, action)
    return Explanation(decision, caller.arn, action, key_arn, (policy,), (), remedies)


def _explain(
    statement: CompiledStatement, caller: Caller, action_lower: str, key_arn: str, values: ForeignValues
) -> StatementExplanation:
    match = statement.principal_match(caller)
    if match is PrincipalMatch.NONE and statement.denies and denies_stranger(statement, caller):
        match = PrincipalMatch.SESSION  # which session it is nobody says
    action = statement.actions.match(action_lower, values)
    told = all(map(values.is_told, statement.resources.keys))
    resource = statement.resources.match(key_arn, values) if told else statement.denies
    findings = tuple(_find(one, values, statement.denies) for one in statement.conditions)
    reference = statement.reference
    return StatementExplanation(
        StatementReference(reference.index, reference.sid, "key policy"),
        statement.denies,
        match,
        action,
        resource,
        findings,
        match is not PrincipalMatch.NONE and action and resource and all(one.held for one in findings),
    )


def _find(condition: CompiledCondition, values: ForeignValues, denies: bool) -> ConditionFinding:
    held = holds_of_stranger(condition, values, denies)
    given = values.values_of(condition.key) if values.is_told(condition.key) else (NOT_TOLD,)
    written = condition.condition
    return ConditionFinding(written.operator, written.key, written.values, given, held)


def _remedies(decision: Decision, policy: PolicyExplanation, caller: Caller, action: str) -> tuple[str, ...]:
    if decision.reason is Reason.KEY_POLICY_UNREADABLE:
        return ("a key policy that can be read",)
    denied, found = nearest_statements((policy,))
    if decision.reason is Reason.NO_KEY_POLICY_ALLOWS and not denied:
        found.append(f"a statement of the key policy that allows {caller.arn}, or its account, to {action}")
    return tuple(found)
