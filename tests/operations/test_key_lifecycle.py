"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription, EnableKey and DisableKey."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    TEXT,
    answering,
    at_once,
    denied,
    error_code,
    invalid,
    key_arn,
    pending_key,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, Road

LOCKOUT = (
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
)


def describe(road: Road, key: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
    return metadata


def policy_of(road: Road, key: dict[str, Any]) -> Any:
    return json.loads(road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"])


# ---------------------------------------------------------------- CreateKey, DescribeKey


def test_create_key_metadata_has_the_members_of_aws_and_no_others(road: Road) -> None:
    key = road.create_key()
    assert key == {
        "AWSAccountId": ACCOUNT,
        "KeyId": key["KeyId"],
        "Arn": key_arn(key["KeyId"]),
        "CreationDate": pytest.approx(road.clock.epoch_seconds(), abs=5),
        "Enabled": True,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
        "CurrentKeyMaterialId": key["CurrentKeyMaterialId"],
    }
    assert describe(road, key) == key


@pytest.mark.parametrize(
    "members",
    [
        {"KeySpec": "SYMMETRIC_DEFAULT"},
        {"CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
        {"KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS", "MultiRegion": False},
        {"Description": None, "Tags": None, "Policy": None},
        {"Tags": []},
    ],
)
def test_create_key_with_the_defaults_spelled_out_is_the_same_key(
    road: Road, members: dict[str, Any]
) -> None:
    key = road.create_key(**members)
    assert (key["KeySpec"], key["KeyUsage"], key["Description"]) == (
        "SYMMETRIC_DEFAULT",
        "ENCRYPT_DECRYPT",
        "",
    )
    assert road.call("ListResourceTags", KeyId=key["KeyId"])["Tags"] == []


def test_create_key_keeps_description_tags_and_policy(road: Road) -> None:
    policy = policy_for(["kms:*"])
    tags = [{"TagKey": "a", "TagValue": ""}, {"TagKey": "ß", "TagValue": "größe"}]
    key = road.create_key(Description="für die Kasse 🔑", Tags=tags, Policy=policy)
    assert describe(road, key)["Description"] == "für die Kasse 🔑"
    assert road.call("ListResourceTags", KeyId=key["KeyId"])["Tags"] == tags
    assert road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"] == policy


def test_create_key_default_policy_is_that_of_the_account_and_partition(road: Road) -> None:
    key = road.create_key(region="cn-north-1")
    assert key["Arn"] == f"arn:aws-cn:kms:cn-north-1:{ACCOUNT}:key/{key['KeyId']}"
    policy = json.loads(road.call("GetKeyPolicy", region="cn-north-1", KeyId=key["KeyId"])["Policy"])
    assert policy["Statement"][0]["Principal"] == {"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize("length", [8191, 8192])
def test_create_key_description_at_the_limit_is_kept(road: Road, length: int) -> None:
    description = "ü" * length  # characters count, not bytes
    assert describe(road, road.create_key(Description=description))["Description"] == description


def test_description_too_long_gets_aws_sentence(road: Road) -> None:
    description = "d" * 8193
    rule = "Member must have length less than or equal to 8192"
    for operation, members in (("CreateKey", {}), ("UpdateKeyDescription", {"KeyId": ABSENT_KEY_ID})):
        code, message = refused(road, operation, Description=description, **members)
        assert code == "ValidationException"
        assert message is not None
        assert message.startswith("1 validation error detected: Value 'ddd")
        assert message.endswith(f"at 'description' failed to satisfy constraint: {rule}")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"KeySpec": "RSA_2048"},
            (
                "ValidationException",
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ),
        ),
        (
            {"KeyUsage": "SIGN_VERIFY"},
            ("ValidationException", "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"),
        ),
        (
            {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
            (
                "ValidationException",
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
                "CustomerMasterKeySpec is deprecated.",
            ),
        ),
        (
            {"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "x"},
            (
                "ValidationException",
                "CustomKeyStoreId is required for KMS keys with an Origin of EXTERNAL_KEY_STORE.",
            ),
        ),
        (
            {"CustomKeyStoreId": "cks-1", "Origin": "AWS_CLOUDHSM"},
            ("CustomKeyStoreNotFoundException", "Custom key store with ID cks-1 cannot be found."),
        ),
        (
            {"XksKeyId": "x"},
            (
                "ValidationException",
                "XksKeyId is valid only for KMS keys with an Origin of EXTERNAL_KEY_STORE.",
            ),
        ),
        ({"Policy": policy_for("kms:Encrypt")}, LOCKOUT),
    ],
)
def test_create_key_refusals(road: Road, members: dict[str, Any], expected: tuple[str, str]) -> None:
    before = len(road.call("ListKeys", Limit=1000)["Keys"])
    assert refused(road, "CreateKey", **members) == expected
    assert len(road.call("ListKeys", Limit=1000)["Keys"]) == before


def test_create_key_with_the_lockout_check_bypassed_is_made(road: Road) -> None:
    key = road.create_key(Policy=policy_for("kms:GetKeyPolicy"), BypassPolicyLockoutSafetyCheck=True)
    assert policy_of(road, key)["Statement"][0]["Action"] == "kms:GetKeyPolicy"
    assert refused(road, "DescribeKey", KeyId=key["KeyId"]) == denied("kms:DescribeKey", key["Arn"])


def test_create_key_is_seen_in_its_own_region_and_account_only(road: Road) -> None:
    key = road.create_key()
    absent = key_arn(key["KeyId"], region=OTHER_REGION)
    assert refused(road, "DescribeKey", region=OTHER_REGION, KeyId=key["KeyId"]) == (
        "NotFoundException",
        f"Key '{absent}' does not exist",
    )
    absent = key_arn(key["KeyId"], account=STRANGER)
    assert refused(road, "DescribeKey", account=STRANGER, KeyId=key["KeyId"]) == (
        "NotFoundException",
        f"Key '{absent}' does not exist",
    )


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize("description", ["", "new", "x" * 8192, "tab\tand\nline\0 end", "🔑"])
def test_update_key_description_replaces_it(road: Road, description: str) -> None:
    key = road.create_key(Description="old")
    assert road.call("UpdateKeyDescription", KeyId=key["Arn"], Description=description) == {}
    assert describe(road, key) == {**key, "Description": description}


def test_update_key_description_needs_a_description(road: Road) -> None:
    expected = invalid("description", "Member must not be null", " null")
    assert refused(road, "UpdateKeyDescription", KeyId=ABSENT_KEY_ID) == expected


def test_disable_and_enable_twice_are_as_once(road: Road) -> None:
    key = road.create_key()
    for operation, state, enabled in (
        ("EnableKey", "Enabled", True),
        ("DisableKey", "Disabled", False),
        ("DisableKey", "Disabled", False),
        ("EnableKey", "Enabled", True),
        ("EnableKey", "Enabled", True),
    ):
        assert road.call(operation, KeyId=key["KeyId"]) == {}
        assert describe(road, key) == {**key, "KeyState": state, "Enabled": enabled}


def test_disabled_key_can_still_be_described_and_changed(road: Road) -> None:
    key = road.create_key()
    road.call("DisableKey", KeyId=key["KeyId"])
    road.call("UpdateKeyDescription", KeyId=key["KeyId"], Description="still mine")
    road.call("TagResource", KeyId=key["KeyId"], Tags=[{"TagKey": "a", "TagValue": "b"}])
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy_for("kms:*"))
    road.call("CreateAlias", AliasName=f"alias/{key['KeyId']}", TargetKeyId=key["KeyId"])
    assert describe(road, key)["Description"] == "still mine"


@pytest.mark.parametrize(
    ("operation", "members"),
    [("EnableKey", {}), ("DisableKey", {}), ("UpdateKeyDescription", {"Description": "x"})],
)
def test_changes_of_a_key_pending_deletion_are_refused(
    road: Road, operation: str, members: dict[str, Any]
) -> None:
    key = pending_key(road)
    assert refused(road, operation, KeyId=key["KeyId"], **members) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )


@pytest.mark.parametrize("operation", ["EnableKey", "DisableKey", "DescribeKey"])
def test_absent_key_is_not_found(road: Road, operation: str) -> None:
    assert refused(road, operation, KeyId=ABSENT_KEY_ID) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )
    assert refused(road, operation) == invalid("keyId", "Member must not be null", " null")


def test_change_of_another_accounts_key_is_denied_even_where_its_policy_allows_everyone(road: Road) -> None:
    """EnableKey and the like cannot be used across accounts (API reference, "Cross-account use: No")."""
    key = road.create_key(Policy=policy_for("kms:*", "*"))
    for operation in ("EnableKey", "DisableKey"):
        assert refused(road, operation, account=STRANGER, KeyId=key["Arn"]) == denied(
            f"kms:{operation}", key["Arn"], STRANGER
        )
    described = road.call("DescribeKey", account=STRANGER, KeyId=key["Arn"])["KeyMetadata"]
    assert described == key


# ---------------------------------------------------------------- several at once


def test_changes_of_one_key_at_once_all_happen(road: Road) -> None:
    """INVARIANT O2: a change that another one overtook is made again on top of it."""
    key = road.create_key()
    named = {"KeyId": key["KeyId"]}
    answers = at_once(
        road,
        answering(road, "DisableKey", **named),
        answering(road, "UpdateKeyDescription", Description="at once", **named),
        answering(road, "TagResource", Tags=[{"TagKey": "a", "TagValue": "1"}], **named),
        answering(road, "TagResource", Tags=[{"TagKey": "b", "TagValue": "2"}], **named),
        answering(road, "PutKeyPolicy", Policy=policy_for(["kms:*"]), **named),
    )
    assert [error_code(answer) for answer in answers] == [None] * 5
    assert describe(road, key) == {
        **key,
        "Description": "at once",
        "KeyState": "Disabled",
        "Enabled": False,
    }
    listed = road.call("ListResourceTags", **named)["Tags"]
    assert {tag["TagKey"]: tag["TagValue"] for tag in listed} == {"a": "1", "b": "2"}
    assert policy_of(road, key)["Statement"][0]["Action"] == ["kms:*"]


def test_schedule_deletion_twice_at_once_happens_once(road: Road) -> None:
    key = road.create_key()
    answers = at_once(
        road,
        answering(road, "ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7),
        answering(road, "ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=30),
    )
    assert sorted(map(str, map(error_code, answers))) == ["KMSInvalidStateException", "None"]
    days = 7 if error_code(answers[0]) is None else 30
    window = describe(road, key)["DeletionDate"] - road.clock.epoch_seconds()
    assert window == pytest.approx(days * 86400, abs=30)


def test_policy_that_takes_the_right_away_beats_a_change_that_comes_after_it(road: Road) -> None:
    """The change that lost the race is judged again, by the policy that won."""
    key = road.create_key()
    named = {"KeyId": key["KeyId"]}
    closing = policy_for(["kms:PutKeyPolicy", "kms:DescribeKey"])
    answers = at_once(
        road,
        answering(road, "PutKeyPolicy", Policy=closing, **named),
        answering(road, "DisableKey", **named),
    )
    assert [error_code(answer) for answer in answers] == [None, "AccessDeniedException"]
    assert describe(road, key)["KeyState"] == "Enabled"


def test_use_of_a_key_while_it_is_disabled_is_either_before_or_after(road: Road) -> None:
    key = road.create_key()
    named = {"KeyId": key["KeyId"]}
    uses = [answering(road, "Encrypt", Plaintext=TEXT, **named) for _ in range(10)]
    answers = at_once(road, *uses[:5], answering(road, "DisableKey", **named), *uses[5:])
    assert {error_code(answer) for answer in answers} <= {None, "DisabledException"}
    assert refused(road, "Encrypt", Plaintext=TEXT, **named)[0] == "DisabledException"
