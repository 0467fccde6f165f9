"""The road itself: the order of its steps, and what no request can escape."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.support.road import Refusal, Road

from strongroom.operations.table import KMS_OPERATIONS

TEXT = base64.b64encode(b"text").decode()
CLOSED_POLICY = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "kms:ConnectCustomKeyStore",
                "Resource": "*",
            }
        ]
    }
)


def refused(road: Road, operation: str, **members: Any) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        road.call(operation, **members)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("name", sorted(KMS_OPERATIONS))
def test_every_operation_without_credentials_is_refused_before_anything_else(road: Road, name: str) -> None:
    """INVARIANT T1: nothing runs before the caller is authenticated."""
    from strongroom.identity.http_request import HttpRequest

    request = HttpRequest("POST", b"/", [(b"host", b"x")], b"not even JSON", "127.0.0.1", False)
    answer = road.wait(road.pipeline.answer(request, road.codec, "kms", name))
    assert json.loads(answer.body)["__type"] == "MissingAuthenticationTokenException"
    assert road.last_record["errorCode"] == "MissingAuthenticationTokenException"
    assert road.last_record["userIdentity"]["type"] == "Unknown"


def closed_key(road: Road) -> dict[str, Any]:
    """A key whose policy permits nothing of what the tests ask for."""
    return road.create_key(Policy=CLOSED_POLICY, BypassPolicyLockoutSafetyCheck=True)


KEY_REQUESTS: dict[str, dict[str, Any]] = {
    "Encrypt": {"Plaintext": TEXT},
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
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "ListResourceTags": {},
    "GetKeyPolicy": {},
    "PutKeyPolicy": {"Policy": CLOSED_POLICY},
    "ListKeyPolicies": {},
    "EnableKeyRotation": {},
    "DisableKeyRotation": {},
    "GetKeyRotationStatus": {},
    "ListKeyRotations": {},
    "RotateKeyOnDemand": {},
    "CreateGrant": {"GranteePrincipal": "arn:aws:iam::000000000000:root", "Operations": ["Decrypt"]},
    "ListGrants": {},
    "RevokeGrant": {"GrantId": "0" * 64},
    "GetKeyLastUsage": {},
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
    "ReplicateKey": {"ReplicaRegion": "us-west-2"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "us-west-2"},
}


@pytest.mark.parametrize("name", sorted(KEY_REQUESTS))
def test_every_key_operation_that_the_policy_does_not_allow_is_denied(road: Road, name: str) -> None:
    """INVARIANT T1: not even the account's root has an implicit right to a key."""
    key = closed_key(road)
    code, message = refused(road, name, KeyId=key["KeyId"], **KEY_REQUESTS[name])
    assert code == "AccessDeniedException"
    assert message is not None
    assert f"is not authorized to perform: kms:{name} on resource: {key['Arn']}" in message
    assert road.last_record["errorCode"] == "AccessDenied" or road.last_record["errorCode"] == code


def test_key_requests_above_cover_every_operation_with_a_named_key() -> None:
    named = {
        name
        for name, operation in KMS_OPERATIONS.items()
        if any(getattr(target, "member", None) == "key_id" for target in operation.access)
    }
    assert named - {"Decrypt"} == KEY_REQUESTS.keys()


def test_re_encrypt_needs_both_keys_allowed(road: Road) -> None:
    source, destination = road.create_key(), closed_key(road)
    blob = road.call("Encrypt", KeyId=source["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    code, message = refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination["KeyId"])
    assert code == "AccessDeniedException"
    assert message is not None
    assert "kms:ReEncryptTo" in message


def test_decrypt_denied_without_key_id_does_not_name_the_key(road: Road) -> None:
    key = road.create_key()
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=CLOSED_POLICY, BypassPolicyLockoutSafetyCheck=True)
    code, message = refused(road, "Decrypt", CiphertextBlob=blob)
    assert code == "AccessDeniedException"
    assert message is not None
    assert key["KeyId"] not in message


def test_refusals_come_validation_lookup_access_state(road: Road) -> None:
    """INVARIANT T2, on a key that is wrong in every way at once."""
    absent = "00000000-0000-4000-8000-000000000000"
    assert refused(road, "Encrypt", KeyId=absent, Plaintext="")[0] == "ValidationException"
    assert refused(road, "Encrypt", KeyId=absent, Plaintext=TEXT)[0] == "NotFoundException"
    policy = json.dumps(
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": ["kms:DisableKey", "kms:PutKeyPolicy"],
                    "Resource": "*",
                }
            ]
        }
    )
    key = road.create_key(Policy=policy)
    road.call("DisableKey", KeyId=key["KeyId"])
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)[0] == "AccessDeniedException"
    opened = road.create_key()
    road.call("DisableKey", KeyId=opened["KeyId"])
    assert (
        refused(road, "Encrypt", KeyId=opened["KeyId"], Plaintext=TEXT, DryRun=True)[0] == "DisabledException"
    )


def test_grant_tokens_that_no_grant_gave_are_refused(road: Road) -> None:
    key = road.create_key()
    code, _ = refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, GrantTokens=["anything"])
    assert code == "InvalidGrantTokenException"


def test_operation_unknown_is_refused(road: Road) -> None:
    assert refused(road, "MakeCoffee")[0] == "UnknownOperationException"


def test_every_answer_has_one_record_with_its_request_id(road: Road) -> None:
    """INVARIANT T3."""
    key = road.create_key()
    before = len(road.audit.records)
    answers = [
        road.send("Encrypt", json.dumps({"KeyId": key["KeyId"], "Plaintext": TEXT}).encode()),
        road.send("Encrypt", b"{"),
        road.send("Encrypt", b'{"KeyId": "nobody", "Plaintext": "YQ=="}'),
        road.send("MakeCoffee", b"{}"),
    ]
    records = road.audit.records[before:]
    assert [record["requestID"] for record in records] == [answer.request_id for answer in answers]
    assert [record.get("errorCode") for record in records] == [
        None,
        "SerializationException",
        "NotFoundException",
        "UnknownOperationException",
    ]


def test_request_whose_record_cannot_be_written_fails_and_changes_nothing(own_road: Road) -> None:
    """INVARIANT T3: no record, no answer; and no change that could not be recorded."""
    key = own_road.create_key()
    own_road.audit.accepting = False
    for name, members in (
        ("Encrypt", {"Plaintext": TEXT}),
        ("DescribeKey", {}),
        ("DisableKey", {}),
        ("ScheduleKeyDeletion", {}),
    ):
        with pytest.raises(Refusal) as caught:
            own_road.call(name, KeyId=key["KeyId"], **members)
        assert (caught.value.code, caught.value.status) == ("KMSInternalException", 500)
    own_road.audit.accepting = True
    assert own_road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"


def test_change_waits_for_its_durable_record_even_when_records_are_batched(own_road: Road) -> None:
    key = own_road.create_key()
    assert own_road.audit.durably_recorded == 1
    own_road.call("DescribeKey", KeyId=key["KeyId"])
    assert own_road.audit.durably_recorded == 1
    own_road.call("DisableKey", KeyId=key["KeyId"])
    assert own_road.audit.durably_recorded == 2


def test_boundary_gone_answers_internal_error_and_nothing_of_the_cause(own_road: Road) -> None:
    """INVARIANT T4."""
    key = own_road.create_key()
    own_road.running_boundary.kill()
    with pytest.raises(Refusal) as caught:
        own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    assert (caught.value.code, caught.value.status) == ("KMSInternalException", 500)
    assert caught.value.message is not None
    assert "oundary" not in caught.value.message
    assert own_road.last_record["errorCode"] == "KMSInternalException"


def test_store_broken_answers_internal_error(own_road: Road) -> None:
    """INVARIANT T4."""
    own_road.store.close()
    with pytest.raises(Refusal) as caught:
        own_road.call("CreateKey")
    assert (caught.value.code, caught.value.status) == ("KMSInternalException", 500)
