"""MACs, key agreement and key encapsulation with unmodified boto3 against a whole server."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)


def made(kms: Any, key_spec: str, key_usage: str) -> str:
    return str(kms.create_key(KeySpec=key_spec, KeyUsage=key_usage)["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize("size", [224, 256, 384, 512])
def test_mac_verifies_and_another_is_the_clients_own_error(kms: Any, size: int) -> None:
    named = {"KeyId": made(kms, f"HMAC_{size}", "GENERATE_VERIFY_MAC"), "MacAlgorithm": f"HMAC_SHA_{size}"}
    mac = kms.generate_mac(Message=b"message", **named)["Mac"]
    assert kms.verify_mac(Message=b"message", Mac=mac, **named)["MacValid"] is True
    with pytest.raises(kms.exceptions.KMSInvalidMacException):
        kms.verify_mac(Message=b"massage", Mac=mac, **named)
    with pytest.raises(kms.exceptions.DryRunOperationException):
        kms.generate_mac(Message=b"message", DryRun=True, **named)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_shared_secret_is_that_of_the_other_party(kms: Any, curve: ec.EllipticCurve) -> None:
    key_id = made(kms, f"ECC_NIST_P{curve.key_size}", "KEY_AGREEMENT")
    peer = ec.generate_private_key(curve)
    answer = kms.derive_shared_secret(
        KeyId=key_id,
        KeyAgreementAlgorithm="ECDH",
        PublicKey=peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )
    ours: Any = load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])
    assert answer["SharedSecret"] == peer.exchange(ec.ECDH(), ours)
    assert answer["KeyOrigin"] == "AWS_KMS"


@pytest.mark.parametrize("size", [512, 768, 1024])
def test_encapsulated_secret_is_decapsulated(kms: Any, size: int) -> None:
    named = {
        "KeyId": made(kms, f"ML_KEM_{size}", "ENCAPSULATE_DECAPSULATE"),
        "EncapsulationAlgorithm": "ML_KEM",
    }
    answer = kms.encapsulate(**named)
    blob = answer["SharedSecretCiphertextBlob"]
    assert kms.decapsulate(SharedSecretCiphertextBlob=blob, **named)["SharedSecret"] == answer["SharedSecret"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decapsulate(SharedSecretCiphertextBlob=blob[1:], **named)


def test_ml_kem_data_key_pair_opens_to_its_private_key(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    pair = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec="ML_KEM_1024")
    opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert opened == pair["PrivateKeyPlaintext"]
    assert load_der_private_key(opened, None).public_key() == load_der_public_key(pair["PublicKey"])
