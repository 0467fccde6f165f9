"""GetKeyPolicy, PutKeyPolicy and ListKeyPolicies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    TEXT,
    denied,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, Road

LOCKOUT = (
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
)
NO_SUCH_POLICY = ("NotFoundException", "No such policy exists")
POLICY_BYTES_MAX = 32_768


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


def text_of(road: Road, key: dict[str, Any]) -> str:
    return str(road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"])


def long_policy(length: int) -> str:
    """A policy of exactly so many bytes."""
    policy = policy_for("kms:*")
    return policy[:-1] + " " * (length - len(policy)) + "}"


def test_default_policy_is_that_of_aws(road: Road, key: dict[str, Any]) -> None:
    answer = road.call("GetKeyPolicy", KeyId=key["Arn"])
    assert answer["PolicyName"] == "default"
    assert json.loads(answer["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


@pytest.mark.parametrize("name", [{}, {"PolicyName": "default"}, {"PolicyName": None}])
def test_put_key_policy_replaces_the_policy_at_once(
    road: Road, key: dict[str, Any], name: dict[str, Any]
) -> None:
    policy = policy_for(["kms:PutKeyPolicy", "kms:GetKeyPolicy"])
    assert road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy, **name) == {}
    assert road.call("GetKeyPolicy", KeyId=key["KeyId"], **name) == {
        "Policy": policy,
        "PolicyName": "default",
    }
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == denied("kms:Encrypt", key["Arn"])
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy_for("kms:*"))
    road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)


def test_list_key_policies_is_default_only(road: Road, key: dict[str, Any]) -> None:
    expected = {"PolicyNames": ["default"], "Truncated": False}
    assert road.call("ListKeyPolicies", KeyId=key["KeyId"]) == expected
    assert road.call("ListKeyPolicies", KeyId=key["Arn"], Limit=1) == expected
    assert refused(road, "ListKeyPolicies", KeyId=key["KeyId"], Marker="x") == (
        "InvalidMarkerException",
        "Could not deserialize marker",
    )


def test_policy_of_another_name_does_not_exist(road: Road, key: dict[str, Any]) -> None:
    named = {"KeyId": key["KeyId"], "PolicyName": "other"}
    assert refused(road, "GetKeyPolicy", **named) == NO_SUCH_POLICY
    assert refused(road, "PutKeyPolicy", Policy=policy_for("kms:*"), **named) == NO_SUCH_POLICY
    named["PolicyName"] = "AWS_RAM"
    assert refused(road, "GetKeyPolicy", **named) == NO_SUCH_POLICY
    assert refused(road, "PutKeyPolicy", Policy=policy_for("kms:*"), **named) == (
        "ValidationException",
        "The AWS_RAM policy can only be managed by the RAM service.",
    )


def test_put_key_policy_at_32_kib_is_kept_and_beyond_refused(road: Road, key: dict[str, Any]) -> None:
    longest = long_policy(POLICY_BYTES_MAX)
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=longest)
    assert text_of(road, key) == longest
    too_long = (
        "LimitExceededException",
        f"The key policy must not be longer than {POLICY_BYTES_MAX} bytes.",
    )
    longer = long_policy(POLICY_BYTES_MAX + 1)
    assert refused(road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=longer) == too_long
    assert refused(road, "CreateKey", Policy=longer) == too_long
    bypassed = {"Policy": longer, "BypassPolicyLockoutSafetyCheck": True}
    assert refused(road, "PutKeyPolicy", KeyId=key["KeyId"], **bypassed) == too_long
    assert refused(road, "CreateKey", **bypassed) == too_long
    assert text_of(road, key) == longest


def test_put_key_policy_beyond_the_shape_gets_aws_sentence(road: Road) -> None:
    code, message = refused(road, "PutKeyPolicy", KeyId=ABSENT_KEY_ID, Policy=" " * 131_073)
    assert code == "ValidationException"
    assert message is not None
    assert (
        "at 'policy' failed to satisfy constraint: Member must have length less than or equal to 131072"
        in (message)
    )
    assert refused(road, "PutKeyPolicy", KeyId=ABSENT_KEY_ID) == invalid(
        "policy", "Member must not be null", " null"
    )


@pytest.mark.parametrize(
    "policy",
    [
        "x",
        "{}",
        "[]",
        "null",
        '{"Statement": []}{"Statement": []}',
        json.dumps({"Version": "2020-01-01", "Statement": []}),
        json.dumps({"Statement": [{"Effect": "Permit", "Principal": "*", "Action": "*", "Resource": "*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "nobody"}, "Action": "kms:*"}]}),
        '{"Statement": [], "Statement": []}',
    ],
)
def test_policy_that_is_none_is_refused_and_nothing_changes(
    road: Road, key: dict[str, Any], policy: str
) -> None:
    before = text_of(road, key)
    for bypass in (False, True):
        members = {"Policy": policy, "BypassPolicyLockoutSafetyCheck": bypass}
        for operation, named in (("PutKeyPolicy", {"KeyId": key["KeyId"]}), ("CreateKey", {})):
            code, message = refused(road, operation, **named, **members)
            assert code == "MalformedPolicyDocumentException", policy
            assert message
    assert text_of(road, key) == before


@pytest.mark.parametrize(
    "policy",
    [
        policy_for("kms:Encrypt"),
        policy_for("kms:*", f"arn:aws:iam::{STRANGER}:root"),
        policy_for("kms:*", f"arn:aws:iam::{ACCOUNT}:role/nobody"),
        json.dumps(
            {
                "Statement": [
                    {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"},
                    {"Effect": "Deny", "Principal": "*", "Action": "kms:Put*", "Resource": "*"},
                ]
            }
        ),
        json.dumps(
            {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "kms:*",
                        "Resource": "*",
                        "Condition": {"StringEquals": {"kms:CallerAccount": STRANGER}},
                    }
                ]
            }
        ),
    ],
)
def test_policy_that_locks_the_caller_out_is_refused_unless_bypassed(
    road: Road, key: dict[str, Any], policy: str
) -> None:
    before = text_of(road, key)
    assert refused(road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=policy) == LOCKOUT
    assert refused(road, "CreateKey", Policy=policy) == LOCKOUT
    assert text_of(road, key) == before
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    assert refused(road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=policy_for("kms:*"))[0] == (
        "AccessDeniedException"
    )


def test_explicit_deny_has_its_own_sentence(road: Road) -> None:
    policy = json.loads(policy_for("kms:*"))
    policy["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"})
    key = road.create_key(Policy=json.dumps(policy))
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:Encrypt on resource: "
        f"{key['Arn']} with an explicit deny in a resource-based policy",
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [("GetKeyPolicy", {}), ("ListKeyPolicies", {}), ("PutKeyPolicy", {"Policy": policy_for("kms:*")})],
)
def test_policy_operations_refusals_for_the_key(road: Road, operation: str, members: dict[str, Any]) -> None:
    assert refused(road, operation, KeyId=ABSENT_KEY_ID, **members) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )
    assert refused(road, operation, KeyId="alias/x", **members) == (
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
    )
    foreign = road.create_key(Policy=policy_for("kms:*", "*"))
    assert refused(road, operation, account=STRANGER, KeyId=foreign["Arn"], **members) == denied(
        f"kms:{operation}", foreign["Arn"], STRANGER
    )


@pytest.mark.parametrize("key", ["kms:EncryptionContextKey", "aws:SourceIpp", "KMS:viaservices"])
def test_put_key_policy_with_a_condition_on_a_key_that_there_is_not_is_refused(road: Road, key: str) -> None:
    """A Deny under it would never deny."""
    arn = road.create_key()["Arn"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.loads(road.call("GetKeyPolicy", KeyId=arn)["Policy"])
    policy["Statement"].append(statement | {"Condition": {"StringEquals": {key: "x"}}})
    sentence = f"These condition keys are not permitted in a key policy: {key}"
    answer = refused(road, "PutKeyPolicy", KeyId=arn, Policy=json.dumps(policy))
    assert answer == ("MalformedPolicyDocumentException", sentence)


@pytest.mark.parametrize(
    "key",
    [
        "kms:viaSERVICE",
        "kms:EncryptionContext:a",
        "aws:PrincipalOrgID",
        "aws:PrincipalTag/b",
        "issuer.example:sub",
    ],
)
def test_put_key_policy_with_a_condition_on_a_key_of_aws_is_taken(road: Road, key: str) -> None:
    arn = road.create_key()["Arn"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.loads(road.call("GetKeyPolicy", KeyId=arn)["Policy"])
    policy["Statement"].append(statement | {"Condition": {"StringEquals": {key: "x"}}})
    road.call("PutKeyPolicy", KeyId=arn, Policy=json.dumps(policy))


@pytest.mark.parametrize(
    "principal",
    [
        {"Service": "S3.amazonaws.com"},
        {"Service": "s3"},
        {"Service": "s3.amazonaws.con"},
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
    ],
    ids=lambda principal: next(iter(principal.values())),
)
def test_put_key_policy_with_a_principal_that_nobody_can_be_is_refused(
    road: Road, principal: dict[str, str]
) -> None:
    """A Deny of it would deny nobody."""
    arn = road.create_key()["Arn"]
    policy = json.loads(road.call("GetKeyPolicy", KeyId=arn)["Policy"])
    policy["Statement"].append(
        {"Effect": "Deny", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*"}
    )
    assert refused(road, "PutKeyPolicy", KeyId=arn, Policy=json.dumps(policy)) == (
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
    )
