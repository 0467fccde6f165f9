"""Does a key policy allow this? Statements compiled for matching, and the order in which they decide.

Built so far: callers are account roots. What is not built fails closed: a statement whose Condition
or policy variable cannot be decided yet never allows and always denies.
Source: docs/decisions/0007-authorization.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.authorization.decision import Decision, Reason, StatementReference
from strongroom.authorization.glob import Glob, compile_glob
from strongroom.authorization.policy_document import (
    Effect,
    PatternElement,
    PolicyDocument,
    PrincipalElement,
    PrincipalKind,
    Statement,
)
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType


@dataclass(frozen=True, slots=True)
class RequestContext:
    """All that a decision on a KMS key may look at."""

    principal: AuthenticatedPrincipal
    action: str
    resource_arn: str
    resource_account_id: str
    cross_account: bool
    """Whether the operation works on keys of other accounts at all."""


@dataclass(frozen=True, slots=True)
class Principals:
    """A Principal element, compiled: which account roots it names."""

    anyone: bool
    names: frozenset[str]
    negated: bool

    def match(self, principal: AuthenticatedPrincipal) -> bool:
        """Whether the statement is about this account root: by its ARN or its bare account id."""
        named = self.anyone or principal.arn in self.names or principal.account_id in self.names
        return named is not self.negated


@dataclass(frozen=True, slots=True)
class Patterns:
    """An Action or Resource element, compiled."""

    anything: bool
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    """Patterns whose only wildcard is a star at the end: most of them are."""
    globs: tuple[Glob, ...]
    negated: bool

    def match(self, text: str) -> bool:
        """Whether the statement is about this action (in lower case) or this ARN."""
        return self._names(text) is not self.negated

    def _names(self, text: str) -> bool:
        if self.anything or text in self.exact or text.startswith(self.prefixes):
            return True
        for glob in self.globs:  # noqa: SIM110 - a generator would cost more than the match
            if glob.matches(text):
                return True
        return False


ANYTHING = Patterns(True, frozenset(), (), (), False)


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """One statement, ready to be matched."""

    reference: StatementReference
    denies: bool
    decidable: bool
    principals: Principals
    actions: Patterns
    resources: Patterns


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A key policy, ready to be evaluated."""

    statements: tuple[CompiledStatement, ...]
    names_resources: bool
    """Whether any statement looks at the key's ARN; if not, a decision holds for every key."""


def compile_policy(document: PolicyDocument) -> CompiledPolicy:
    """Prepare a parsed policy for evaluation."""
    statements = tuple(
        _compile_statement(index, statement) for index, statement in enumerate(document.statements)
    )
    return CompiledPolicy(statements, any(statement.resources is not ANYTHING for statement in statements))


def _compile_statement(index: int, statement: Statement) -> CompiledStatement:
    # INVARIANT Z2: a condition or variable that cannot be decided never allows and always denies.
    variables = any("${" in pattern for pattern in statement.resource.patterns)
    return CompiledStatement(
        reference=StatementReference(index, statement.sid),
        denies=statement.effect is Effect.DENY,
        decidable=not statement.conditions and not variables,
        principals=_compile_principals(statement.principal),
        actions=_compile_patterns(statement.action, fold_case=True),
        resources=ANYTHING if variables else _compile_patterns(statement.resource, fold_case=False),
    )


def _compile_principals(element: PrincipalElement) -> Principals:
    # Services and federated identities are not account roots, so their names never match one.
    names = frozenset(name for kind, name in element.names if kind is PrincipalKind.AWS)
    return Principals("*" in names, names, element.negated)


def _compile_patterns(element: PatternElement, *, fold_case: bool) -> Patterns:
    patterns = [pattern.lower() if fold_case else pattern for pattern in element.patterns]
    if "*" in patterns and not element.negated:
        return ANYTHING
    wild = [pattern for pattern in patterns if "*" in pattern or "?" in pattern]
    prefixes = tuple(pattern[:-1] for pattern in wild if _is_prefix(pattern))
    return Patterns(
        anything="*" in patterns,
        exact=frozenset(patterns).difference(wild),
        prefixes=prefixes,
        globs=tuple(compile_glob(pattern) for pattern in wild if not _is_prefix(pattern)),
        negated=element.negated,
    )


def _is_prefix(pattern: str) -> bool:
    return pattern.find("*") == len(pattern) - 1 and "?" not in pattern


def evaluate_key_policy(policy: CompiledPolicy, context: RequestContext) -> Decision:
    """Decide a request on a KMS key.

    The order is AWS's: a principal that cannot be judged, or an operation that does not cross
    accounts, is denied; then an explicit deny wins over every allow; then an allow is needed. The
    root of the key's own account needs one too. A root of another account needs no more than that,
    since nothing in its own account restrains it yet.
    Source: KMS Developer Guide, "Troubleshooting AWS KMS permissions" and "Key policies".
    """
    principal = context.principal
    if principal.type is not PrincipalType.ROOT:
        return Decision(False, Reason.NO_IDENTITY_POLICY_ALLOWS, ())
    if principal.account_id != context.resource_account_id and not context.cross_account:
        return Decision(False, Reason.NOT_ACROSS_ACCOUNTS, ())
    action = context.action.lower()
    applying = [
        statement
        for statement in policy.statements
        if statement.principals.match(principal)
        and statement.actions.match(action)
        and statement.resources.match(context.resource_arn)
    ]
    # INVARIANT Z1: an explicit deny wins, wherever it stands.
    denying = tuple(statement.reference for statement in applying if statement.denies)
    if denying:
        return Decision(False, Reason.EXPLICIT_DENY, denying)
    allowing = tuple(statement.reference for statement in applying if statement.decidable)
    if allowing:
        return Decision(True, Reason.KEY_POLICY_ALLOWS, allowing)
    # INVARIANT Z3: nobody has a right that the key policy does not give, not even the account root.
    return Decision(False, Reason.NO_KEY_POLICY_ALLOWS, ())
