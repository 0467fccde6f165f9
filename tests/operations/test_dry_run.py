"""DryRun, for every operation that takes it: it answers what the request would have got, and does nothing.

EXAMPLES has one request for each such operation. One that is built and has none fails the first test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    TEXT,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.operations.table import KMS_OPERATIONS

DRY_RUN = (
    "DryRunOperationException",
    "The request would have succeeded, but the DryRun option is set.",
)
IGNORING = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
WITHOUT_DRY_RUN = ("ValidationException", "DryRunModifiers can be specified only when DryRun is true.")

Example: TypeAlias = Callable[[Road], tuple[dict[str, Any], dict[str, Any]]]
"""A new key's metadata, and a request that succeeds with it, without DryRun."""


def encrypt(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key()
    return key, {"KeyId": key["KeyId"], "Plaintext": TEXT}


def decrypt(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = encrypt(road)
    return key, {"CiphertextBlob": road.call("Encrypt", **members)["CiphertextBlob"], "KeyId": key["KeyId"]}


def re_encrypt(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = encrypt(road)
    blob = road.call("Encrypt", **members)["CiphertextBlob"]
    return key, {
        "CiphertextBlob": blob,
        "SourceKeyId": key["KeyId"],
        "DestinationKeyId": road.create_key()["KeyId"],
    }


def data_key(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key()
    return key, {"KeyId": key["KeyId"], "KeySpec": "AES_256"}


def data_key_pair(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key()
    return key, {"KeyId": key["KeyId"], "KeyPairSpec": "ECC_NIST_P256"}


def sign(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return key, {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}


def verify(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = sign(road)
    return key, {**members, "Signature": road.call("Sign", **members)["Signature"]}


def generate_mac(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    return key, {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}


def verify_mac(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = generate_mac(road)
    return key, {**members, "Mac": road.call("GenerateMac", **members)["Mac"]}


def derive_shared_secret(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, other = (road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT") for _ in range(2))
    public_key = road.call("GetPublicKey", KeyId=other["KeyId"])["PublicKey"]
    return key, {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": public_key}


def encapsulate(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    return key, {"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}


def decapsulate(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = encapsulate(road)
    blob = road.call("Encapsulate", **members)["SharedSecretCiphertextBlob"]
    return key, {**members, "SharedSecretCiphertextBlob": blob}


def create_grant(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key = road.create_key()
    grantee = f"arn:aws:iam::{ACCOUNT}:root"
    return key, {"KeyId": key["KeyId"], "GranteePrincipal": grantee, "Operations": ["Decrypt"]}


def existing_grant(road: Road) -> tuple[dict[str, Any], dict[str, Any]]:
    key, members = create_grant(road)
    return key, {"KeyId": key["Arn"], "GrantId": road.call("CreateGrant", **members)["GrantId"]}


EXAMPLES: dict[str, Example] = {
    "Encrypt": encrypt,
    "Decrypt": decrypt,
    "ReEncrypt": re_encrypt,
    "GenerateDataKey": data_key,
    "GenerateDataKeyWithoutPlaintext": data_key,
    "GenerateDataKeyPair": data_key_pair,
    "GenerateDataKeyPairWithoutPlaintext": data_key_pair,
    "Sign": sign,
    "Verify": verify,
    "GenerateMac": generate_mac,
    "VerifyMac": verify_mac,
    "DeriveSharedSecret": derive_shared_secret,
    "Encapsulate": encapsulate,
    "Decapsulate": decapsulate,
    "CreateGrant": create_grant,
    "RetireGrant": existing_grant,
    "RevokeGrant": existing_grant,
}


@dataclass(frozen=True)
class Situation:
    """What is done to the key before the request, and who asks."""

    name: str
    befalls: Callable[[Road, str], object]
    account: str = ACCOUNT


def nothing(road: Road, key_id: str) -> None:
    pass


SITUATIONS = (
    Situation("all is well", nothing),
    Situation("a stranger asks", nothing, STRANGER),
    Situation("the key is disabled", lambda road, key_id: road.call("DisableKey", KeyId=key_id)),
    Situation("the key is pending", lambda road, key_id: road.call("ScheduleKeyDeletion", KeyId=key_id)),
    Situation(
        "the policy allows nothing",
        lambda road, key_id: road.call(
            "PutKeyPolicy",
            KeyId=key_id,
            Policy=policy_for(["kms:PutKeyPolicy", "kms:ListGrants"]),
            BypassPolicyLockoutSafetyCheck=True,
        ),
    ),
)


def outcome(
    road: Road, operation: str, members: dict[str, Any], account: str = ACCOUNT
) -> tuple[str, str | None] | None:
    """The refusal's code and sentence; None for a success."""
    try:
        road.call(operation, account=account, **members)
    except Refusal as refusal:
        return refusal.code, refusal.message
    return None


def test_every_operation_that_takes_dry_run_has_an_example() -> None:
    taking = {
        name for name, operation in KMS_OPERATIONS.items() if "dry_run" in operation.input.__struct_fields__
    }
    assert taking - EXAMPLES.keys() == set(), "give each of these an example request in EXAMPLES"


@pytest.mark.parametrize("operation", EXAMPLES)
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_dry_run_answers_what_the_request_gets(road: Road, operation: str, situation: Situation) -> None:
    key, members = EXAMPLES[operation](road)
    if situation.account != ACCOUNT:
        members |= {name: key["Arn"] for name in ("KeyId", "SourceKeyId") if name in members}
    situation.befalls(road, key["KeyId"])
    rehearsed = outcome(road, operation, {**members, "DryRun": True}, situation.account)
    assert road.last_record["requestParameters"]["dryRun"] is True
    assert rehearsed is not None
    assert road.last_record["errorCode"] == rehearsed[0]
    assert road.last_record["responseElements"] is None
    real = outcome(road, operation, members, situation.account)
    assert rehearsed == (DRY_RUN if real is None else real)
    if situation.befalls is nothing and situation.account == ACCOUNT:
        assert real is None, "the example must be of a request that succeeds"


@pytest.mark.parametrize("operation", EXAMPLES)
def test_dry_run_of_an_absent_key_finds_none(road: Road, operation: str) -> None:
    _, members = EXAMPLES[operation](road)
    named = "SourceKeyId" if "SourceKeyId" in members else "KeyId"
    members[named] = key_arn(ABSENT_KEY_ID)
    code, _ = refused(road, operation, **members, DryRun=True)
    assert code in ("NotFoundException", "InvalidGrantIdException")


@pytest.mark.parametrize("operation", ["CreateGrant", "RetireGrant", "RevokeGrant"])
def test_dry_run_of_a_change_changes_nothing(road: Road, operation: str) -> None:
    key, members = EXAMPLES[operation](road)
    before = road.call("ListGrants", KeyId=key["KeyId"])["Grants"]
    assert refused(road, operation, **members, DryRun=True) == DRY_RUN
    assert road.call("ListGrants", KeyId=key["KeyId"])["Grants"] == before
    road.call(operation, **members)
    assert road.call("ListGrants", KeyId=key["KeyId"])["Grants"] != before


# ---------------------------------------------------------------- DryRunModifiers


def ignoring(road: Road, operation: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A key, a request without a ciphertext, and the name of the member that names the key."""
    key, members = EXAMPLES[operation](road)
    del members["CiphertextBlob"]
    return key, {**members, **IGNORING}, "KeyId" if operation == "Decrypt" else "SourceKeyId"


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_ignored_ciphertext_may_be_absent_or_anything(road: Road, operation: str) -> None:
    _, members, _ = ignoring(road, operation)
    assert refused(road, operation, **members) == DRY_RUN
    assert refused(road, operation, **members, CiphertextBlob=TEXT) == DRY_RUN


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_ignored_ciphertext_of_another_key_is_not_compared(road: Road, operation: str) -> None:
    _, members, _ = ignoring(road, operation)
    _, other = decrypt(road)
    assert refused(road, operation, **members, CiphertextBlob=other["CiphertextBlob"]) == DRY_RUN


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_ignored_ciphertext_needs_the_key_named(road: Road, operation: str) -> None:
    _, members, named = ignoring(road, operation)
    del members[named]
    camel = named[0].lower() + named[1:]
    expected = invalid(camel, "Member must not be null", " null")
    assert refused(road, operation, **members) == expected
    _, whole = EXAMPLES[operation](road)
    with_blob = {**members, "CiphertextBlob": whole["CiphertextBlob"]}
    assert refused(road, operation, **with_blob) == expected


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
@pytest.mark.parametrize("form", ["id", "arn", "alias"])
def test_ignored_ciphertext_takes_the_key_in_every_spelling(road: Road, operation: str, form: str) -> None:
    key, members, named = ignoring(road, operation)
    spelling = {"id": key["KeyId"], "arn": key["Arn"], "alias": f"alias/ignoring-{key['KeyId']}"}[form]
    if form == "alias":
        road.call("CreateAlias", AliasName=spelling, TargetKeyId=key["KeyId"])
    assert refused(road, operation, **{**members, named: spelling}) == DRY_RUN


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_ignored_ciphertext_still_needs_the_permission(road: Road, operation: str) -> None:
    key, members, _ = ignoring(road, operation)
    road.call(
        "PutKeyPolicy",
        KeyId=key["KeyId"],
        Policy=policy_for("kms:PutKeyPolicy"),
        BypassPolicyLockoutSafetyCheck=True,
    )
    code, message = refused(road, operation, **members)
    assert code == "AccessDeniedException"
    assert message is not None
    assert ("kms:Decrypt" if operation == "Decrypt" else "kms:ReEncryptFrom") in message


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
@pytest.mark.parametrize("dry_run", [{}, {"DryRun": False}])
def test_modifiers_without_dry_run_are_refused(road: Road, operation: str, dry_run: dict[str, bool]) -> None:
    _, members = EXAMPLES[operation](road)
    modified = {**members, **dry_run, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert refused(road, operation, **modified) == WITHOUT_DRY_RUN
    assert outcome(road, operation, {**members, **dry_run, "DryRunModifiers": []}) is None


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_dry_run_without_modifiers_needs_the_ciphertext(road: Road, operation: str) -> None:
    _, members, _ = ignoring(road, operation)
    expected = invalid("ciphertextBlob", "Member must not be null", " null")
    choices: tuple[dict[str, list[str]], ...] = ({}, {"DryRunModifiers": []})
    for modifiers in choices:
        plain = {name: value for name, value in members.items() if name != "DryRunModifiers"}
        assert refused(road, operation, **plain, **modifiers) == expected


def test_unknown_modifier_is_refused(road: Road) -> None:
    _, members = decrypt(road)
    code, message = refused(road, "Decrypt", **members, DryRun=True, DryRunModifiers=["IGNORE_KEY"])
    assert code == "ValidationException"
    assert message is not None
    assert "dryRunModifiers" in message
