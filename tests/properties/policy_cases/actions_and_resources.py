"""Action, NotAction, Resource and NotResource.

Sources, IAM User Guide: "Action" (prefix and name are case insensitive; wildcards), "NotAction", "Resource"
(Using wildcards in resource ARNs), "NotResource"; KMS Developer Guide, "Key policies": Resource `*` is this key.
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.operator_matrix import ALICE
from tests.properties.policy_cases.worlds import (
    KEY_ARN,
    KEY_ID,
    OTHER,
    OWNER,
    TRUST,
    allow,
    deny,
    user,
    world,
)

_ACTION = "IAM User Guide, Action"
_NOT_ACTION = "IAM User Guide, NotAction"
_RESOURCE = "IAM User Guide, Resource"
_NOT_RESOURCE = "IAM User Guide, NotResource"

# (element, what is written, the action asked for, whether the statement is about it)
_ACTIONS: list[tuple[str, Any, str, bool]] = [
    ("Action", "kms:Decrypt", "kms:Decrypt", True),
    ("Action", "kms:Decrypt", "kms:Encrypt", False),
    ("Action", "kms:decrypt", "kms:Decrypt", True),
    ("Action", "KMS:DECRYPT", "kms:Decrypt", True),
    ("Action", "kms:*", "kms:Decrypt", True),
    ("Action", "*", "kms:Decrypt", True),
    ("Action", "kms:De*", "kms:Decrypt", True),
    ("Action", "kms:de*", "kms:DescribeKey", True),
    ("Action", "kms:*crypt", "kms:Encrypt", True),
    ("Action", "kms:*crypt*", "kms:ReEncryptFrom", True),
    ("Action", "kms:ReEncrypt*", "kms:ReEncryptTo", True),
    ("Action", "kms:ReEncrypt", "kms:ReEncryptTo", False),
    ("Action", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", False),
    ("Action", "kms:GenerateDataKey*", "kms:GenerateDataKeyWithoutPlaintext", True),
    ("Action", "kms:GenerateDataKey*", "kms:GenerateDataKeyPair", True),
    ("Action", "kms:GenerateDataKey?", "kms:GenerateDataKey", False),
    ("Action", "kms:?ecrypt", "kms:Decrypt", True),
    ("Action", "kms:??crypt", "kms:Encrypt", True),
    ("Action", "kms:?crypt", "kms:Encrypt", False),
    ("Action", "s3:*", "kms:Decrypt", False),
    ("Action", "s3:Decrypt", "kms:Decrypt", False),
    ("Action", ["kms:Encrypt", "kms:Decrypt"], "kms:Decrypt", True),
    ("Action", ["kms:Encrypt", "kms:DescribeKey"], "kms:Decrypt", False),
    ("Action", ["s3:*", "kms:D*"], "kms:Decrypt", True),
    ("Action", "kms:Put*Policy", "kms:PutKeyPolicy", True),
    ("NotAction", "kms:Decrypt", "kms:Decrypt", False),
    ("NotAction", "kms:Decrypt", "kms:Encrypt", True),
    ("NotAction", "KMS:dECRYPT", "kms:Decrypt", False),
    ("NotAction", "kms:*", "kms:Decrypt", False),
    ("NotAction", "*", "kms:Decrypt", False),
    ("NotAction", "s3:*", "kms:Decrypt", True),
    ("NotAction", "kms:Put*", "kms:PutKeyPolicy", False),
    ("NotAction", "kms:Put*", "kms:GetKeyPolicy", True),
    ("NotAction", ["kms:Encrypt", "kms:Decrypt"], "kms:Decrypt", False),
    ("NotAction", ["kms:Encrypt", "kms:DescribeKey"], "kms:Decrypt", True),
]

_SAME_REGION_OTHER_ACCOUNT = KEY_ARN.replace(OWNER, OTHER)

# (element, what is written, whether the statement is about the key)
_RESOURCES: list[tuple[str, Any, bool]] = [
    ("Resource", "*", True),
    ("Resource", KEY_ARN, True),
    ("Resource", KEY_ARN + "x", False),
    ("Resource", KEY_ARN[:-1], False),
    ("Resource", KEY_ARN.upper().replace("ARN:AWS:KMS", "arn:aws:kms"), False),
    ("Resource", _SAME_REGION_OTHER_ACCOUNT, False),
    ("Resource", KEY_ARN.replace("us-east-1", "eu-west-1"), False),
    ("Resource", KEY_ARN.replace("key/", "alias/"), False),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:key/*", True),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:*", True),
    ("Resource", f"arn:aws:kms:*:{OWNER}:key/*", True),
    ("Resource", "arn:aws:kms:*:*:key/*", True),
    ("Resource", f"arn:aws:kms:*:{OTHER}:key/*", False),
    ("Resource", "arn:aws:kms:eu-*:*:key/*", False),
    ("Resource", "arn:aws:kms:us-*:*:key/*", True),
    ("Resource", "arn:aws:kms:*:*:alias/*", False),
    ("Resource", "arn:aws:s3:::*", False),
    ("Resource", f"arn:aws:kms:us-east-?:{OWNER}:key/{KEY_ID}", True),
    ("Resource", f"arn:aws:kms:us-east-??:{OWNER}:key/{KEY_ID}", False),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:key/1234abcd-*", True),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:key/*-56ef-*", True),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:key/1234ABCD-*", False),
    ("Resource", f"arn:aws:kms:us-east-1:{OWNER}:key/1234abcd.12ab.34cd.56ef.1234567890ab", False),
    ("Resource", ["arn:aws:s3:::*", KEY_ARN], True),
    ("Resource", ["arn:aws:s3:::*", _SAME_REGION_OTHER_ACCOUNT], False),
    ("NotResource", "*", False),
    ("NotResource", KEY_ARN, False),
    ("NotResource", _SAME_REGION_OTHER_ACCOUNT, True),
    ("NotResource", "arn:aws:kms:*:*:key/*", False),
    ("NotResource", "arn:aws:kms:*:*:alias/*", True),
    ("NotResource", "arn:aws:s3:::*", True),
    ("NotResource", ["arn:aws:s3:::*", KEY_ARN], False),
    ("NotResource", ["arn:aws:s3:::*", _SAME_REGION_OTHER_ACCOUNT], True),
]


def _action_cases() -> list[Case]:
    found = []
    alice = user("alice")
    for element, wanted, action, fits in _ACTIONS:
        source = _ACTION if element == "Action" else _NOT_ACTION
        name = f"{element} {wanted} for {action}"
        part = {element: wanted}
        found += [
            Case(f"{name}, in a key policy's Allow", source,
                 world(alice, [allow(ALICE, None, **part)], action=action), ALLOW if fits else f"{NO}: resource"),
            Case(f"{name}, in a key policy's Deny", source,
                 world(alice, [allow(ALICE, "*"), deny(ALICE, None, **part)], action=action),
                 "explicit deny: resource" if fits else ALLOW),
            Case(f"{name}, in an identity-based Allow", source,
                 world(alice, [TRUST], [allow(None, None, **part)], action=action), ALLOW if fits else f"{NO}: identity"),
        ]  # fmt: skip
    return found


def _resource_cases() -> list[Case]:
    found = []
    alice = user("alice")
    for element, wanted, fits in _RESOURCES:
        source = _RESOURCE if element == "Resource" else _NOT_RESOURCE
        name = f"{element} {wanted}"
        part = {element: wanted}
        found += [
            Case(f"{name}, in an identity-based Allow", source,
                 world(alice, [TRUST], [allow(None, "kms:*", None, **part)]), ALLOW if fits else f"{NO}: identity"),
            Case(f"{name}, in an identity-based Deny", source,
                 world(alice, [TRUST], [allow(), deny(None, "kms:*", None, **part)]),
                 "explicit deny: identity" if fits else ALLOW),
        ]  # fmt: skip
    return found


ACTIONS_AND_RESOURCES = _action_cases() + _resource_cases()
