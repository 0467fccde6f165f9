"""May somebody do something, when the request is not there yet? Yes, no, or under conditions.

A condition on what only a request can tell (its encryption context, the service it comes through) is left
open. The engine is then asked twice: once with every open Allow left out and every open Deny taken to hold,
once the other way round. What is allowed even so is a yes; what is not allowed even then a no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from strongroom.authorization.decision import (
    A_GRANT_MAY_STILL_ALLOW,
    DENIED_BY,
    Decision,
    PolicyType,
    StatementReference,
)
from strongroom.authorization.evaluation import (
    CallerPolicies,
    PolicyInForce,
    Question,
    evaluate_resource_policy,
)
from strongroom.authorization.policy_document import Condition
from strongroom.authorization.statements import ANYTHING, CompiledPolicy, CompiledStatement

IsKnown = Callable[[str], bool]
"""Whether a condition key (in lower case) has its value already, without a request."""
_DENIALS = frozenset(DENIED_BY.values())


class Possibility(StrEnum):
    """The three answers."""

    YES = "yes"
    IF = "if"
    NO = "no"


@dataclass(frozen=True, slots=True)
class OpenStatement:
    """A statement that has a say, and the conditions of it that are open."""

    reference: StatementReference
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policies say of one principal."""

    possibility: Possibility
    allowing: tuple[OpenStatement, ...]
    """By which statements, all of them needed or enough; none where it is a no."""
    unless: tuple[OpenStatement, ...]
    """What denies it if its conditions hold."""
    grant: Possibility
    """Whether a grant would permit: no where policies deny it, if where they may."""


def weigh_key_policies(
    question: Question, policy: PolicyInForce, own: CallerPolicies, is_known: IsKnown
) -> Verdict:
    """The answer of the key policy and the caller's own policies. Grants are not asked."""
    least = _decide(question, policy, own, lambda one: _at_least(one, is_known))
    most = _decide(question, policy, own, lambda one: _at_most(one, is_known))
    unless = least.statements if least.reason in _DENIALS else ()
    if least.allowed:
        possibility, deciding = Possibility.YES, least.statements
    elif most.allowed:
        possibility, deciding = Possibility.IF, most.statements
    else:
        possibility, deciding = Possibility.NO, ()
    in_force = {one.label: one for one in (policy, *(each for _, each in own.with_types()))}
    return Verdict(
        possibility,
        tuple(_open(one, in_force, is_known) for one in deciding),
        () if most.reason in _DENIALS else tuple(_open(one, in_force, is_known) for one in unless),
        _by_a_grant(least, most),
    )


def _by_a_grant(least: Decision, most: Decision) -> Possibility:
    if least.allowed or least.reason in A_GRANT_MAY_STILL_ALLOW:
        return Possibility.YES
    if most.allowed or most.reason in A_GRANT_MAY_STILL_ALLOW:
        return Possibility.IF
    return Possibility.NO


def _decide(
    question: Question,
    policy: PolicyInForce,
    own: CallerPolicies,
    settle: Callable[[CompiledStatement], CompiledStatement | None],
) -> Decision:
    return evaluate_resource_policy(
        question,
        PolicyType.KEY,
        _settled(policy, settle),
        replace(
            own,
            identity=tuple(_settled(one, settle) for one in own.identity),
            boundary=None if own.boundary is None else _settled(own.boundary, settle),
            session=tuple(_settled(one, settle) for one in own.session),
        ),
    )


def _settled(
    policy: PolicyInForce, settle: Callable[[CompiledStatement], CompiledStatement | None]
) -> PolicyInForce:
    if policy.compiled is None:
        return policy
    kept = tuple(settled for one in policy.compiled.statements if (settled := settle(one)) is not None)
    return PolicyInForce(
        policy.label,
        CompiledPolicy(kept, policy.compiled.condition_keys, policy.compiled.names_resources),
    )


def _at_least(statement: CompiledStatement, is_known: IsKnown) -> CompiledStatement | None:
    """As if whatever is open turned out against the caller."""
    if not _is_open(statement, is_known):
        return statement
    return _without_open(statement, is_known) if statement.denies else None


def _at_most(statement: CompiledStatement, is_known: IsKnown) -> CompiledStatement | None:
    """As if whatever is open turned out for the caller."""
    if not _is_open(statement, is_known):
        return statement
    return None if statement.denies else _without_open(statement, is_known)


def _is_open(statement: CompiledStatement, is_known: IsKnown) -> bool:
    return not all(is_known(key) for key in statement.keys)


def _without_open(statement: CompiledStatement, is_known: IsKnown) -> CompiledStatement:
    moves = not all(is_known(key) for key in statement.resources.keys)
    return replace(
        statement,
        resources=ANYTHING if moves else statement.resources,
        conditions=tuple(one for one in statement.conditions if all(is_known(key) for key in one.keys)),
    )


def _open(
    reference: StatementReference, in_force: dict[str, PolicyInForce], is_known: IsKnown
) -> OpenStatement:
    compiled = in_force[reference.policy].compiled
    assert compiled is not None  # noqa: S101
    statement = next(one for one in compiled.statements if one.reference.index == reference.index)
    return OpenStatement(
        reference,
        tuple(one.condition for one in statement.conditions if not all(is_known(key) for key in one.keys)),
    )
