"""May this caller do this, by all policies that have a say? AWS's order, pure.

1. An explicit deny in any policy decides, whatever allows.
2. A resource's policy (key policy, role trust policy) that allows the caller itself is enough in the same
   account. Naming the user, the session or everybody is not limited by what a permissions boundary leaves
   out; naming the role is, and by session policies too.
3. One that allows the caller's account hands the decision to the caller's identity-based policies, which a
   boundary and session policies limit. Without it they are powerless. The account's root needs no more.
4. Across accounts both sides must allow.

Sources: IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny access" and
"Cross-account policy evaluation logic"; KMS Developer Guide, "Troubleshooting AWS KMS permissions" and
"Default key policy"; docs/decisions/0010-who-may.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.decision import (
    DENIED_BY,
    Decision,
    PolicyType,
    Reason,
    StatementReference,
)
from strongroom.authorization.principals import Caller, PrincipalMatch
from strongroom.authorization.statements import CompiledPolicy, CompiledStatement

References = tuple[StatementReference, ...]


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy that has a say, and what to call it. `compiled` is None when its text cannot be read."""

    label: str
    compiled: CompiledPolicy | None


@dataclass(frozen=True, slots=True)
class CallerPolicies:
    """What stands on the caller's own side."""

    identity: tuple[PolicyInForce, ...] = ()
    boundary: PolicyInForce | None = None
    session: tuple[PolicyInForce, ...] = ()
    """Session policies; any of them may allow. None of them: the session is not limited."""
    gone: bool = False
    """The user or role does not exist any more."""

    def with_types(self) -> list[tuple[PolicyType, PolicyInForce]]:
        """All of them, in the order in which they are heard."""
        found = [(PolicyType.IDENTITY, policy) for policy in self.identity]
        if self.boundary is not None:
            found.append((PolicyType.BOUNDARY, self.boundary))
        return found + [(PolicyType.SESSION, policy) for policy in self.session]


NO_POLICIES = CallerPolicies()

_UNLIMITED = (
    PrincipalMatch.SESSION,
    PrincipalMatch.ANYONE,
    PrincipalMatch.SERVICE,
    PrincipalMatch.FEDERATED,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the form in which statements are matched."""

    caller: Caller
    caller_account_id: str
    """Empty for a service."""
    is_root: bool
    action: str
    """In lower case."""
    resource_arn: str
    resource_account_id: str
    values: ConditionValues
    cross_account: bool
    """Whether the operation works on resources of other accounts at all."""


@dataclass(frozen=True, slots=True)
class OwnSide:
    """What the caller's own policies say; explicit denies were heard before."""

    identity: References
    boundary: References | None
    """None: nothing is limited by a boundary."""
    session: References | None
    """None: nothing is limited by session policies."""

    def limits(self, *, boundary: bool = True) -> Reason | None:
        """Which limit leaves the action out; the boundary counts only if it is asked for."""
        if boundary and self.boundary == ():
            return Reason.NO_BOUNDARY_ALLOWS
        return Reason.NO_SESSION_POLICY_ALLOWS if self.session == () else None

    @property
    def within_limits(self) -> References:
        """The statements by which the limits let the action through."""
        return (self.boundary or ()) + (self.session or ())


@dataclass(frozen=True, slots=True)
class _Direct:
    """How a resource's policy allows the caller, by the way in which it names it."""

    unlimited: References
    """The session, a service, a federated identity, or everybody."""
    user: References
    role: References
    account: References

    @property
    def any(self) -> References:
        return self.unlimited + self.user + self.role + self.account


def evaluate_resource_policy(
    question: Question, policy_type: PolicyType, policy: PolicyInForce, own: CallerPolicies
) -> Decision:
    """Decide a request on something that has a policy of its own: a KMS key, or a role to assume."""
    is_key = policy_type is PolicyType.KEY
    is_stranger = question.caller_account_id not in ("", question.resource_account_id)
    if is_stranger and not question.cross_account:
        return Decision(False, Reason.NOT_ACROSS_ACCOUNTS)
    if policy.compiled is None:
        return Decision(False, Reason.KEY_POLICY_UNREADABLE if is_key else Reason.TRUST_POLICY_UNREADABLE)
    applying = _applying_to_caller(policy.compiled, question, own)
    denial = _explicit_denial(question, own, policy_type, policy, applying)
    if denial is not None:
        return denial
    direct = _direct(policy, applying)
    if not direct.any:
        return Decision(False, Reason.NO_KEY_POLICY_ALLOWS if is_key else Reason.NO_TRUST_POLICY_ALLOWS)
    allowed = Reason.KEY_POLICY_ALLOWS if is_key else Reason.TRUST_POLICY_ALLOWS
    if question.is_root or question.caller_account_id == "":
        return Decision(True, allowed, direct.any)
    side = own_side(question, own)
    return _by_identity(side, direct.any) if is_stranger else _within_account(direct, side, allowed)


def _within_account(direct: _Direct, side: OwnSide, allowed: Reason) -> Decision:
    """A user or a role's session, which the policy of a resource in its own account names somehow."""
    if direct.unlimited:
        return Decision(True, allowed, direct.unlimited)
    if direct.user and side.limits(boundary=False) is None:
        return Decision(True, allowed, direct.user + (side.session or ()))
    if direct.role and side.limits() is None:
        return Decision(True, allowed, direct.role + side.within_limits)
    if direct.account:
        return _by_identity(side, direct.account)
    limit = side.limits(boundary=not direct.user)
    assert limit is not None  # noqa: S101  (or one of the branches above had allowed)
    return Decision(False, limit)


def evaluate_identity_policies(question: Question, own: CallerPolicies) -> Decision:
    """Decide an action on what has no policy of its own: an account, an alias, an entity of IAM."""
    denial = _explicit_denial(question, own)
    if denial is not None:
        return denial
    if question.caller_account_id != question.resource_account_id:
        return Decision(False, Reason.NO_IDENTITY_POLICY_ALLOWS)
    if question.is_root:
        return Decision(True, Reason.ACCOUNT_ROOT)
    return _by_identity(own_side(question, own), ())


def evaluate_retirement(question: Question, key_policy: PolicyInForce, own: CallerPolicies) -> Decision:
    """What policies say to RetireGrant: they can deny it, and within an account that may, delegate it.

    An allow in a key policy is not heard. Source: KMS Developer Guide, "Retiring and revoking grants".
    """
    if key_policy.compiled is None:
        return Decision(False, Reason.KEY_POLICY_UNREADABLE)
    applying = _applying_to_caller(key_policy.compiled, question, own)
    denial = _explicit_denial(question, own, PolicyType.KEY, key_policy, applying)
    if denial is not None:
        return denial
    if question.is_root:
        return Decision(True, Reason.ACCOUNT_ROOT)
    return _by_identity(own_side(question, own), ())


def own_side(question: Question, own: CallerPolicies) -> OwnSide:
    """What the caller's policies allow, each type for itself. Explicit denies are not heard here."""
    return OwnSide(
        identity=_allowing(own.identity, question),
        boundary=None if own.boundary is None else _allowing((own.boundary,), question),
        session=_allowing(own.session, question) if own.session else None,
    )


def _by_identity(side: OwnSide, handed_on: References) -> Decision:
    """By the identity-based policies within their limits; `handed_on` are the statements that let them."""
    if not side.identity:
        return Decision(False, Reason.NO_IDENTITY_POLICY_ALLOWS)
    limit = side.limits()
    if limit is not None:
        return Decision(False, limit)
    return Decision(True, Reason.IDENTITY_POLICY_ALLOWS, handed_on + side.identity + side.within_limits)


def _explicit_denial(
    question: Question,
    own: CallerPolicies,
    policy_type: PolicyType | None = None,
    policy: PolicyInForce | None = None,
    applying: list[tuple[CompiledStatement, PrincipalMatch]] | None = None,
) -> Decision | None:
    """INVARIANT Z1: whatever denies is heard before anything that allows, wherever it stands.

    A caller who is gone, or one of whose policies cannot be read, is denied: it might have been a deny.
    """
    denying: list[tuple[PolicyType, StatementReference]] = []
    if policy_type is not None and policy is not None and applying is not None:
        denying += [
            (policy_type, _reference(policy, statement)) for statement, _ in applying if statement.denies
        ]
    for type_, in_force in own.with_types():
        if in_force.compiled is None:
            return Decision(False, Reason.CALLER_POLICY_UNREADABLE)
        for statement in in_force.compiled.statements:
            if statement.denies and _applies(statement, question):
                denying.append((type_, _reference(in_force, statement)))
    if denying:
        return Decision(False, DENIED_BY[denying[0][0]], tuple(reference for _, reference in denying))
    return Decision(False, Reason.CALLER_GONE) if own.gone else None


def _applying_to_caller(
    policy: CompiledPolicy, question: Question, own: CallerPolicies
) -> list[tuple[CompiledStatement, PrincipalMatch]]:
    """The statements of a resource's policy that are about this caller and hold, with how they name it."""
    found: list[tuple[CompiledStatement, PrincipalMatch]] = []
    for statement in policy.statements:
        match = how_named(statement, question.caller, own)
        if match is not PrincipalMatch.NONE and _applies(statement, question):
            found.append((statement, match))
    return found


def how_named(statement: CompiledStatement, caller: Caller, own: CallerPolicies) -> PrincipalMatch:
    """By which of its names a statement of a resource's policy is about the caller."""
    match = statement.principal_match(caller)
    if match is PrincipalMatch.NONE and own.boundary is not None and _excepts(statement):
        return PrincipalMatch.ANYONE
    return match


def _excepts(statement: CompiledStatement) -> bool:
    """Whether it denies all but some. Who has a permissions boundary cannot be excepted.

    Source: IAM User Guide, "NotPrincipal": "will always deny any IAM principal that has a permissions
    boundary policy attached, regardless of the values specified".
    """
    return statement.denies and statement.principal is not None and statement.principal.negated


def _direct(policy: PolicyInForce, applying: list[tuple[CompiledStatement, PrincipalMatch]]) -> _Direct:
    allowing: dict[PrincipalMatch, list[StatementReference]] = {match: [] for match in PrincipalMatch}
    for statement, match in applying:
        if not statement.denies:
            everybody = statement.principal is not None and statement.principal.anyone
            allowing[PrincipalMatch.ANYONE if everybody else match].append(_reference(policy, statement))
    return _Direct(
        unlimited=tuple(reference for match in _UNLIMITED for reference in allowing[match]),
        user=tuple(allowing[PrincipalMatch.USER]),
        role=tuple(allowing[PrincipalMatch.ROLE]),
        account=tuple(allowing[PrincipalMatch.ACCOUNT]),
    )


def _allowing(policies: tuple[PolicyInForce, ...], question: Question) -> References:
    return tuple(
        _reference(policy, statement)
        for policy in policies
        if policy.compiled is not None
        for statement in policy.compiled.statements
        if not statement.denies and _applies(statement, question)
    )


def _applies(statement: CompiledStatement, question: Question) -> bool:
    return statement.concerns(
        question.action, question.resource_arn, question.values
    ) and statement.conditions_hold(question.values)


def _reference(policy: PolicyInForce, statement: CompiledStatement) -> StatementReference:
    reference = statement.reference
    return StatementReference(reference.index, reference.sid, policy.label)
