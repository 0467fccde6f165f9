"""Does a key policy allow this? The order in which statements decide.

Built so far: callers are account roots.
Source: docs/decisions/0007-authorization.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.authorization.ask import NO_VALUES, ConditionValues
from strongroom.authorization.decision import Decision, Reason
from strongroom.authorization.principals import Caller, PrincipalMatch, caller_of
from strongroom.authorization.statements import CompiledPolicy, CompiledStatement
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
    values: ConditionValues | None = None
    """None: not looked up, so that no condition and no policy variable can be decided."""


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
    caller, action = caller_of(principal), context.action.lower()
    applying = [one for one in policy.statements if _applies(one, caller, action, context)]
    # INVARIANT Z1: an explicit deny wins, wherever it stands.
    denying = tuple(statement.reference for statement in applying if statement.denies)
    if denying:
        return Decision(False, Reason.EXPLICIT_DENY, denying)
    allowing = tuple(statement.reference for statement in applying if _is_decidable(statement, context))
    if allowing:
        return Decision(True, Reason.KEY_POLICY_ALLOWS, allowing)
    # INVARIANT Z3: nobody has a right that the key policy does not give, not even the account root.
    return Decision(False, Reason.NO_KEY_POLICY_ALLOWS, ())


def _is_decidable(statement: CompiledStatement, context: RequestContext) -> bool:
    return context.values is not None or not statement.keys


def _applies(statement: CompiledStatement, caller: Caller, action: str, context: RequestContext) -> bool:
    if statement.principal_match(caller) is PrincipalMatch.NONE:
        return False
    values = context.values
    if values is None:
        # INVARIANT Z2: what cannot be decided never allows and always denies.
        if statement.resources.keys:
            return statement.actions.match(action, NO_VALUES)
        return statement.concerns(action, context.resource_arn, NO_VALUES)
    return statement.concerns(action, context.resource_arn, values) and statement.conditions_hold(values)
