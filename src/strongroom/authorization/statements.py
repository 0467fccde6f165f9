"""Statements compiled for matching: whom they are about, what, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.comparisons import Match, keys_of, match_patterns
from strongroom.authorization.conditions import CompiledCondition, ConditionFinding, compile_condition
from strongroom.authorization.decision import StatementReference
from strongroom.authorization.glob import Glob
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_document import (
    Effect,
    PatternElement,
    PolicyDocument,
    Statement,
)
from strongroom.authorization.principals import Caller, CompiledPrincipal, PrincipalMatch, compile_principal
from strongroom.authorization.variables import Template, Wildcard, parse_template

NO_BINDINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Patterns:
    """An Action or Resource element, compiled."""

    anything: bool
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    """Patterns whose only wildcard is a star at the end: most of them are."""
    globs: tuple[Glob, ...]
    moving: Match | None
    """Those with policy variables, if there are any."""
    keys: frozenset[str]
    negated: bool

    def match(self, text: str, values: ConditionValues) -> bool:
        """Whether the statement is about this action (in lower case) or this ARN."""
        return self._names(text, values) is not self.negated

    def _names(self, text: str, values: ConditionValues) -> bool:
        if self.anything or text in self.exact or text.startswith(self.prefixes):
            return True
        for glob in self.globs:
            if glob.matches(text):
                return True
        return self.moving is not None and self.moving(text, values)


ANYTHING = Patterns(True, frozenset(), (), (), None, frozenset(), False)


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """One statement, ready to be matched."""

    reference: StatementReference
    denies: bool
    principal: CompiledPrincipal | None
    """None in an identity-based policy."""
    actions: Patterns
    resources: Patterns
    conditions: tuple[CompiledCondition, ...]
    keys: frozenset[str]
    """In lower case, every condition key that its conditions and policy variables look at."""

    def principal_match(self, caller: Caller) -> PrincipalMatch:
        """By which of its names the statement is about this caller; ANYONE in an identity-based policy."""
        return PrincipalMatch.ANYONE if self.principal is None else self.principal.match(caller)

    def concerns(self, action_lower: str, resource_arn: str, values: ConditionValues) -> bool:
        """Whether the statement is about this action (in lower case) on this resource."""
        return self.actions.match(action_lower, values) and self.resources.match(resource_arn, values)

    def conditions_hold(self, values: ConditionValues) -> bool:
        """Whether the request fulfils every condition."""
        for condition in self.conditions:  # noqa: SIM110 - a generator would cost more
            if not condition.holds(values):
                return False
        return True

    def findings(self, values: ConditionValues) -> tuple[ConditionFinding, ...]:
        """What each condition found in the request."""
        return tuple(condition.find(values) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy, ready to be evaluated."""

    statements: tuple[CompiledStatement, ...]
    condition_keys: frozenset[str]
    """In lower case, every key that a condition or a policy variable looks at."""
    names_resources: bool
    """Whether any statement looks at the resource's ARN; if not, a decision holds for every resource."""


def compile_policy(document: PolicyDocument, principals: Mapping[str, str] = NO_BINDINGS) -> CompiledPolicy:
    """Prepare a parsed policy for evaluation.

    `principals`: the unique id that each ARN of a user, role or session meant when the policy was put; a
    session's ARN has its role's. An ARN that is not among them means nobody.
    """
    statements = tuple(
        _compile_statement(index, statement, document.version, principals)
        for index, statement in enumerate(document.statements)
    )
    return CompiledPolicy(
        statements,
        frozenset().union(*(statement.keys for statement in statements)),
        any(statement.resources is not ANYTHING for statement in statements),
    )


def _compile_statement(
    index: int, statement: Statement, version: str, principals: Mapping[str, str]
) -> CompiledStatement:
    resources = ANYTHING if statement.resource is None else _compile_resources(statement.resource, version)
    conditions = tuple(compile_condition(condition, version) for condition in statement.conditions)
    return CompiledStatement(
        reference=StatementReference(index, statement.sid),
        denies=statement.effect is Effect.DENY,
        principal=None if statement.principal is None else compile_principal(statement.principal, principals),
        actions=_compile_actions(statement.action),
        resources=resources,
        conditions=conditions,
        keys=resources.keys.union(*(condition.keys for condition in conditions)),
    )


def _compile_actions(element: PatternElement) -> Patterns:
    # A policy of this version has no variables: there are none in actions.
    templates = [parse_template(lower_ascii(one), "", wildcards=True) for one in element.patterns]
    return _compile_patterns(templates, element.negated)


def _compile_resources(element: PatternElement, version: str) -> Patterns:
    templates = [parse_template(one, version, wildcards=True) for one in element.patterns]
    return _compile_patterns(templates, element.negated)


def _compile_patterns(templates: list[Template], negated: bool) -> Patterns:
    anything = any(one.parts == (Wildcard.RUN,) for one in templates)
    if anything and not negated:
        return ANYTHING
    fixed = [one for one in templates if not one.keys]
    moving = [one for one in templates if one.keys]
    plain = [one for one in fixed if all(isinstance(part, str) for part in one.parts)]
    prefixes = [one for one in fixed if _is_prefix(one)]
    return Patterns(
        anything=anything,
        exact=frozenset(one.text() for one in plain),
        prefixes=tuple(one.text() for one in prefixes),
        globs=tuple(one.glob() for one in fixed if one not in plain and one not in prefixes),
        moving=match_patterns(moving) if moving else None,
        keys=keys_of(templates),
        negated=negated,
    )


def _is_prefix(template: Template) -> bool:
    return (
        len(template.parts) == 2 and isinstance(template.parts[0], str) and template.parts[1] is Wildcard.RUN
    )
