"""Statements compiled for matching: whom they are about, what, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.comparisons import keys_of
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
    moving: tuple[Template, ...]
    """Those with policy variables."""
    keys: frozenset[str]
    negated: bool
    closed: bool
    """Whether a variable without a value keeps the element from matching at all."""

    def match(self, text: str, values: ConditionValues) -> bool:
        """Whether the statement is about this action (in lower case) or this ARN.

        A pattern whose variable has no value fits nothing ("Policy variables with no value"). In a
        NotResource that leaves open what was to be left out: such a Deny denies, such an Allow allows
        nothing (INVARIANT Z2).
        """
        if self.moving and self.negated and self.closed:
            for template in self.moving:
                if template.resolve(values) is None:
                    return False
        return self._names(text, values) is not self.negated

    def _names(self, text: str, values: ConditionValues) -> bool:
        if self.anything or text in self.exact or text.startswith(self.prefixes):
            return True
        for glob in self.globs:
            if glob.matches(text):
                return True
        return bool(self.moving) and any(one.fits(text, values) for one in self.moving)


ANYTHING = Patterns(True, frozenset(), (), (), (), frozenset(), False, False)


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
    resources = _compile_resources(statement.resource, statement.effect, version)
    denies = statement.effect is Effect.DENY
    conditions = tuple(
        compile_condition(condition, version, denies=denies) for condition in statement.conditions
    )
    return CompiledStatement(
        reference=StatementReference(index, statement.sid),
        denies=denies,
        principal=None if statement.principal is None else compile_principal(statement.principal, principals),
        actions=_compile_actions(statement.action, statement.effect),
        resources=resources,
        conditions=conditions,
        keys=resources.keys.union(*(condition.keys for condition in conditions)),
    )


def _compile_actions(element: PatternElement, effect: Effect) -> Patterns:
    # There are no variables in actions, whatever the policy's version.
    templates = [parse_template(lower_ascii(one), "", wildcards=True) for one in element.patterns]
    return _compile_patterns(templates, element, effect)


def _compile_resources(element: PatternElement | None, effect: Effect, version: str) -> Patterns:
    if element is None:
        return ANYTHING
    templates = [parse_template(one, version, wildcards=True) for one in element.patterns]
    return _compile_patterns(templates, element, effect)


def _compile_patterns(templates: list[Template], element: PatternElement, effect: Effect) -> Patterns:
    anything = any(one.parts == (Wildcard.RUN,) for one in templates)
    if anything and not element.negated:
        return ANYTHING
    fixed = [one for one in templates if not one.keys]
    plain = [one for one in fixed if all(isinstance(part, str) for part in one.parts)]
    prefixes = [one for one in fixed if _is_prefix(one)]
    return Patterns(
        anything=anything,
        exact=frozenset(one.text() for one in plain),
        prefixes=tuple(one.text() for one in prefixes),
        globs=tuple(one.glob() for one in fixed if one not in plain and one not in prefixes),
        moving=tuple(one for one in templates if one.keys),
        keys=keys_of(templates),
        negated=element.negated,
        closed=effect is Effect.ALLOW,
    )


def _is_prefix(template: Template) -> bool:
    return (
        len(template.parts) == 2 and isinstance(template.parts[0], str) and template.parts[1] is Wildcard.RUN
    )
