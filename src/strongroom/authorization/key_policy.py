"""Key policies as CreateKey and PutKeyPolicy handle them: the default one, and what may be put."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.authorization.ask import NO_VALUES, ConditionValues
from strongroom.authorization.decision import PolicyType, StatementReference
from strongroom.authorization.policy_document import PolicyDocument, PrincipalKind
from strongroom.authorization.policy_error import PolicyError, kms_refusal
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import PrincipalMatch, caller_of
from strongroom.authorization.statements import NO_BINDINGS, CompiledPolicy, compile_policy
from strongroom.aws import refusals
from strongroom.identity.principal import AuthenticatedPrincipal

POLICY_BYTES_MAX = 32_768
"""KMS Developer Guide, "Key policy format": up to 32 kilobytes (32,768 bytes)."""

PUT_KEY_POLICY = "kms:putkeypolicy"


def parse_policy(text: str) -> PolicyDocument:
    """Read a key policy that someone wants to put.

    Raises ApiError: LimitExceededException when it is too long, MalformedPolicyDocumentException for
    everything else.
    """
    # A lone surrogate has no UTF-8 form; it only must not break the count.
    if len(text.encode("utf-8", "surrogatepass")) > POLICY_BYTES_MAX:
        raise refusals.policy_too_long(POLICY_BYTES_MAX)
    try:
        return parse_document(text)
    except PolicyError as error:
        raise kms_refusal(error) from None


def compile_key_policy(
    document: PolicyDocument, principals: Mapping[str, str] = NO_BINDINGS
) -> CompiledPolicy:
    """Prepare a parsed key policy for evaluation. Raises ApiError MalformedPolicyDocumentException."""
    try:
        return compile_policy(document, principals)
    except PolicyError as error:
        raise kms_refusal(error) from None


def named_principals(document: PolicyDocument) -> tuple[str, ...]:
    """The AWS principals that a policy names, each once, in the order of the text, `*` left out."""
    return tuple(
        dict.fromkeys(
            name
            for statement in document.statements
            if statement.principal is not None
            for kind, name in statement.principal.names
            if kind is PrincipalKind.AWS and name != "*"
        )
    )


@dataclass(frozen=True, slots=True)
class LockoutCheck:
    """Whether a caller could put the next key policy, and what says so.

    Made for the operator: the caller hears AWS's one sentence.
    """

    passed: bool
    principal_arn: str
    tried: tuple[tuple[StatementReference, str], ...]
    """Each statement of the policy, and why it does or does not let the caller put another."""


def try_lockout(
    principal: AuthenticatedPrincipal,
    policy: CompiledPolicy,
    key_arn: str,
    account_id: str,
    values: ConditionValues = NO_VALUES,
) -> LockoutCheck:
    """Whether the key policy allows the caller, or its account, another PutKeyPolicy.

    Identity-based policies are not asked: where the key policy trusts the account, the key can be managed.
    PutKeyPolicy does not cross accounts, so a caller of another one never passes.
    Source: PutKeyPolicy, Policy and BypassPolicyLockoutSafetyCheck; KMS Developer Guide, "Default key
    policy".
    """
    caller = caller_of(principal)
    tried: list[tuple[StatementReference, str]] = []
    allowed = denied = False
    for statement in policy.statements:
        match = statement.principal_match(caller)
        if match is PrincipalMatch.NONE:
            why = "does not name the caller"
        elif not statement.concerns(PUT_KEY_POLICY, key_arn, values):
            why = "is not about kms:PutKeyPolicy on this key"
        elif not statement.conditions_hold(values):
            failed = next(one for one in statement.findings(values) if not one.held)
            why = f"has the condition {failed.operator} {failed.key}, which this request does not fulfil"
        elif statement.denies:
            denied, why = True, "denies it"
        else:
            allowed, why = True, "allows it"
        reference = statement.reference
        tried.append((StatementReference(reference.index, reference.sid, PolicyType.KEY), why))
    passed = allowed and not denied and caller.account_id == account_id
    return LockoutCheck(passed, principal.arn, tuple(tried))


def default_key_policy(account_id: str, partition: str) -> str:
    """The key policy of a key that was created without one: the account root may do everything.

    Source: KMS Developer Guide, "Default key policy"; the Id and Sid as AWS's API sets them.
    """
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{partition}:iam::{account_id}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        },
        indent=2,
    )
