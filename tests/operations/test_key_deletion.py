"""ScheduleKeyDeletion and CancelKeyDeletion, and what a key that waits for its end still does."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import ABSENT_KEY_ID, TEXT, disabled_key, key_arn, policy_for, refused
from tests.support.road import ACCOUNT, Road

from strongroom.operations.table import KMS_OPERATIONS

DAY_SECONDS = 86_400
OUT_OF_RANGE = ("ValidationException", "PendingWindowInDays must be between 7 and 30")


def describe(road: Road, key: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
    return metadata


@pytest.mark.parametrize(("given", "days"), [({}, 30), ({"PendingWindowInDays": None}, 30)])
def test_schedule_key_deletion_default_window_is_thirty_days(
    road: Road, given: dict[str, Any], days: int
) -> None:
    key = road.create_key()
    answer = road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], **given)
    assert answer["PendingWindowInDays"] == days


@pytest.mark.parametrize("days", [7, 8, 29, 30])
def test_schedule_key_deletion_answer_and_metadata_agree(road: Road, days: int) -> None:
    key = road.create_key()
    before = road.clock.epoch_seconds()
    answer = road.call("ScheduleKeyDeletion", KeyId=key["Arn"], PendingWindowInDays=days)
    assert answer == {
        "KeyId": key["Arn"],
        "DeletionDate": answer["DeletionDate"],
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }
    assert 0 <= answer["DeletionDate"] - before - days * DAY_SECONDS < 30
    assert describe(road, key) == {
        **key,
        "KeyState": "PendingDeletion",
        "Enabled": False,
        "DeletionDate": answer["DeletionDate"],
    }


@pytest.mark.parametrize("days", [1, 6, 31, 365])
def test_schedule_key_deletion_window_out_of_range_is_refused_before_the_lookup(
    road: Road, days: int
) -> None:
    assert refused(road, "ScheduleKeyDeletion", KeyId=ABSENT_KEY_ID, PendingWindowInDays=days) == OUT_OF_RANGE


@pytest.mark.parametrize("days", [0, -1, 366, 2**31 - 1])
def test_schedule_key_deletion_window_beyond_the_shape_gets_aws_sentence(road: Road, days: int) -> None:
    code, message = refused(road, "ScheduleKeyDeletion", KeyId=ABSENT_KEY_ID, PendingWindowInDays=days)
    assert code == "ValidationException"
    assert message is not None
    assert f"Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must" in message


def test_schedule_key_deletion_twice_is_refused_and_keeps_the_first_date(road: Road) -> None:
    key = road.create_key()
    first = road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=20)
    assert refused(road, "ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )
    assert describe(road, key)["DeletionDate"] == first["DeletionDate"]


def test_schedule_key_deletion_of_a_disabled_key_is_allowed(road: Road) -> None:
    key = disabled_key(road)
    assert road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])["KeyState"] == "PendingDeletion"


def test_cancel_key_deletion_leaves_the_key_disabled_and_usable_after_enabling(road: Road) -> None:
    key = road.create_key()
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    assert road.call("CancelKeyDeletion", KeyId=key["KeyId"]) == {"KeyId": key["Arn"]}
    assert describe(road, key) == {**key, "KeyState": "Disabled", "Enabled": False}
    assert refused(road, "Decrypt", CiphertextBlob=blob) == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )
    road.call("EnableKey", KeyId=key["KeyId"])
    assert road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT


def test_cancel_key_deletion_without_a_scheduled_one_is_refused(road: Road) -> None:
    for key in (road.create_key(), disabled_key(road)):
        assert refused(road, "CancelKeyDeletion", KeyId=key["KeyId"]) == (
            "KMSInvalidStateException",
            f"{key['Arn']} is not pending deletion.",
        )
    cancelled = road.create_key()
    road.call("ScheduleKeyDeletion", KeyId=cancelled["KeyId"])
    road.call("CancelKeyDeletion", KeyId=cancelled["KeyId"])
    assert refused(road, "CancelKeyDeletion", KeyId=cancelled["KeyId"]) == (
        "KMSInvalidStateException",
        f"{cancelled['Arn']} is not pending deletion.",
    )


@pytest.mark.parametrize("operation", ["ScheduleKeyDeletion", "CancelKeyDeletion"])
def test_deletion_of_an_absent_key_is_not_found(road: Road, operation: str) -> None:
    assert refused(road, operation, KeyId=ABSENT_KEY_ID) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )


TAG = [{"TagKey": "a", "TagValue": "b"}]
REFUSED_WHILE_PENDING: dict[str, dict[str, Any]] = {
    "CreateAlias": {"AliasName": "alias/never"},
    "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]},
    "DisableKey": {},
    "DisableKeyRotation": {},
    "EnableKey": {},
    "EnableKeyRotation": {},
    "Encrypt": {"Plaintext": TEXT},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": {"KeyPairSpec": "ECC_NIST_P256"},
    "GetPublicKey": {},
    "RotateKeyOnDemand": {},
    "ScheduleKeyDeletion": {},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ImportKeyMaterial": {
        "ImportToken": TEXT,
        "EncryptedKeyMaterial": TEXT,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "TagResource": {"Tags": TAG},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateKeyDescription": {"Description": "x"},
}
ALLOWED_WHILE_PENDING: dict[str, dict[str, Any]] = {
    "DescribeKey": {},
    "GetKeyLastUsage": {},
    "GetKeyPolicy": {},
    "GetKeyRotationStatus": {},
    "ListKeyPolicies": {},
    "ListKeyRotations": {},
    "ListResourceTags": {},
    "PutKeyPolicy": {"Policy": policy_for("kms:*")},
    "ListAliases": {},
    "ListGrants": {},
    "CancelKeyDeletion": {},
}
TESTED_BESIDE = {
    "Decrypt",
    "ReEncrypt",
    "UpdateAlias",
    "DeleteAlias",
    "Sign",
    "Verify",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
    "RetireGrant",
    "RevokeGrant",
    "DeleteImportedKeyMaterial",
}
WITHOUT_A_KEY = {"CreateKey", "ListKeys", "ListRetirableGrants", "GenerateRandom"}
MULTI_REGION = {"ReplicateKey", "UpdatePrimaryRegion"}
"""In test_multi_region.py, test_multi_region_deletion.py and test_update_primary_region.py."""
OF_CUSTOM_KEY_STORES = {name for name in KMS_OPERATIONS if "CustomKeyStore" in name}


def test_every_operation_is_in_one_of_the_lists_above() -> None:
    lists = [
        REFUSED_WHILE_PENDING.keys(),
        ALLOWED_WHILE_PENDING.keys(),
        TESTED_BESIDE,
        WITHOUT_A_KEY,
        MULTI_REGION,
        OF_CUSTOM_KEY_STORES,
    ]
    assert sorted(name for names in lists for name in names) == sorted(KMS_OPERATIONS)


@pytest.mark.parametrize("operation", sorted(REFUSED_WHILE_PENDING))
def test_operation_on_a_key_pending_deletion_is_refused(road: Road, operation: str) -> None:
    key = road.create_key()
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    member = "TargetKeyId" if operation == "CreateAlias" else "KeyId"
    members = {member: key["KeyId"], **REFUSED_WHILE_PENDING[operation]}
    assert refused(road, operation, **members) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )


@pytest.mark.parametrize("operation", sorted(ALLOWED_WHILE_PENDING))
def test_operation_on_a_key_pending_deletion_works(road: Road, operation: str) -> None:
    key = road.create_key()
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    road.call(operation, KeyId=key["KeyId"], **ALLOWED_WHILE_PENDING[operation])


def test_grants_of_a_key_pending_deletion_can_be_retired_and_revoked(road: Road) -> None:
    key = road.create_key()
    grantee: dict[str, Any] = {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]}
    made = [road.call("CreateGrant", KeyId=key["KeyId"], **grantee) for _ in range(2)]
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    road.call("RetireGrant", GrantToken=made[0]["GrantToken"])
    road.call("RevokeGrant", KeyId=key["KeyId"], GrantId=made[1]["GrantId"])
    assert road.call("ListGrants", KeyId=key["KeyId"])["Grants"] == []


def test_aliases_of_a_key_pending_deletion_can_leave_it_but_not_come_to_it(road: Road) -> None:
    leaving, staying = road.create_key(), road.create_key()
    names = [f"alias/{leaving['KeyId']}-{number}" for number in range(2)]
    for name in names:
        road.call("CreateAlias", AliasName=name, TargetKeyId=leaving["KeyId"])
    road.call("ScheduleKeyDeletion", KeyId=leaving["KeyId"])
    assert refused(road, "Encrypt", KeyId=names[0], Plaintext=TEXT) == (
        "KMSInvalidStateException",
        f"{leaving['Arn']} is pending deletion.",
    )
    road.call("UpdateAlias", AliasName=names[0], TargetKeyId=staying["KeyId"])
    assert refused(road, "UpdateAlias", AliasName=names[0], TargetKeyId=leaving["KeyId"]) == (
        "KMSInvalidStateException",
        f"{leaving['Arn']} is pending deletion.",
    )
    road.call("DeleteAlias", AliasName=names[1])
    assert road.call("ListAliases", KeyId=leaving["KeyId"])["Aliases"] == []
