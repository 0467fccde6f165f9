"""GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from asn1crypto.core import Any as AsnAny
from asn1crypto.core import OctetString, SequenceOf
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC, RSA
from Cryptodome.Signature import eddsa, pss
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from pqcrypto.kem import ml_kem_512
from tests.operations.road_requests import (
    answering,
    at_once,
    decoded,
    denied,
    error_code,
    policy_for,
    refused,
)
from tests.support.road import Road
from tests.support.sm2 import needs_sm2

PAIR, HIDDEN = "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"
SPECS = [
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "ECC_NIST_EDWARDS25519",
    pytest.param("SM2", marks=needs_sm2),
]
CONTEXT = {"app": "billing"}
INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


def public_half(private_key: bytes) -> bytes:
    """The public key of a PKCS #8 private key, as openssl sees it."""
    return subprocess.run(
        ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"],
        input=private_key,
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("spec", SPECS)
def test_pair_belongs_together_and_its_blob_opens_to_the_private_key(
    road: Road, key: dict[str, Any], spec: str
) -> None:
    answer = road.call(PAIR, KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext=CONTEXT)
    assert answer == {
        "KeyId": key["Arn"],
        "KeyPairSpec": spec,
        "KeyMaterialId": key["CurrentKeyMaterialId"],
        **{name: answer[name] for name in ("PublicKey", "PrivateKeyPlaintext", "PrivateKeyCiphertextBlob")},
    }
    private_key = decoded(answer["PrivateKeyPlaintext"])
    assert public_half(private_key) == decoded(answer["PublicKey"])
    blob = answer["PrivateKeyCiphertextBlob"]
    plain = road.call("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)
    assert plain["Plaintext"] == answer["PrivateKeyPlaintext"]
    assert plain["KeyId"] == key["Arn"]
    assert refused(road, "Decrypt", CiphertextBlob=blob) == INVALID_CIPHERTEXT


@pytest.mark.parametrize(
    "spec",
    ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519", pytest.param("SM2", marks=needs_sm2)],
)
def test_pair_without_plaintext_gives_the_private_key_only_to_who_may_decrypt(
    road: Road, key: dict[str, Any], spec: str
) -> None:
    answer = road.call(HIDDEN, KeyId=key["KeyId"], KeyPairSpec=spec)
    assert answer == {
        "KeyId": key["Arn"],
        "KeyPairSpec": spec,
        "KeyMaterialId": key["CurrentKeyMaterialId"],
        **{name: answer[name] for name in ("PublicKey", "PrivateKeyCiphertextBlob")},
    }
    plain = road.call("Decrypt", CiphertextBlob=answer["PrivateKeyCiphertextBlob"])
    assert public_half(decoded(plain["Plaintext"])) == decoded(answer["PublicKey"])


def test_pairs_sign_and_verify_in_another_implementation(road: Road, key: dict[str, Any]) -> None:
    pair = road.call(PAIR, KeyId=key["KeyId"], KeyPairSpec="RSA_2048")
    digest = SHA256.new(b"message")
    signature = pss.new(RSA.import_key(decoded(pair["PrivateKeyPlaintext"]))).sign(digest)
    pss.new(RSA.import_key(decoded(pair["PublicKey"]))).verify(digest, signature)
    pair = road.call(PAIR, KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_EDWARDS25519")
    private_key = ECC.import_key(decoded(pair["PrivateKeyPlaintext"]))
    signed = eddsa.new(private_key, "rfc8032").sign(b"message")
    eddsa.new(ECC.import_key(decoded(pair["PublicKey"])), "rfc8032").verify(b"message", signed)


def test_every_pair_is_another(road: Road, key: dict[str, Any]) -> None:
    pairs = [road.call(HIDDEN, KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256") for _ in range(5)]
    assert len({pair["PublicKey"] for pair in pairs}) == 5


@pytest.mark.parametrize("operation", [PAIR, HIDDEN])
def test_spec_that_aws_has_not_is_refused(road: Road, key: dict[str, Any], operation: str) -> None:
    code, message = refused(road, operation, KeyId=key["KeyId"], KeyPairSpec="ML_DSA_44")
    assert code == "ValidationException"
    assert message is not None
    assert "at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set" in message


@pytest.mark.parametrize("operation", [PAIR, HIDDEN])
def test_key_of_another_kind_is_refused(road: Road, operation: str) -> None:
    rsa = road.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    signing = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    assert refused(road, operation, KeyId=rsa["KeyId"], KeyPairSpec="ECC_NIST_P256") == (
        "InvalidKeyUsageException",
        "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.",
    )
    assert refused(road, operation, KeyId=signing["KeyId"], KeyPairSpec="ECC_NIST_P256") == (
        "InvalidKeyUsageException",
        f"{signing['Arn']} key usage is SIGN_VERIFY which is not valid for {operation}.",
    )


@pytest.mark.parametrize("operation", [PAIR, HIDDEN])
def test_each_of_the_two_needs_its_own_permission(road: Road, operation: str) -> None:
    other = HIDDEN if operation == PAIR else PAIR
    key = road.create_key(Policy=policy_for([f"kms:{other}", "kms:PutKeyPolicy"]))
    assert refused(road, operation, KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256") == denied(
        f"kms:{operation}", key["Arn"]
    )
    road.call(other, KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256")


@pytest.mark.parametrize("operation", [PAIR, HIDDEN])
def test_dry_run_makes_nothing(road: Road, key: dict[str, Any], operation: str) -> None:
    assert refused(road, operation, KeyId=key["KeyId"], KeyPairSpec="RSA_4096", DryRun=True) == (
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )


@pytest.mark.parametrize("operation", [PAIR, HIDDEN])
def test_record_names_spec_and_context_and_shows_no_key(
    road: Road, key: dict[str, Any], operation: str
) -> None:
    request = {"KeyId": key["KeyId"], "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": CONTEXT}
    answer = road.call(operation, **request)
    record = road.last_record
    assert record["requestParameters"] == {
        "keyId": key["KeyId"],
        "keyPairSpec": "ECC_NIST_P256",
        "encryptionContext": CONTEXT,
    }
    assert record["responseElements"] is None
    assert record["readOnly"] is True
    assert record["additionalEventData"] == {"keyMaterialId": key["CurrentKeyMaterialId"]}
    for name in ("PublicKey", "PrivateKeyPlaintext", "PrivateKeyCiphertextBlob"):
        assert answer.get(name, "nowhere") not in str(record)


def test_more_slow_pairs_at_once_than_can_be_made_are_throttled_and_nothing_else(
    road: Road, key: dict[str, Any]
) -> None:
    request = {"KeyId": key["KeyId"], "KeyPairSpec": "RSA_2048"}
    answers = at_once(road, *(answering(road, HIDDEN, **request) for _ in range(40)))
    codes = [error_code(answer) for answer in answers]
    assert set(codes) == {None, "ThrottlingException"}
    assert codes.count(None) >= 18
    road.call(HIDDEN, **request)


@pytest.mark.parametrize("spec", ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"])
def test_ml_kem_pair_decapsulates_in_another_implementation(
    road: Road, key: dict[str, Any], spec: str
) -> None:
    """The private key is PKCS #8 as RFC 9935 has it: the seed, or of ML_KEM_512 the expanded key."""
    answer = road.call(PAIR, KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext=CONTEXT)
    blob = answer["PrivateKeyCiphertextBlob"]
    opened = road.call("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"]
    assert opened == answer["PrivateKeyPlaintext"]
    private_key, public_key = decoded(opened), decoded(answer["PublicKey"])
    if spec == "ML_KEM_512":
        info = SequenceOf(spec=AsnAny).load(private_key, strict=True)
        version, algorithm, octets = (info[number] for number in range(3))
        assert (version.native, algorithm.contents.hex()) == (0, "0609608648016503040401")
        expanded = OctetString.load(octets.native, strict=True).native
        ciphertext, secret = ml_kem_512.encaps(public_key[22:])
        assert ml_kem_512.decaps(expanded, ciphertext) == secret
        return
    private: Any = load_der_private_key(private_key, None)
    public: Any = load_der_public_key(public_key)
    secret, ciphertext = public.encapsulate()
    assert private.decapsulate(ciphertext) == secret
