"""Policies of the KMS Developer Guide, and what they say of requests.

Source: KMS Developer Guide, "AWS KMS condition keys" by key; "AWS global condition keys"; "Key policies".
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, DENIED, NO, Case
from tests.properties.policy_cases.worlds import (
    OTHER,
    OWNER,
    TRUST,
    allow,
    aws,
    deny,
    role_arn,
    service,
    session,
    user,
    user_arn,
    world,
)

_PAGE = "KMS Developer Guide, AWS KMS condition keys"
_NO_RESOURCE, _NO_IDENTITY = f"{NO}: resource", f"{NO}: identity"
_ALICE = user("alice")
_EXAMPLE_USER = aws(user_arn("ExampleUser"))
_S3, _EC2 = "s3.us-east-1.amazonaws.com", "ec2.us-west-2.amazonaws.com"


_IAM_POLICIES_ONLY = {"aws:ResourceTag", "kms:ResourceAliases"}


def _row(
    key: str,
    condition: dict[str, Any],
    values: dict[str, list[str]],
    holds: bool,
    action: str = "kms:Decrypt",
) -> list[Case]:
    """In the key policy's Allow for the user; in the identity-based policy of one whose account is trusted.

    Key policies cannot look at a key's tags and aliases: "IAM policies only".
    """
    name = f"{key}: {condition} with {values}"
    source = f"{_PAGE}: {key}"
    more: dict[str, Any] = {"values": values, "action": action, "grant_operation": None}
    return [
        Case(f"{name}, key policy", source, world(_ALICE, [allow(aws(user_arn("alice")), Condition=condition)], **more),
             DENIED if key in _IAM_POLICIES_ONLY else ALLOW if holds else _NO_RESOURCE),
        Case(f"{name}, identity-based policy", source, world(_ALICE, [TRUST], [allow(Condition=condition)], **more),
             ALLOW if holds else _NO_IDENTITY),
        Case(f"{name}, identity-based Deny", source,
             world(_ALICE, [TRUST], [allow(), deny(Condition=condition)], **more),
             "explicit deny: identity" if holds else ALLOW),
    ]  # fmt: skip


_EC = "kms:encryptioncontext:"
_EC_KEYS = "kms:EncryptionContextKeys"
_GRANT_OPS = "kms:GrantOperations"

_ROWS: list[tuple[str, dict[str, Any], dict[str, list[str]], bool]] = [
    # kms:ViaService: any of these services; a direct request has none
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": [_S3, _EC2]}}, {"kms:viaservice": [_EC2]}, True),
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": [_S3, _EC2]}}, {}, False),
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": _S3}}, {"kms:viaservice": ["s3.eu-west-1.amazonaws.com"]}, False),
    ("kms:ViaService", {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}, {"kms:viaservice": [_S3]}, True),
    ("kms:ViaService", {"StringNotEquals": {"kms:ViaService": _S3}}, {}, True),
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": _S3, "kms:CallerAccount": OWNER}}, {"kms:viaservice": [_S3]}, True),
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": _S3, "kms:CallerAccount": OTHER}}, {"kms:viaservice": [_S3]}, False),
    # kms:EncryptionContext:key
    ("kms:EncryptionContext:context-key", {"StringEquals": {"kms:EncryptionContext:AppName": "ExampleApp"}},
     {_EC + "appname": ["ExampleApp"]}, True),
    ("kms:EncryptionContext:context-key", {"StringEquals": {"kms:EncryptionContext:AppName": "ExampleApp"}},
     {_EC + "appname": ["exampleapp"]}, False),
    ("kms:EncryptionContext:context-key", {"StringEqualsIgnoreCase": {"kms:EncryptionContext:AppName": "ExampleApp"}},
     {_EC + "appname": ["exampleapp"]}, True),
    ("kms:EncryptionContext:context-key", {"StringLike": {"kms:EncryptionContext:AppName": "*App"}},
     {_EC + "appname": ["ExampleApp"]}, True),
    ("kms:EncryptionContext:context-key", {"StringEquals": {"kms:EncryptionContext:AppName": "ExampleApp"}}, {}, False),
    ("kms:EncryptionContext:context-key",
     {"StringEquals": {"kms:EncryptionContext:AppName": "ExampleApp", "kms:EncryptionContext:FilePath": "/var/opt/x"}},
     {_EC + "appname": ["ExampleApp"], _EC + "filepath": ["/var/opt/x"]}, True),
    ("kms:EncryptionContext:context-key",
     {"StringEquals": {"kms:EncryptionContext:AppName": "ExampleApp", "kms:EncryptionContext:FilePath": "/var/opt/x"}},
     {_EC + "appname": ["ExampleApp"]}, False),
    ("kms:EncryptionContext:context-key", {"ArnLike": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::logs/*"}},
     {_EC + "aws:s3:arn": ["arn:aws:s3:::logs/2026/x"]}, True),
    ("kms:EncryptionContext:context-key", {"Null": {"kms:EncryptionContext:AppName": False}},
     {_EC + "appname": ["x"]}, True),
    ("kms:EncryptionContext:context-key", {"Null": {"kms:EncryptionContext:AppName": False}}, {}, False),
    # kms:EncryptionContextKeys
    (_EC_KEYS, {"ForAnyValue:StringEquals": {_EC_KEYS: "AppName"}},
     {"kms:encryptioncontextkeys": ["FilePath", "AppName"]}, True),
    (_EC_KEYS, {"ForAnyValue:StringEquals": {_EC_KEYS: "AppName"}}, {"kms:encryptioncontextkeys": ["appname"]}, False),
    (_EC_KEYS, {"ForAllValues:StringEquals": {_EC_KEYS: ["AppName", "FilePath"]}},
     {"kms:encryptioncontextkeys": ["AppName", "FilePath"]}, True),
    (_EC_KEYS, {"ForAllValues:StringEquals": {_EC_KEYS: ["AppName", "FilePath"]}},
     {"kms:encryptioncontextkeys": ["AppName", "FilePath", "More"]}, False),
    (_EC_KEYS, {"ForAllValues:StringEquals": {_EC_KEYS: ["AppName"]}}, {}, True),
    (_EC_KEYS, {"ForAllValues:StringEquals": {_EC_KEYS: ["AppName"]}, "Null": {_EC_KEYS: False}}, {}, False),
    (_EC_KEYS, {"ForAllValues:StringEqualsIgnoreCase": {_EC_KEYS: "department"}},
     {"kms:encryptioncontextkeys": ["Department"]}, True),
    (_EC_KEYS, {"Null": {_EC_KEYS: True}}, {}, True),
    # others with one value
    ("kms:EncryptionAlgorithm", {"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}},
     {"kms:encryptionalgorithm": ["RSAES_OAEP_SHA_256"]}, False),
    ("kms:KeySpec", {"StringEquals": {"kms:KeySpec": ["RSA_3072", "RSA_4096"]}}, {"kms:keyspec": ["RSA_4096"]}, True),
    ("kms:KeyUsage", {"StringNotEquals": {"kms:KeyUsage": "SIGN_VERIFY"}}, {"kms:keyusage": ["ENCRYPT_DECRYPT"]}, True),
    ("kms:KeyOrigin", {"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}}, {"kms:keyorigin": ["EXTERNAL"]}, False),
    ("kms:MultiRegion", {"Bool": {"kms:MultiRegion": False}}, {"kms:multiregion": ["false"]}, True),
    ("kms:MessageType", {"StringEquals": {"kms:MessageType": "RAW"}}, {"kms:messagetype": ["DIGEST"]}, False),
    ("kms:SigningAlgorithm", {"StringLike": {"kms:SigningAlgorithm": "RSASSA_PSS*"}},
     {"kms:signingalgorithm": ["RSASSA_PSS_SHA_512"]}, True),
    ("kms:MacAlgorithm", {"StringEquals": {"kms:MacAlgorithm": ["HMAC_SHA_256", "HMAC_SHA_384"]}},
     {"kms:macalgorithm": ["HMAC_SHA_512"]}, False),
    ("kms:ReEncryptOnSameKey", {"Bool": {"kms:ReEncryptOnSameKey": True}}, {"kms:reencryptonsamekey": ["true"]}, True),
    ("kms:BypassPolicyLockoutSafetyCheck", {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": True}},
     {"kms:bypasspolicylockoutsafetycheck": ["false"]}, False),
    ("kms:RotationPeriodInDays", {"NumericGreaterThan": {"kms:RotationPeriodInDays": "180"}},
     {"kms:rotationperiodindays": ["181"]}, True),
    ("kms:ScheduleKeyDeletionPendingWindowInDays",
     {"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "21"}},
     {"kms:schedulekeydeletionpendingwindowindays": ["7"]}, True),
    ("kms:ValidTo", {"NumericLessThanEquals": {"kms:ValidTo": "1546257599.0"}}, {"kms:validto": ["1546257599"]}, True),
    ("kms:RequestAlias", {"StringEquals": {"kms:RequestAlias": "alias/ExampleAlias"}},
     {"kms:requestalias": ["alias/ExampleAlias"]}, True),
    ("kms:RequestAlias", {"StringEquals": {"kms:RequestAlias": "alias/ExampleAlias"}}, {}, False),
    ("kms:ResourceAliases", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/test"}},
     {"kms:resourcealiases": ["alias/other", "alias/test"]}, True),
    ("kms:ResourceAliases", {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/test*"}},
     {"kms:resourcealiases": ["alias/other"]}, False),
    ("kms:ResourceAliases", {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}, {}, False),
    # grants
    ("kms:GrantIsForAWSResource", {"Bool": {"kms:GrantIsForAWSResource": True}}, {"kms:grantisforawsresource": ["true"]}, True),
    ("kms:GrantIsForAWSResource", {"Bool": {"kms:GrantIsForAWSResource": True}}, {"kms:grantisforawsresource": ["false"]}, False),
    ("kms:GrantConstraintType", {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}},
     {"kms:grantconstrainttype": ["EncryptionContextSubset"]}, False),
    (_GRANT_OPS, {"ForAllValues:StringEquals": {_GRANT_OPS: ["Encrypt", "Decrypt"]}},
     {"kms:grantoperations": ["Decrypt"]}, True),
    (_GRANT_OPS, {"ForAllValues:StringEquals": {_GRANT_OPS: ["Encrypt", "Decrypt"]}},
     {"kms:grantoperations": ["Decrypt", "CreateGrant"]}, False),
    ("kms:GranteePrincipal", {"StringEquals": {"kms:GranteePrincipal": role_arn("LimitedAdminRole")}},
     {"kms:granteeprincipal": [role_arn("LimitedAdminRole")]}, True),
    ("kms:GranteePrincipal", {"ArnLike": {"kms:GranteePrincipal": f"arn:aws:iam::{OWNER}:role/Limited*"}},
     {"kms:granteeprincipal": [role_arn("Unlimited")]}, False),
    # global ones
    ("aws:ResourceTag", {"StringEquals": {"aws:ResourceTag/Purpose": "Test"}}, {"aws:resourcetag/purpose": ["Test"]}, True),
    ("aws:ResourceTag", {"StringEquals": {"aws:ResourceTag/Project": "${aws:PrincipalTag/Project}"}},
     {"aws:resourcetag/project": ["X"], "aws:principaltag/project": ["X"]}, True),
    ("aws:ResourceTag", {"StringEquals": {"aws:ResourceTag/Project": "${aws:PrincipalTag/Project}"}},
     {"aws:resourcetag/project": ["X"]}, False),
    ("aws:ResourceTag", {"StringNotEquals": {"aws:ResourceTag/Purpose": "Test"}}, {}, True),
    ("aws:ResourceTag", {"Null": {"aws:ResourceTag/Purpose": "false"}}, {}, False),
    ("aws:RequestTag", {"StringLike": {"aws:RequestTag/Purpose": "?*"}}, {"aws:requesttag/purpose": ["x"]}, True),
    ("aws:TagKeys", {"ForAllValues:StringEquals": {"aws:TagKeys": ["Purpose"]}},
     {"aws:tagkeys": ["Purpose", "purpose"]}, False),
    ("aws:SourceIp", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, {}, True),
    ("aws:SourceIp", {"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "192.0.2.0/24"]}}, {}, True),
    ("aws:SourceVpce", {"StringNotEquals": {"aws:SourceVpce": "vpce-1234abcdf5678c90a"}}, {}, True),
    ("aws:SourceVpce", {"StringEquals": {"aws:SourceVpce": "vpce-1234abcdf5678c90a"}},
     {"aws:sourcevpce": ["vpce-1234abcdf5678c90a"]}, True),
    ("aws:PrincipalOrgID", {"StringEquals": {"aws:PrincipalOrgID": "o-xxxxxxxxxxx"}}, {}, False),
    ("aws:CalledVia", {"ForAnyValue:StringEquals": {"aws:CalledVia": "dynamodb.amazonaws.com"}},
     {"aws:calledvia": ["athena.amazonaws.com", "dynamodb.amazonaws.com"]}, True),
    ("aws:RequestedRegion", {"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}, {}, False),
]  # fmt: skip


def _whole_policies() -> list[Case]:
    """Policies with several statements, as they stand in the guide."""
    via_service = [TRUST, allow(_EXAMPLE_USER, ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"],
                                Condition={"StringEquals": {"kms:ViaService": [_S3, _EC2]}})]  # fmt: skip
    not_lambda = [
        allow("*"),
        deny("*", Condition={"StringEquals": {"kms:ViaService": "lambda.us-east-1.amazonaws.com"}}),
    ]
    aws_managed = [
        allow(aws("*"), ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
              Condition={"StringEquals": {"kms:CallerAccount": OWNER, "kms:ViaService": _S3}}),
        allow(aws(f"arn:aws:iam::{OWNER}:root"), ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]),
    ]  # fmt: skip
    confused = [allow({"Service": "s3.amazonaws.com"}, Condition={
        "StringEquals": {"aws:SourceAccount": OWNER}, "ArnLike": {"aws:SourceArn": "arn:aws:s3:::logs-*"}})]  # fmt: skip
    example, s3 = user("ExampleUser"), service("s3")
    managed = "KMS Developer Guide, AWS managed keys: the key policy"
    deputy = "KMS Developer Guide, Confused deputy; IAM User Guide, The confused deputy problem"
    source_account = {"aws:sourceaccount": [OWNER]}

    def case(
        name: str, source: str, caller: Any, key_policy: Any, values: Any, expected: str, **more: Any
    ) -> Case:
        return Case(f"Policy: {name}", source, world(caller, key_policy, values=values, **more), expected)

    return [
        case("only through S3 or EC2: through S3", f"{_PAGE}: kms:ViaService", example, via_service,
             {"kms:viaservice": [_S3]}, ALLOW),
        case("only through S3 or EC2: directly", f"{_PAGE}: kms:ViaService", example, via_service, {}, _NO_IDENTITY),
        case("not through Lambda: directly", f"{_PAGE}: kms:ViaService", example, not_lambda, {}, ALLOW),
        case("not through Lambda: through Lambda", f"{_PAGE}: kms:ViaService", example, not_lambda,
             {"kms:viaservice": ["lambda.us-east-1.amazonaws.com"]}, "explicit deny: resource"),
        case("AWS managed key: through its service", managed, example, aws_managed, {"kms:viaservice": [_S3]}, ALLOW),
        case("AWS managed key: a session through its service", managed, session("app"), aws_managed,
             {"kms:viaservice": [_S3]}, ALLOW),
        case("AWS managed key: directly", managed, example, aws_managed, {}, _NO_RESOURCE),
        case("AWS managed key: through another service", managed, example, aws_managed, {"kms:viaservice": [_EC2]},
             _NO_RESOURCE),
        case("AWS managed key: another account's user", managed, user("bob", OTHER), aws_managed,
             {"kms:viaservice": [_S3]}, _NO_RESOURCE, identity=[allow()]),
        case("AWS managed key: DescribeKey by an identity-based policy", managed, example, aws_managed, {}, ALLOW,
             identity=[allow()], action="kms:DescribeKey"),
        case("AWS managed key: Decrypt by an identity-based policy", managed, example, aws_managed, {}, _NO_RESOURCE,
             identity=[allow()]),
        case("AWS managed key: PutKeyPolicy by an identity-based policy", managed, example, aws_managed, {}, _NO_RESOURCE,
             identity=[allow()], action="kms:PutKeyPolicy", grant_operation=None),
        case("service for its own account", deputy, s3, confused,
             source_account | {"aws:sourcearn": ["arn:aws:s3:::logs-1"]}, ALLOW),
        case("service for another account", deputy, s3, confused,
             {"aws:sourceaccount": [OTHER], "aws:sourcearn": ["arn:aws:s3:::logs-1"]}, _NO_RESOURCE),
        case("service for another bucket", deputy, s3, confused,
             source_account | {"aws:sourcearn": ["arn:aws:s3:::photos"]}, _NO_RESOURCE),
        case("service for nobody", deputy, s3, confused, {}, _NO_RESOURCE),
        case("service that says it is another", deputy, service("sns"), confused,
             source_account | {"aws:sourcearn": ["arn:aws:s3:::logs-1"]}, _NO_RESOURCE),
        case("a user that says what the service would", deputy, example, confused,
             source_account | {"aws:sourcearn": ["arn:aws:s3:::logs-1"]}, _NO_RESOURCE),
    ]  # fmt: skip


KMS_CONDITIONS = [case for row in _ROWS for case in _row(*row)] + _whole_policies()
