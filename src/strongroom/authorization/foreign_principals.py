"""Who comes through the external key store proxy: principals of AWS or of another server, known by name only.

Their own side has allowed the request already; here the key policy alone decides. As no unique id can be
known of them, a key policy's ARNs are compared as text (INVARIANT Z7 is about principals of this server).
"""

from __future__ import annotations

import re
from functools import lru_cache

from strongroom.authorization.ask import AmbiguousCondition, ConditionValues
from strongroom.authorization.decision import Decision, Reason, StatementReference
from strongroom.authorization.key_policy import named_principals
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_memory import PolicyMemory
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import Caller, PrincipalMatch
from strongroom.authorization.statements import CompiledStatement
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

    Of a role whose session is not known, every session's ARN is: `_denies` and `_allows` tell them apart.
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


class ForeignAuthority:
    """Decides by key policies. Pure but for its memory of compiled policies. Concurrency: one event loop."""

    def __init__(self) -> None:
        self._policies = PolicyMemory()

    async def decide(
        self, key_policy: str, caller: Caller, action: str, key_arn: str, values: ConditionValues
    ) -> Decision:
        """Whether the caller may do it, by the key's policy: a Deny first, then an Allow that names the
        caller, its account or everybody. Nothing else allows it: no grant, no policy of IAM.
        """
        names = _names_in(key_policy)
        bindings = frozenset((name, caller.unique_id) for name in names if is_named_by(name, caller))
        policy = self._policies.find(PolicyKind.KEY, key_policy, bindings)
        if policy is None:
            return Decision(False, Reason.KEY_POLICY_UNREADABLE)
        try:
            await values.prepare(policy.condition_keys)
            about = [
                one
                for one in policy.statements
                if one.concerns(action.lower(), key_arn, values) and one.conditions_hold(values)
            ]
        except AmbiguousCondition:
            return Decision(False, Reason.AMBIGUOUS_CONDITION)
        # INVARIANT Z1: whatever denies is heard before anything that allows.
        denying = tuple(_reference(one) for one in about if one.denies and _denies(one, caller))
        if denying:
            return Decision(False, Reason.DENIED_BY_KEY_POLICY, denying)
        allowing = tuple(_reference(one) for one in about if not one.denies and _allows(one, caller))
        if allowing:
            return Decision(True, Reason.KEY_POLICY_ALLOWS, allowing)
        return Decision(False, Reason.NO_KEY_POLICY_ALLOWS)


def _allows(statement: CompiledStatement, caller: Caller) -> bool:
    return statement.principal_match(caller) is not PrincipalMatch.NONE


def _denies(statement: CompiledStatement, caller: Caller) -> bool:
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
