"""KMS keys that are not the customer's: AWS managed keys, in its account, and AWS owned keys, in a service's.

An AWS managed key is what an integrated service uses for an account that has named no key: `alias/aws/s3`.
Nobody chooses its policy: the account's principals may use it through the service, and look at it.

Sources: KMS Developer Guide, "AWS KMS keys" (customer managed, AWS managed, AWS owned keys: "you cannot
change any properties of an AWS managed key, rotate it, change its key policy, or schedule it for deletion");
the key policies of aws/s3 (auto-s3-2), aws/ebs and aws/lambda as GetKeyPolicy answers them on AWS.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from strongroom.resources.identifiers import AccountId, AliasName, Region, partition_of

ROTATION_PERIOD_DAYS: Final = 365
"""Rotating AWS KMS keys: "AWS managed keys ... every year (approximately 365 days)"."""

ON_AWS_MANAGED_KEYS: Final = frozenset(
    {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyPair",
        "kms:GenerateDataKeyPairWithoutPlaintext",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:GetKeyLastUsage",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:GetParametersForImport",
        "kms:GetPublicKey",
        "kms:ListGrants",
        "kms:ListKeyPolicies",
        "kms:ListKeyRotations",
        "kms:ListResourceTags",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:RetireGrant",
        "kms:RevokeGrant",
    }
)
"""What any key policy of AWS's for these keys allows anybody. All others are refused whatever a policy says:
the second lock on a policy that nobody can put."""

ON_AWS_OWNED_KEYS: Final = frozenset(
    {
        *ON_AWS_MANAGED_KEYS - {"kms:CreateGrant"},
        "kms:CancelKeyDeletion",
        "kms:CreateAlias",
        "kms:DeleteAlias",
        "kms:DisableKey",
        "kms:EnableKey",
        "kms:GenerateMac",
        "kms:ScheduleKeyDeletion",
        "kms:Sign",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateAlias",
        "kms:UpdateKeyDescription",
        "kms:Verify",
        "kms:VerifyMac",
    }
)
"""What a service may do with a key of its own collection: nothing that would open it to others."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the key of one service is called, and what its policy lets through."""

    alias: str
    """The part after alias/aws/."""
    principals_of: str
    """`S3`: "for all principals in the account that are authorized to use S3"."""
    protects: str
    """`S3 objects`: "Default key that protects my S3 objects when no other key is defined"."""
    makes_grants: bool = True
    """Whether the service uses the key after its caller has gone, by a grant."""


_KINDS: Final = {
    "dynamodb": _Kind("dynamodb", "Amazon DynamoDB", "DynamoDB data"),
    "ec2": _Kind("ebs", "EBS", "EBS volumes"),
    "rds": _Kind("rds", "RDS", "RDS database volumes"),
    "s3": _Kind("s3", "S3", "S3 objects", makes_grants=False),
    "secretsmanager": _Kind("secretsmanager", "AWS Secrets Manager", "Secrets Manager data"),
    "ssm": _Kind("ssm", "SSM", "SSM parameters"),
}


def _kind_of(service: str) -> _Kind:
    return _KINDS.get(service) or _Kind(service, service, f"{service} data")


def managed_alias_of(service: str) -> AliasName:
    """The alias of a service's AWS managed keys: `alias/aws/s3` of `s3`, `alias/aws/ebs` of `ec2`."""
    return AliasName(f"alias/aws/{_kind_of(service).alias}")


def managed_key_description(service: str) -> str:
    """What DescribeKey says of the key."""
    return f"Default key that protects my {_kind_of(service).protects} when no other key is defined"


def managed_key_policy(service: str, account_id: AccountId, region: Region) -> str:
    """The key policy of the AWS managed key of a service in one account and Region."""
    kind = _kind_of(service)
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
    direct = ["kms:Describe*", "kms:Get*", "kms:List*"]
    if kind.makes_grants:
        use.append("kms:CreateGrant")
        direct.append("kms:RevokeGrant")
    named = kind.principals_of
    return _render(
        f"auto-{kind.alias}-2",
        {
            "Sid": f"Allow access through {named} for all principals in the account that are "
            f"authorized to use {named}",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [*use, "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": f"{service}.{region}.amazonaws.com",
                    "kms:CallerAccount": account_id,
                }
            },
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition_of(region)}:iam::{account_id}:root"},
            "Action": direct,
            "Resource": "*",
        },
    )


def owned_key_policy(service_principal: str) -> str:
    """The key policy of a key in a service's own collection: the service's alone."""
    return _render(
        "aws-owned",
        {
            "Sid": "Allow the service that owns the key",
            "Effect": "Allow",
            "Principal": {"Service": service_principal},
            "Action": "kms:*",
            "Resource": "*",
        },
    )


def _render(policy_id: str, *statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Id": policy_id, "Statement": list(statements)}, indent=2)
