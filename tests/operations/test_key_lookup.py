"""The four spellings of a key, and everything that looks like one and is none."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    TEXT,
    alias_arn,
    denied,
    encoded,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.operations.operation import KeyTarget
from strongroom.operations.table import KMS_OPERATIONS

ALIASES_REFUSED = ("InvalidArnException", "Key Aliases are not supported for this operation.")

# What each operation with a KeyId needs beside it.
BESIDE: dict[str, dict[str, Any]] = {
    "Encrypt": {"Plaintext": TEXT},
    "Decrypt": {"CiphertextBlob": encoded(b"not looked at before the key is found")},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": {"KeyPairSpec": "ECC_NIST_P256"},
    "GetPublicKey": {},
    "Sign": {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"},
    "Verify": {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256", "Signature": TEXT},
    "DescribeKey": {},
    "UpdateKeyDescription": {"Description": "x"},
    "EnableKey": {},
    "DisableKey": {},
    "ScheduleKeyDeletion": {},
    "CancelKeyDeletion": {},
    "TagResource": {"Tags": []},
    "UntagResource": {"TagKeys": []},
    "ListResourceTags": {},
    "GetKeyPolicy": {},
    "PutKeyPolicy": {"Policy": policy_for("kms:*")},
    "ListKeyPolicies": {},
    "ReEncrypt": {"CiphertextBlob": encoded(b"x"), "DestinationKeyId": ABSENT_KEY_ID},
    "CreateAlias": {"AliasName": "alias/lookup"},
    "EnableKeyRotation": {},
    "DisableKeyRotation": {},
    "GetKeyRotationStatus": {},
    "ListKeyRotations": {},
    "RotateKeyOnDemand": {},
    "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]},
    "ListGrants": {},
    "RevokeGrant": {"GrantId": "0" * 64},
    "GenerateMac": {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"},
    "VerifyMac": {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256", "Mac": TEXT},
    "DeriveSharedSecret": {"KeyAgreementAlgorithm": "ECDH", "PublicKey": TEXT},
    "Encapsulate": {"EncapsulationAlgorithm": "ML_KEM"},
    "Decapsulate": {"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": TEXT},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ImportKeyMaterial": {
        "ImportToken": TEXT,
        "EncryptedKeyMaterial": TEXT,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "DeleteImportedKeyMaterial": {},
    "ReplicateKey": {"ReplicaRegion": OTHER_REGION},
    "UpdatePrimaryRegion": {"PrimaryRegion": OTHER_REGION},
}
MEMBER = {"ReEncrypt": "SourceKeyId", "CreateAlias": "TargetKeyId"}
WITH_ALIASES = {
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GetPublicKey",
    "Sign",
    "Verify",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
    "DescribeKey",
    "ReEncrypt",
}
"""API reference, KeyId: "To specify a KMS key, use its key ID, key ARN, alias name, or alias ARN"."""

MALFORMED = [
    "x",
    "key_id",
    "mrk-fake-key-id",
    "mrk-0123456789abcdef0123456789abcde",
    "mrk-0123456789ABCDEF0123456789ABCDEF",
    "00000000000040008000000000000000",
    "00000000-0000-4000-8000-00000000000",
    "00000000-0000-4000-8000-0000000000000",
    "00000000-0000-4000-8000-00000000000g",
    "00000000_0000_4000_8000_000000000000",
    f"{ABSENT_KEY_ID}\n",
    f" {ABSENT_KEY_ID}",
    f"key/{ABSENT_KEY_ID}",
    "../../etc/passwd",
    "' OR 1=1 --",
    "arn:",
    "arn:aws:kms",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:{ABSENT_KEY_ID}",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:grant/{ABSENT_KEY_ID}",
    f"arn:aws:kms:{REGION}:12345:key/{ABSENT_KEY_ID}",
    f"arn:aws:kms:{REGION}::key/{ABSENT_KEY_ID}",
    f"arn:aws:kms::{ACCOUNT}:key/{ABSENT_KEY_ID}",
    f"arn:aws:iam:{REGION}:{ACCOUNT}:key/{ABSENT_KEY_ID}",
    f"ARN:aws:kms:{REGION}:{ACCOUNT}:key/{ABSENT_KEY_ID}",
    "x" * 2048,
]


def test_operations_above_are_all_that_name_a_key() -> None:
    named = {
        name
        for name, operation in KMS_OPERATIONS.items()
        if any(isinstance(target, KeyTarget) for target in operation.access)
    }
    assert named - {"UpdateAlias"} == BESIDE.keys()


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_malformed_key_id_is_repeated_in_the_refusal(road: Road, operation: str) -> None:
    for given in MALFORMED:
        members = {**BESIDE[operation], MEMBER.get(operation, "KeyId"): given}
        expected = ("NotFoundException", f"Invalid keyId '{given}'")
        assert refused(road, operation, **members) == expected, given


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_well_formed_key_id_of_no_key_is_widened_to_its_arn(road: Road, operation: str) -> None:
    for given in (ABSENT_KEY_ID, "mrk-0123456789abcdef0123456789abcdef", str(uuid4()).upper()):
        for spelled in (given, key_arn(given)):
            members = {**BESIDE[operation], MEMBER.get(operation, "KeyId"): spelled}
            assert refused(road, operation, **members) == (
                "NotFoundException",
                f"Key '{key_arn(given)}' does not exist",
            )


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_arn_of_another_region_or_partition_names_only_the_region(road: Road, operation: str) -> None:
    member = MEMBER.get(operation, "KeyId")
    for arn, region in (
        (key_arn(ABSENT_KEY_ID, region=OTHER_REGION), OTHER_REGION),
        (alias_arn("alias/x", region=OTHER_REGION), OTHER_REGION),
        (f"arn:aws-cn:kms:{REGION}:{ACCOUNT}:key/{ABSENT_KEY_ID}", REGION),
        (f"arn:aws:kms:nowhere:{ACCOUNT}:key/{ABSENT_KEY_ID}", "nowhere"),
    ):
        expected = ("NotFoundException", f"Invalid arn {region}")
        assert refused(road, operation, **{**BESIDE[operation], member: arn}) == expected


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_malformed_key_id_in_an_arn_stands_without_quotes(road: Road, operation: str) -> None:
    member = MEMBER.get(operation, "KeyId")
    for given in ("", "x", "alias/x", ABSENT_KEY_ID[:-1], f"{ABSENT_KEY_ID}:x"):
        expected = ("NotFoundException", f"Invalid keyId {given}")
        assert refused(road, operation, **{**BESIDE[operation], member: key_arn(given)}) == expected


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_alias_is_taken_where_aws_takes_it_and_refused_elsewhere(road: Road, operation: str) -> None:
    member, name = MEMBER.get(operation, "KeyId"), f"alias/absent-{uuid4()}"
    for spelled in (name, alias_arn(name)):
        expected = ALIASES_REFUSED
        if operation in WITH_ALIASES:
            expected = ("NotFoundException", f"Alias {alias_arn(name)} is not found.")
        assert refused(road, operation, **{**BESIDE[operation], member: spelled}) == expected


@pytest.mark.parametrize("operation", sorted(BESIDE))
def test_key_id_empty_too_long_or_not_ascii_gets_aws_sentence(road: Road, operation: str) -> None:
    member = MEMBER.get(operation, "KeyId")
    path = member[0].lower() + member[1:]
    for given, rule in (
        ("", "Member must have length greater than or equal to 1"),
        ("x" * 2049, "Member must have length less than or equal to 2048"),
        ("schlüssel", "Member must satisfy regular expression pattern: ^\\p{ASCII}+$"),
    ):
        code, message = refused(road, operation, **{**BESIDE[operation], member: given})
        assert code == "ValidationException"
        assert message is not None
        assert f"at '{path}' failed to satisfy constraint: {rule}" in message


def test_all_four_spellings_name_the_same_key(road: Road) -> None:
    key, other = road.create_key(), road.create_key()
    name = f"alias/four-{key['KeyId']}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    for spelled in (key["KeyId"], key["Arn"], name, alias_arn(name)):
        assert road.call("DescribeKey", KeyId=spelled)["KeyMetadata"]["Arn"] == key["Arn"]
        assert road.call("Encrypt", KeyId=spelled, Plaintext=TEXT)["KeyId"] == key["Arn"]
        assert road.call("Decrypt", KeyId=spelled, CiphertextBlob=blob)["KeyId"] == key["Arn"]
        assert road.call("GenerateDataKey", KeyId=spelled, KeySpec="AES_128")["KeyId"] == key["Arn"]
        members = {"CiphertextBlob": blob, "SourceKeyId": spelled, "DestinationKeyId": other["KeyId"]}
        assert road.call("ReEncrypt", **members)["SourceKeyId"] == key["Arn"]
        members = {"CiphertextBlob": blob, "DestinationKeyId": spelled}
        assert road.call("ReEncrypt", **members)["KeyId"] == key["Arn"]


def test_alias_that_moved_names_the_new_key_at_once(road: Road) -> None:
    first, second = road.create_key(), road.create_key()
    name = f"alias/moves-{first['KeyId']}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=first["KeyId"])
    blob = road.call("Encrypt", KeyId=name, Plaintext=TEXT)["CiphertextBlob"]
    road.call("UpdateAlias", AliasName=name, TargetKeyId=second["KeyId"])
    assert road.call("Encrypt", KeyId=name, Plaintext=TEXT)["KeyId"] == second["Arn"]
    assert refused(road, "Decrypt", KeyId=name, CiphertextBlob=blob)[0] == "IncorrectKeyException"
    assert road.call("Decrypt", CiphertextBlob=blob)["KeyId"] == first["Arn"]


@pytest.mark.parametrize("length", [36, 35, 37])
def test_alias_as_long_as_a_key_id_is_an_alias(road: Road, length: int) -> None:
    key = road.create_key()
    name = f"alias/{uuid4()}"[: length - 1] + "x"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    assert len(name) == length
    assert road.call("DescribeKey", KeyId=name)["KeyMetadata"]["Arn"] == key["Arn"]


def test_capital_letters_name_no_key(road: Road) -> None:
    key = road.create_key()
    while key["KeyId"] == key["KeyId"].upper():  # all digits: possible, if not likely
        key = road.create_key()
    upper = key["KeyId"].upper()
    assert refused(road, "DescribeKey", KeyId=upper) == (
        "NotFoundException",
        f"Key '{key_arn(upper)}' does not exist",
    )


def test_key_of_another_account_needs_its_arn_and_its_policy(road: Road) -> None:
    key = road.create_key(Policy=policy_for("kms:*", "*"))
    name = f"alias/shared-{key['KeyId']}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    for spelled in (key["Arn"], alias_arn(name)):
        assert road.call("Encrypt", account=STRANGER, KeyId=spelled, Plaintext=TEXT)["KeyId"] == key["Arn"]
    assert refused(road, "Encrypt", account=STRANGER, KeyId=key["KeyId"], Plaintext=TEXT) == (
        "NotFoundException",
        f"Key '{key_arn(key['KeyId'], account=STRANGER)}' does not exist",
    )
    assert refused(road, "Encrypt", account=STRANGER, KeyId=name, Plaintext=TEXT) == (
        "NotFoundException",
        f"Alias {alias_arn(name, account=STRANGER)} is not found.",
    )


@pytest.mark.parametrize("operation", sorted(WITH_ALIASES - {"ReEncrypt"}))
def test_stranger_cannot_tell_a_key_that_is_closed_from_one_that_is_not_there(
    road: Road, operation: str
) -> None:
    key = road.create_key()
    name = f"alias/closed-{key['KeyId']}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    absent = key_arn(str(uuid4()))
    for there, not_there in ((key["Arn"], absent), (alias_arn(name), alias_arn(f"{name}-absent"))):
        members = {"account": STRANGER, **BESIDE[operation]}
        code, message = refused(road, operation, KeyId=there, **members)
        absent_code, absent_message = refused(road, operation, KeyId=not_there, **members)
        assert code == absent_code == "AccessDeniedException"
        assert message is not None
        assert absent_message is not None
        named = "R"
        assert absent_message.replace(not_there, named) == message.replace(there, named).replace(
            key["Arn"], named
        )


def test_arn_whose_account_is_not_the_keys_names_no_key(road: Road) -> None:
    foreign = road.create_key(account=STRANGER)
    assert refused(road, "DescribeKey", KeyId=key_arn(foreign["KeyId"])) == (
        "NotFoundException",
        f"Key '{key_arn(foreign['KeyId'])}' does not exist",
    )
    key = road.create_key()
    pretended = key_arn(key["KeyId"], account=STRANGER)
    assert refused(road, "DescribeKey", KeyId=pretended) == denied("kms:DescribeKey", pretended)


def test_region_in_the_scope_is_the_region_of_the_key(road: Road) -> None:
    key = road.create_key(region=OTHER_REGION)
    assert key["Arn"] == key_arn(key["KeyId"], region=OTHER_REGION)
    assert refused(road, "Encrypt", KeyId=key["Arn"], Plaintext=TEXT) == (
        "NotFoundException",
        f"Invalid arn {OTHER_REGION}",
    )
    assert refused(road, "DescribeKey", KeyId=None) == invalid("keyId", "Member must not be null", " null")
