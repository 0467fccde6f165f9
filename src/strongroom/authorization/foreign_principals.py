"""Who comes through the external key store proxy: principals of AWS or of another server, known by name only.

Their own side has allowed the request already; here the key policy alone decides. As no unique id can be
known of them, a key policy's ARNs are compared as text (INVARIANT Z7 is about principals of this server).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from strongroom.authorization.ask import AmbiguousCondition, ConditionValues
from strongroom.authorization.conditions import CompiledCondition
from strongroom.authorization.decision import Decision, Reason, StatementReference
from strongroom.authorization.key_policy import named_principals
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_memory import PolicyMemory
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import Caller, PrincipalMatch
from strongroom.authorization.statements import CompiledPolicy, CompiledStatement
from strongroom.identity.principal import PrincipalType

ARN_CHARACTERS_MAX = 2048
AWS_INTERNAL = "AWS Internal"

_KEY_POLICY = "key policy"
_SERVICE = re.compile(r"[a-z0-9][a-z0-9.-]*\.amazonaws\.com(\.cn)?", re.ASCII)
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?:"
    r"iam::(?P<account>[0-9]{12}):(?:root|(?P<kind>user|role)/(?P<path>(?:[!-~]+/)?)(?P<name>[!-.0-~]+))"
    r"|sts::(?P<session_account>[0-9]{12}):"
    r"(?:assumed-role/(?P<role>[!-.0-~]+)/(?P<session>[!-.0-~]+)|federated-user/(?P<federated>[!-.0-~]+)))",
    re.ASCII,
)


def parse_foreign_principal(text: str) -> Caller:
    """Take apart what `awsPrincipalArn` says: an ARN of IAM or STS, a service principal, or AWS Internal.

    Raises ValueError for anything else, which no key policy could name.
    """
    if _SERVICE.fullmatch(text) or text == AWS_INTERNAL:
        return Caller(PrincipalType.AWS_SERVICE, "", text, "", "", "", text, "")
    found = _ARN.fullmatch(text) if len(text) <= ARN_CHARACTERS_MAX else None
    if found is None:
        raise ValueError("no principal of AWS")
    account_id = found["account"] or found["session_account"]
    is_role = found["kind"] == "role" or found["role"] is not None
    kind = PrincipalType.ASSUMED_ROLE if is_role else PrincipalType.IAM_USER
    is_root = found["account"] is not None and found["kind"] is None
    return Caller(
        type=PrincipalType.ROOT if is_root else kind,
        account_id=account_id,
        arn=text,
        root_arn=f"arn:{found['partition']}:iam::{account_id}:root",
        unique_id="" if is_root else text,
        session_name=found["session"] or "",
        service="",
        federated_provider="",
    )


def is_named_by(name: str, caller: Caller) -> bool:
    """Whether an ARN in a policy is about the caller: its own, its role's, or that of a session of its role.

    Of a role whose session is not known, every session's ARN is: `denies_stranger` tells them apart.
    """
    if name == caller.arn:
        return True
    if caller.type is not PrincipalType.ASSUMED_ROLE:
        return False
    one, other = _ARN.fullmatch(name), _ARN.fullmatch(caller.arn)
    if one is None or other is None or one["partition"] != other["partition"]:
        return False
    if one["role"] is None and other["role"] is None:  # two roles, and another path is another role
        return False
    return _role_of(one) is not None and _role_of(one) == _role_of(other)


def _role_of(found: re.Match[str]) -> tuple[str, str] | None:
    """Account and name: unique among an account's roles, whatever their paths."""
    if found["role"] is not None:
        return found["session_account"], found["role"]
    return (found["account"], found["name"]) if found["kind"] == "role" else None


class ForeignValues(ConditionValues, Protocol):
    """The condition keys of a request of which only a part is told."""

    def is_told(self, key: str) -> bool:
        """Whether `values_of` knows: if not, None does not mean that the request has no such key."""
        ...


class ForeignAuthority:
    """Decides by key policies. Pure but for its memory of compiled policies. Concurrency: one event loop."""

    def __init__(self) -> None:
        self._policies = PolicyMemory()

    def compiled(self, key_policy: str, caller: Caller) -> CompiledPolicy | None:
        """The key policy as it is about this caller; None where it cannot be read."""
        names = _names_in(key_policy)
        bindings = frozenset((name, caller.unique_id) for name in names if is_named_by(name, caller))
        return self._policies.find(PolicyKind.KEY, key_policy, bindings)

    async def decide(
        self, key_policy: str, caller: Caller, action: str, key_arn: str, values: ForeignValues
    ) -> Decision:
        """Whether the caller may do it, by the key's policy: a Deny first, then an Allow that names the
        caller, its account or everybody. Nothing else allows it: no grant, no policy of IAM.
        """
        policy = self.compiled(key_policy, caller)
        if policy is None:
            return Decision(False, Reason.KEY_POLICY_UNREADABLE)
        try:
            await values.prepare(policy.condition_keys)
            about = [
                one
                for one in policy.statements
                if concerns_stranger(one, action.lower(), key_arn, values)
                and all(holds_of_stranger(condition, values, one.denies) for condition in one.conditions)
            ]
        except AmbiguousCondition:
            return Decision(False, Reason.AMBIGUOUS_CONDITION)
        # INVARIANT Z1: whatever denies is heard before anything that allows.
        denying = tuple(_reference(one) for one in about if one.denies and denies_stranger(one, caller))
        if denying:
            return Decision(False, Reason.DENIED_BY_KEY_POLICY, denying)
        allowing = tuple(
            _reference(one)
            for one in about
            if not one.denies and one.principal_match(caller) is not PrincipalMatch.NONE
        )
        if allowing:
            return Decision(True, Reason.KEY_POLICY_ALLOWS, allowing)
        return Decision(False, Reason.NO_KEY_POLICY_ALLOWS)

    def told_values(
        self, key_policy: str, caller: Caller, values: ForeignValues
    ) -> dict[str, tuple[str, ...] | None]:
        """What the policy's condition keys were, of those that are told: for a denial's record."""
        policy = self.compiled(key_policy, caller)
        told = () if policy is None else filter(values.is_told, policy.condition_keys)
        return {key: values.values_of(key) for key in told}


def concerns_stranger(
    statement: CompiledStatement, action_lower: str, key_arn: str, values: ForeignValues
) -> bool:
    """Whether the statement is about this action on this key; INVARIANT Z8 for variables in its Resource."""
    if all(map(values.is_told, statement.resources.keys)):
        return statement.concerns(action_lower, key_arn, values)
    return statement.denies and statement.actions.match(action_lower, values)


def holds_of_stranger(condition: CompiledCondition, values: ForeignValues, denies: bool) -> bool:
    """Whether a condition of a Deny or an Allow holds.

    INVARIANT Z8: what is not told decides for a Deny and against an Allow. An operator that negates, or has
    IfExists, would hold of a key that is not there; but the request may well have it.
    """
    return condition.holds(values) if all(map(values.is_told, condition.keys)) else denies


def denies_stranger(statement: CompiledStatement, caller: Caller) -> bool:
    """A Deny of one session of a role denies the role where nobody says which session it is."""
    if statement.principal_match(caller) is not PrincipalMatch.NONE:
        return True
    principal = statement.principal
    if principal is None or principal.negated or caller.session_name:
        return False
    return any(unique_id == caller.unique_id for unique_id, _ in principal.sessions)


def _reference(statement: CompiledStatement) -> StatementReference:
    return StatementReference(statement.reference.index, statement.reference.sid, _KEY_POLICY)


@lru_cache(maxsize=1024)
def _names_in(key_policy: str) -> tuple[str, ...]:
    try:
        return named_principals(parse_document(key_policy, PolicyKind.KEY))
    except PolicyError:
        return ()
