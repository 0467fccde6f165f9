"""The words that random worlds are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.properties.policy_cases.worlds import KEY_ARN, KEY_ID, OWNER, role_arn


@dataclass(frozen=True)
class Vocabulary:
    """What is asked of one kind of thing, and what policies say of it."""

    kind: str
    """`key`: a KMS key; `retirement`: of its grant; `trust`: a role to assume; `none`: something without a policy of its own."""
    arn: str
    requests: list[tuple[str, str | None, bool, bool]]
    """Action, its name in grants, whether it crosses accounts, whether it has an encryption context."""
    actions: list[str]
    resources: list[str]


OPERATIONS = ["Decrypt", "Encrypt", "DescribeKey", "CreateGrant", "RetireGrant"]

KEYS = Vocabulary(
    "key",
    KEY_ARN,
    [
        ("kms:Decrypt", "Decrypt", True, True),
        ("kms:Encrypt", "Encrypt", True, True),
        ("kms:DescribeKey", "DescribeKey", True, False),
        ("kms:CreateGrant", "CreateGrant", True, False),
        ("kms:RetireGrant", "RetireGrant", True, False),
        ("kms:PutKeyPolicy", None, False, False),
    ],
    ["kms:*", "*", "kms:Decrypt", "kms:decrypt", "KMS:De*", "kms:*crypt", "kms:?ecrypt", "kms:Encrypt", "kms:*Grant",
     "kms:Put*", "kms:DescribeKey", "s3:*"],
    ["*", "*", "*", KEY_ARN, "arn:aws:kms:*:*:key/*", f"arn:aws:kms:us-*:{OWNER}:key/1234*",
     f"arn:aws:kms:eu-west-1:{OWNER}:key/*", "arn:aws:kms:*:*:alias/*",
     f"arn:aws:kms:us-east-1:{OWNER}:key/${{aws:PrincipalTag/key}}",
     f"arn:aws:kms:us-east-1:{OWNER}:key/${{aws:PrincipalTag/key, '{KEY_ID}'}}"],
)  # fmt: skip

RETIREMENTS = Vocabulary(
    "retirement", KEY_ARN, [("kms:RetireGrant", "RetireGrant", False, False)],
    ["kms:*", "*", "kms:RetireGrant", "kms:retiregrant", "kms:*Grant", "kms:Re*", "kms:Decrypt"], KEYS.resources,
)  # fmt: skip

ROLES = Vocabulary(
    "trust",
    role_arn("division/target"),
    [("sts:AssumeRole", None, True, False), ("sts:TagSession", None, True, False)],
    ["sts:*", "*", "sts:AssumeRole", "STS:assumerole", "sts:Assume*", "sts:TagSession", "sts:?agSession", "kms:*"],
    ["*", "*", role_arn("division/target"), role_arn("*"), role_arn("division/t?rget"), role_arn("target"),
     "arn:aws:iam::*:user/*", role_arn("division/${aws:PrincipalTag/key, 'target'}")],
)  # fmt: skip

ENTITIES = Vocabulary(
    "none",
    f"arn:aws:iam::{OWNER}:user/division/alice",
    [("iam:GetUser", None, False, False), ("iam:DeleteUser", None, False, False)],
    ["iam:*", "*", "iam:GetUser", "iam:getuser", "iam:*User", "iam:Get*", "IAM:?etUser", "kms:*"],
    ["*", "*", f"arn:aws:iam::{OWNER}:user/division/alice", "arn:aws:iam::*:user/*", "arn:aws:iam::*:role/*",
     f"arn:aws:iam::{OWNER}:user/*/${{aws:username}}", f"arn:aws:iam::{OWNER}:user/alice"],
)  # fmt: skip

_STRINGS = ["blue", "Blue", "red", "b*e", "alice"]
_STRING_PATTERNS = [*_STRINGS, "b*", "?lue", "*", "${aws:username}", "${aws:PrincipalTag/team}",
                    "${aws:PrincipalTag/team, 'blue'}", "b${*}e", "${aws:TagKeys}", "x${aws:username}"]  # fmt: skip
ARNS = [
    "arn:aws:s3:::blue",
    "arn:aws:s3:::red/a:b",
    "arn:aws:sns:us-east-1:111122223333:blue",
    "arn:aws:s3:a:b:c:::blue",
]
_ARN_PATTERNS = [*ARNS, "arn:aws:s3:::*", "arn:aws:*:::blue", "arn:aws:s*:*:*:blue", "arn:aws:s3:::${aws:PrincipalTag/team}",
                 "arn:aws:*:*:*:?ed/*"]  # fmt: skip

# kind of key: (operators, keys, what requests have, what policies have)
KINDS: dict[str, tuple[list[str], list[str], list[Any], list[Any]]] = {
    "string": (
        ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
         "StringNotLike"],
        ["kms:EncryptionContext:Dept", "aws:RequestTag/a", "kms:viaservice"], [*_STRINGS, ""], _STRING_PATTERNS),
    "number": (
        ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
         "NumericGreaterThanEquals"],
        ["kms:RotationPeriodInDays"], ["9", "10", "90"], ["9", "10", 90, "10.0"]),
    "date": (
        ["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
         "DateGreaterThanEquals"],
        ["kms:ValidTo"], ["2026-05-01T00:00:00Z", "2026-05-02T12:00:00Z"],
        ["2026-05-01T00:00:00Z", "2026-05-01", "2026-05-02T14:00:00+02:00", "1777593600"]),
    "boolean": (["Bool"], ["kms:MultiRegion", "aws:SecureTransport"], ["true", "false"], ["true", "false", True, False]),
    "address": (["IpAddress", "NotIpAddress"], ["aws:SourceIp"], ["203.0.113.7", "198.51.100.1", "2001:db8::7"],
                ["203.0.113.0/24", "198.51.100.1", "2001:db8::/32", "0.0.0.0/0"]),
    "arn": (["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"], ["aws:SourceArn"], ARNS, _ARN_PATTERNS),
    "set": (["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"],
            ["aws:TagKeys", "kms:EncryptionContextKeys"], [*_STRINGS, ""], _STRING_PATTERNS),
}  # fmt: skip

USERS, ROLE_NAMES, SESSIONS = ["alice", "bob", "ops/carol"], ["app", "ops/web"], ["s1", "s2"]
