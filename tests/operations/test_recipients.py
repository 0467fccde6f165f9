"""Recipient: what an attested request gets is sealed for the enclave, and nobody else is told any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from tests.operations.road_requests import decoded, disabled_key, encoded, invalid, policy_for, refused
from tests.support.attestation import MODULE_ID, Enclave, certify, new_enclave
from tests.support.enveloped_data import parse_enveloped_data
from tests.support.road import Road

from strongroom.operations.table import KMS_OPERATIONS

SECRET = b"for the enclave alone"
CONTEXT = {"purpose": "enclave"}
NO_ROOTS = (
    "ValidationException",
    "Recipient cannot be used: this server trusts no root of attestation documents.",
)
NOT_VALID = ("ValidationException", "The attestation document in the request is not valid.")


@pytest.fixture(scope="module")
def enclave() -> Enclave:
    return new_enclave()


@pytest.fixture(scope="module")
def attested(tmp_path_factory: pytest.TempPathFactory, enclave: Enclave) -> Iterator[Road]:
    """A road that trusts one root, by the label TEST."""
    with Road(tmp_path_factory.mktemp("attested"), attestation_roots={"TEST": enclave.root.pem}) as road:
        yield road


@pytest.fixture
def key(attested: Road) -> dict[str, Any]:
    return attested.create_key()


def recipient(road: Road, enclave: Enclave, **changed: Any) -> dict[str, str]:
    return {
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": encoded(enclave.document(road.clock.now(), **changed)),
    }


def opened(enclave: Enclave, answer: dict[str, Any]) -> bytes:
    return parse_enveloped_data(decoded(answer["CiphertextForRecipient"])).open(enclave.rsa_key)


def test_decrypt_for_a_recipient_seals_the_plaintext(
    attested: Road, key: dict[str, Any], enclave: Enclave
) -> None:
    sealed = attested.call(
        "Encrypt", KeyId=key["KeyId"], Plaintext=encoded(SECRET), EncryptionContext=CONTEXT
    )
    answer = attested.call(
        "Decrypt",
        CiphertextBlob=sealed["CiphertextBlob"],
        EncryptionContext=CONTEXT,
        Recipient=recipient(attested, enclave),
    )
    assert answer.keys() == {"KeyId", "EncryptionAlgorithm", "CiphertextForRecipient"}
    assert (answer["KeyId"], answer["EncryptionAlgorithm"]) == (key["Arn"], "SYMMETRIC_DEFAULT")
    assert opened(enclave, answer) == SECRET
    assert refused(
        attested,
        "Decrypt",
        CiphertextBlob=sealed["CiphertextBlob"],
        EncryptionContext={"purpose": "other"},
        Recipient=recipient(attested, enclave),
    ) == ("InvalidCiphertextException", None)


def test_decrypt_for_a_recipient_opens_asymmetric_ciphertexts(attested: Road, enclave: Enclave) -> None:
    pair = attested.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    algorithm = {"KeyId": pair["KeyId"], "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    sealed = attested.call("Encrypt", Plaintext=encoded(SECRET), **algorithm)
    answer = attested.call(
        "Decrypt",
        CiphertextBlob=sealed["CiphertextBlob"],
        Recipient=recipient(attested, enclave),
        **algorithm,
    )
    assert answer.keys() == {"KeyId", "EncryptionAlgorithm", "CiphertextForRecipient"}
    assert opened(enclave, answer) == SECRET


def test_generate_data_key_for_a_recipient_seals_what_the_blob_holds(
    attested: Road, key: dict[str, Any], enclave: Enclave
) -> None:
    answer = attested.call(
        "GenerateDataKey", KeyId=key["KeyId"], NumberOfBytes=40, Recipient=recipient(attested, enclave)
    )
    assert answer.keys() == {"KeyId", "CiphertextBlob", "CiphertextForRecipient"}
    data_key = opened(enclave, answer)
    assert len(data_key) == 40
    plain = attested.call("Decrypt", CiphertextBlob=answer["CiphertextBlob"])
    assert decoded(plain["Plaintext"]) == data_key


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
def test_generate_data_key_pair_for_a_recipient_seals_the_private_key(
    attested: Road, key: dict[str, Any], enclave: Enclave, spec: str
) -> None:
    answer = attested.call(
        "GenerateDataKeyPair",
        KeyId=key["KeyId"],
        KeyPairSpec=spec,
        Recipient=recipient(attested, enclave),
    )
    assert answer.keys() == {
        "KeyId",
        "KeyPairSpec",
        "PublicKey",
        "PrivateKeyCiphertextBlob",
        "CiphertextForRecipient",
    }
    private_key = opened(enclave, answer)
    plain = attested.call("Decrypt", CiphertextBlob=answer["PrivateKeyCiphertextBlob"])
    assert decoded(plain["Plaintext"]) == private_key
    public_key = load_der_private_key(private_key, None).public_key()
    assert public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == decoded(
        answer["PublicKey"]
    )


def peer() -> str:
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return encoded(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def agreement_key(road: Road) -> dict[str, Any]:
    return road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")


def test_derive_shared_secret_for_a_recipient_seals_it(attested: Road, enclave: Enclave) -> None:
    mine = agreement_key(attested)
    named = {"KeyId": mine["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer()}
    answer = attested.call("DeriveSharedSecret", **named, Recipient=recipient(attested, enclave))
    assert answer.keys() == {"KeyId", "CiphertextForRecipient", "KeyAgreementAlgorithm", "KeyOrigin"}
    plain = attested.call("DeriveSharedSecret", **named)
    assert opened(enclave, answer) == decoded(plain["SharedSecret"])
    broken = {**named, "PublicKey": encoded(b"no public key"), "Recipient": recipient(attested, enclave)}
    sealed = refused(attested, "DeriveSharedSecret", **broken)
    del broken["Recipient"]
    assert sealed == refused(attested, "DeriveSharedSecret", **broken)


def test_generate_random_for_a_recipient_seals_it(attested: Road, enclave: Enclave) -> None:
    answers = [
        attested.call("GenerateRandom", NumberOfBytes=1024, Recipient=recipient(attested, enclave))
        for _ in range(2)
    ]
    assert all(answer.keys() == {"CiphertextForRecipient"} for answer in answers)
    first, second = (opened(enclave, answer) for answer in answers)
    assert len(first) == len(second) == 1024
    assert first != second


REQUESTS: dict[str, dict[str, Any]] = {
    "Decrypt": {"CiphertextBlob": ""},
    "DeriveSharedSecret": {"KeyAgreementAlgorithm": "ECDH"},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateRandom": {"NumberOfBytes": 32},
}


def request_for(road: Road, operation: str, key: dict[str, Any]) -> dict[str, Any]:
    members = dict(REQUESTS[operation])
    if operation == "Decrypt":
        sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=encoded(SECRET))
        members["CiphertextBlob"] = sealed["CiphertextBlob"]
    if operation == "DeriveSharedSecret":
        key = agreement_key(road)
        members["PublicKey"] = peer()
    if operation != "GenerateRandom":
        members["KeyId"] = key["KeyId"]
    return members


def test_every_built_operation_with_a_recipient_is_tested_here() -> None:
    taking = {
        name for name, operation in KMS_OPERATIONS.items() if "recipient" in operation.input.__struct_fields__
    }
    assert taking == REQUESTS.keys()


@pytest.mark.parametrize("operation", REQUESTS)
def test_recipient_without_configured_roots_is_refused(road: Road, enclave: Enclave, operation: str) -> None:
    members = request_for(road, operation, road.create_key())
    assert refused(road, operation, **members, Recipient=recipient(road, enclave)) == NO_ROOTS
    if operation != "GenerateRandom":
        assert (
            refused(road, operation, **members, DryRun=True, Recipient=recipient(road, enclave)) == NO_ROOTS
        )


@pytest.mark.parametrize("operation", REQUESTS)
def test_recipient_that_is_not_attested_is_refused(
    attested: Road, key: dict[str, Any], enclave: Enclave, operation: str
) -> None:
    members = request_for(attested, operation, key)
    known = "RSAES_OAEP_SHA_256"
    for document in (
        b"x",
        bytes(262_144),
        new_enclave().document(attested.clock.now()),
        enclave.document(attested.clock.now(), public_key=...),
        enclave.document(attested.clock.now() - timedelta(minutes=6)),
        enclave.document(attested.clock.now() + timedelta(minutes=6)),
    ):
        info = {"KeyEncryptionAlgorithm": known, "AttestationDocument": encoded(document)}
        assert refused(attested, operation, **members, Recipient=info) == NOT_VALID
    whole = recipient(attested, enclave)
    for member in whole:
        lacking = {name: value for name, value in whole.items() if name != member}
        camel = member[0].lower() + member[1:]
        assert refused(attested, operation, **members, Recipient=lacking) == invalid(
            f"recipient.{camel}", "Member must not be null", " null"
        )
    empty = {**whole, "AttestationDocument": ""}
    assert refused(attested, operation, **members, Recipient=empty)[0] == "ValidationException"
    longer = {**whole, "AttestationDocument": encoded(bytes(262_145))}
    assert refused(attested, operation, **members, Recipient=longer)[0] == "ValidationException"
    other = {**whole, "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_1"}
    code, message = refused(attested, operation, **members, Recipient=other)
    assert code == "ValidationException"
    assert message is not None
    assert "recipient.keyEncryptionAlgorithm" in message


def test_document_is_judged_by_the_clock_of_the_service(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = certify("TEST", None)
    moved = new_enclave(root)
    with Road(tmp_path_factory.mktemp("moved"), attestation_roots={"TEST": root.pem}) as road:
        whole = recipient(road, moved)
        road.clock.advance(301)
        assert refused(road, "GenerateRandom", NumberOfBytes=8, Recipient=whole) == NOT_VALID
        road.call("GenerateRandom", NumberOfBytes=8, Recipient=recipient(road, moved))
        road.clock.advance(4000 * 86_400)  # the certificates live ten years
        fresh = recipient(road, moved)
        assert refused(road, "GenerateRandom", NumberOfBytes=8, Recipient=fresh) == NOT_VALID


def test_recipient_is_refused_before_the_key_is_looked_up_and_access_after(
    attested: Road, enclave: Enclave
) -> None:
    denied_key = attested.create_key(
        Policy=policy_for("kms:PutKeyPolicy"), BypassPolicyLockoutSafetyCheck=True
    )
    named = {"KeyId": denied_key["KeyId"], "KeySpec": "AES_256"}
    bad = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "YQ=="}
    assert refused(attested, "GenerateDataKey", **named, Recipient=bad) == NOT_VALID
    code, _ = refused(attested, "GenerateDataKey", **named, Recipient=recipient(attested, enclave))
    assert code == "AccessDeniedException"
    assert attested.last_record["additionalEventData"]["recipient"]["attestationRoot"] == "TEST"
    disabled = disabled_key(attested)
    named = {"KeyId": disabled["KeyId"], "KeySpec": "AES_256"}
    code, _ = refused(attested, "GenerateDataKey", **named, Recipient=recipient(attested, enclave))
    assert code == "DisabledException"


def test_dry_run_with_a_recipient_is_checked_and_carried_out_no_further(
    attested: Road, key: dict[str, Any], enclave: Enclave
) -> None:
    for operation in ("Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair"):
        members = request_for(attested, operation, key)
        code, _ = refused(attested, operation, **members, DryRun=True, Recipient=recipient(attested, enclave))
        assert code == "DryRunOperationException"


@pytest.mark.parametrize("operation", REQUESTS)
def test_record_tells_what_was_attested_and_by_which_root(
    attested: Road, key: dict[str, Any], enclave: Enclave, operation: str
) -> None:
    members = request_for(attested, operation, key)
    answer = attested.call(operation, **members, Recipient=recipient(attested, enclave))
    record = attested.last_record
    assert record["additionalEventData"] == {
        "recipient": {
            "attestationDocumentModuleId": MODULE_ID,
            "attestationDocumentEnclaveImageDigest": "01" * 48,
            "attestationDocumentEnclavePCR1": "02" * 48,
            "attestationDocumentEnclavePCR2": "03" * 48,
            "attestationDocumentEnclavePCR3": "04" * 48,
            "attestationDocumentEnclavePCR4": "05" * 48,
            "attestationDocumentEnclavePCR8": "09" * 48,
            "attestationRoot": "TEST",
        }
    }
    text = json.dumps(record)
    assert answer["CiphertextForRecipient"] not in text
    assert 'attestationDocument"' not in text


def test_record_without_a_recipient_names_none(attested: Road, key: dict[str, Any]) -> None:
    attested.call("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256")
    assert attested.last_record["additionalEventData"] == {"keyMaterialId": key["CurrentKeyMaterialId"]}
