"""Encapsulate and Decapsulate."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pqcrypto.kem import ml_kem_512, ml_kem_768, ml_kem_1024
from tests.operations.road_requests import TEXT, decoded, denied, encoded, invalid, policy_for, refused
from tests.support.road import Road

INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)
DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
CIPHERTEXT_BYTES = {512: 768, 768: 1088, 1024: 1568}
OTHERS: dict[int, Any] = {512: ml_kem_512, 768: ml_kem_768, 1024: ml_kem_1024}
PREFIX_BYTES = 22
"""Of a SubjectPublicKeyInfo, before the public key itself."""
ML_KEM = {"EncapsulationAlgorithm": "ML_KEM"}


def kem_key(road: Road, size: int = 768, **members: Any) -> dict[str, Any]:
    return road.create_key(KeySpec=f"ML_KEM_{size}", KeyUsage="ENCAPSULATE_DECAPSULATE", **members)


@pytest.mark.parametrize("size", sorted(CIPHERTEXT_BYTES))
def test_decapsulate_gives_the_secret_that_encapsulate_made(road: Road, size: int) -> None:
    key = kem_key(road, size)
    assert key["EncapsulationAlgorithms"] == ["ML_KEM"]
    answer = road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)
    assert answer == {
        "KeyId": key["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "SharedSecretCiphertextBlob": answer["SharedSecretCiphertextBlob"],
        "EncapsulationAlgorithm": "ML_KEM",
    }
    blob = answer["SharedSecretCiphertextBlob"]
    assert (len(decoded(answer["SharedSecret"])), len(decoded(blob))) == (32, CIPHERTEXT_BYTES[size])
    opened = road.call("Decapsulate", KeyId=key["KeyId"], SharedSecretCiphertextBlob=blob, **ML_KEM)
    assert opened == {
        "KeyId": key["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "EncapsulationAlgorithm": "ML_KEM",
    }
    again = road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)
    assert again["SharedSecret"] != answer["SharedSecret"]


@pytest.mark.parametrize("size", sorted(CIPHERTEXT_BYTES))
def test_what_another_implementation_encapsulates_under_the_public_key_is_decapsulated(
    road: Road, size: int
) -> None:
    key = kem_key(road, size)
    public = road.call("GetPublicKey", KeyId=key["KeyId"])
    assert (public["KeyUsage"], public["EncapsulationAlgorithms"]) == ("ENCAPSULATE_DECAPSULATE", ["ML_KEM"])
    public_key = decoded(public["PublicKey"])
    made = [tuple(reversed(OTHERS[size].encaps(public_key[PREFIX_BYTES:])))]
    if size != 512:
        reader: Any = load_der_public_key(public_key)
        made.append(reader.encapsulate())
    for secret, blob in made:
        opened = road.call(
            "Decapsulate", KeyId=key["KeyId"], SharedSecretCiphertextBlob=encoded(blob), **ML_KEM
        )
        assert decoded(opened["SharedSecret"]) == secret


@pytest.mark.parametrize("size", sorted(CIPHERTEXT_BYTES))
def test_decapsulate_of_a_changed_blob_or_under_another_key_gives_another_secret(
    road: Road, size: int
) -> None:
    """API reference: "In all other cases, Decapsulate returns a 32-byte pseudo-random value."."""
    key, other = kem_key(road, size), kem_key(road, size)
    answer = road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)
    blob = decoded(answer["SharedSecretCiphertextBlob"])
    changed = encoded(bytes([blob[0] ^ 1]) + blob[1:])
    rejected = [
        road.call("Decapsulate", KeyId=key["KeyId"], SharedSecretCiphertextBlob=changed, **ML_KEM)
        for _ in range(2)
    ]
    assert rejected[0] == rejected[1]
    stranger = road.call(
        "Decapsulate", KeyId=other["KeyId"], SharedSecretCiphertextBlob=encoded(blob), **ML_KEM
    )
    secrets = {answer["SharedSecret"], rejected[0]["SharedSecret"], stranger["SharedSecret"]}
    assert len(secrets) == 3
    assert {len(decoded(secret)) for secret in secrets} == {32}


@pytest.mark.parametrize("size", sorted(CIPHERTEXT_BYTES))
def test_decapsulate_of_a_blob_of_another_length_is_refused(road: Road, size: int) -> None:
    key = kem_key(road, size)
    blob = decoded(road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)["SharedSecretCiphertextBlob"])
    others = [bytes(length) for other, length in CIPHERTEXT_BYTES.items() if other != size]
    for wrong in (b"x", blob[:-1], blob + b"\x00", *others):
        request = {"KeyId": key["KeyId"], "SharedSecretCiphertextBlob": encoded(wrong), **ML_KEM}
        assert refused(road, "Decapsulate", **request) == INVALID_CIPHERTEXT
        assert refused(road, "Decapsulate", **request, DryRun=True) == INVALID_CIPHERTEXT


def test_members_out_of_range_are_refused(road: Road) -> None:
    named = {"KeyId": kem_key(road)["KeyId"]}
    assert refused(road, "Decapsulate", **named, **ML_KEM, SharedSecretCiphertextBlob="") == invalid(
        "sharedSecretCiphertextBlob", "Member must have length greater than or equal to 1"
    )
    for operation, more in (("Encapsulate", {}), ("Decapsulate", {"SharedSecretCiphertextBlob": TEXT})):
        code, message = refused(road, operation, **named, **more, EncapsulationAlgorithm="ML_KEM_768")
        assert code == "ValidationException"
        assert message is not None
        assert "at 'encapsulationAlgorithm' failed to satisfy constraint" in message


@pytest.mark.parametrize("operation", ["Encapsulate", "Decapsulate"])
def test_key_of_another_usage_is_refused(road: Road, operation: str) -> None:
    more = {"SharedSecretCiphertextBlob": TEXT} if operation == "Decapsulate" else {}
    for members in ({}, {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}):
        key = road.create_key(**members)
        assert refused(road, operation, KeyId=key["KeyId"], **ML_KEM, **more) == (
            "InvalidKeyUsageException",
            f"{key['Arn']} key usage is {key['KeyUsage']} which is not valid for {operation}.",
        )


@pytest.mark.parametrize("operation", ["Encapsulate", "Decapsulate"])
def test_states_policy_and_dry_run(road: Road, operation: str) -> None:
    key = kem_key(road)
    blob = road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)["SharedSecretCiphertextBlob"]
    more = {**ML_KEM, **({"SharedSecretCiphertextBlob": blob} if operation == "Decapsulate" else {})}
    assert refused(road, operation, KeyId=key["KeyId"], **more, DryRun=True) == DRY_RUN
    road.call("DisableKey", KeyId=key["KeyId"])
    disabled = ("DisabledException", f"{key['Arn']} is disabled.")
    assert refused(road, operation, KeyId=key["KeyId"], **more) == disabled
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    pending = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert refused(road, operation, KeyId=key["KeyId"], **more) == pending
    closed = kem_key(road, Policy=policy_for(["kms:GetPublicKey", "kms:PutKeyPolicy"]))
    assert refused(road, operation, KeyId=closed["KeyId"], **more) == denied(
        f"kms:{operation}", closed["Arn"]
    )


def test_record_names_key_and_algorithm_but_neither_secret_nor_blob(road: Road) -> None:
    """As CloudTrail's examples (Developer Guide, ct-encapsulate and ct-decapsulate)."""
    key = kem_key(road)
    answer = road.call("Encapsulate", KeyId=key["KeyId"], **ML_KEM)
    records = [road.last_record]
    blob = answer["SharedSecretCiphertextBlob"]
    road.call("Decapsulate", KeyId=key["KeyId"], SharedSecretCiphertextBlob=blob, **ML_KEM)
    for record in (*records, road.last_record):
        assert record["requestParameters"] == {"keyId": key["KeyId"], "encapsulationAlgorithm": "ML_KEM"}
        assert record["responseElements"] is None
        assert record["readOnly"] is True
        assert "additionalEventData" not in record
        assert answer["SharedSecret"] not in str(record)
        assert blob[:64] not in str(record)
