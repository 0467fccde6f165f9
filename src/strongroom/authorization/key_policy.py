"""Key policies as CreateKey and PutKeyPolicy handle them: the default one, and what may be put."""

from __future__ import annotations

import json

from strongroom.authorization.evaluation import RequestContext, evaluate_key_policy
from strongroom.authorization.policy_document import PolicyDocument
from strongroom.authorization.policy_error import PolicyError, kms_refusal
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.statements import compile_policy
from strongroom.aws import refusals
from strongroom.identity.principal import AuthenticatedPrincipal

POLICY_BYTES_MAX = 32_768
"""KMS Developer Guide, "Key policy format": up to 32 kilobytes (32,768 bytes)."""


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


def check_lockout(principal: AuthenticatedPrincipal, policy_text: str, key_arn: str, account_id: str) -> None:
    """The caller must be able to put the next key policy too, or the key could become unmanageable.

    Raises ApiError MalformedPolicyDocumentException with AWS's lockout sentence. `account_id` is the
    key's account: PutKeyPolicy does not cross accounts, so a caller of another one is always refused.
    Source: PutKeyPolicy, BypassPolicyLockoutSafetyCheck.
    """
    context = RequestContext(
        principal=principal,
        action="kms:PutKeyPolicy",
        resource_arn=key_arn,
        resource_account_id=account_id,
        cross_account=False,
    )
    if not evaluate_key_policy(compile_policy(parse_policy(policy_text)), context).allowed:
        raise refusals.policy_lockout()


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
