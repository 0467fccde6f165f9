"""SM2 keys through the API, with openssl as the other side."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.operations.multi_region_keys import primary_key, replicate
from tests.operations.road_requests import OTHER_REGION, TEXT, decoded, encoded, refused
from tests.support.key_imports import external_key, import_material
from tests.support.road import Road
from tests.support.sm2 import (
    needs_sm2,
    openssl_decrypts,
    openssl_encrypts,
    openssl_key,
    openssl_signs,
    openssl_verifies,
)

pytestmark = needs_sm2
SM2PKE, OAEP = "SM2PKE", "RSAES_OAEP_SHA_256"
INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)
INVALID_SIGNATURE = ("KMSInvalidSignatureException", None)

_keys: dict[str, dict[str, Any]] = {}


def key_of(road: Road, usage: str) -> dict[str, Any]:
    if usage not in _keys:
        _keys[usage] = road.create_key(KeySpec="SM2", KeyUsage=usage)
    return _keys[usage]


def public_key_of(road: Road, key: dict[str, Any]) -> bytes:
    return decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"])


def seal(road: Road, key: dict[str, Any], plaintext: bytes, algorithm: str = SM2PKE) -> str:
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": algorithm}
    blob: str = road.call("Encrypt", **request, Plaintext=encoded(plaintext))["CiphertextBlob"]
    return blob


@pytest.mark.parametrize(
    ("usage", "algorithms"),
    [
        ("SIGN_VERIFY", {"SigningAlgorithms": ["SM2DSA"]}),
        ("ENCRYPT_DECRYPT", {"EncryptionAlgorithms": ["SM2PKE"]}),
        ("KEY_AGREEMENT", {"KeyAgreementAlgorithms": ["ECDH"]}),
    ],
)
def test_create_key_names_the_algorithm_of_its_usage(
    road: Road, usage: str, algorithms: dict[str, list[str]]
) -> None:
    key = road.create_key(KeySpec="SM2", KeyUsage=usage)
    assert (key["KeySpec"], key["CustomerMasterKeySpec"], key["KeyUsage"]) == ("SM2", "SM2", usage)
    assert {name: key[name] for name in key if name.endswith("Algorithms")} == algorithms
    assert road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"] == key
    assert road.create_key(CustomerMasterKeySpec="SM2", KeyUsage=usage)["KeySpec"] == "SM2"


def test_sm2_for_macs_or_without_a_usage_is_refused(road: Road) -> None:
    assert refused(road, "CreateKey", KeySpec="SM2")[0] == "ValidationException"
    for usage in ("GENERATE_VERIFY_MAC", "ENCAPSULATE_DECAPSULATE"):
        assert refused(road, "CreateKey", KeySpec="SM2", KeyUsage=usage) == (
            "ValidationException",
            f"KeyUsage {usage} is not compatible with KeySpec SM2",
        )


# ---------------------------------------------------------------- SM2DSA


def test_signature_verifies_in_openssl_under_the_default_id_and_theirs_here(
    road: Road, tmp_path: Path
) -> None:
    key = external_key(road, KeySpec="SM2", KeyUsage="SIGN_VERIFY")
    import_material(road, key, openssl_key(tmp_path), OAEP)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "SM2DSA"}
    signature = decoded(road.call("Sign", **request)["Signature"])
    assert openssl_verifies(tmp_path, public_key_of(road, key), b"text", signature)
    theirs = encoded(openssl_signs(tmp_path, "key", b"text"))
    assert road.call("Verify", **request, Signature=theirs)["SignatureValid"] is True
    for wrong in (theirs[:-4], encoded(decoded(theirs) + b"\0"), TEXT, encoded(bytes(72))):
        assert refused(road, "Verify", **request, Signature=wrong) == INVALID_SIGNATURE


def test_digest_with_another_distinguishing_id_verifies_in_openssl_under_that_id(
    road: Road, tmp_path: Path
) -> None:
    """Developer Guide: "if you are generating a message digest outside of AWS, you can specify your own"."""
    key = key_of(road, "SIGN_VERIFY")
    public_key, own_id = public_key_of(road, key), "ALICE123@YAHOO.COM"
    curve = (
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
    )
    bits = (len(own_id) * 8).to_bytes(2, "big")
    za = sm3(bits + own_id.encode() + bytes.fromhex(curve) + public_key[-64:])
    request = {"KeyId": key["KeyId"], "MessageType": "DIGEST", "SigningAlgorithm": "SM2DSA"}
    digest = encoded(sm3(za + b"text"))
    signature = road.call("Sign", **request, Message=digest)["Signature"]
    assert road.call("Verify", **request, Message=digest, Signature=signature)["SignatureValid"] is True
    assert openssl_verifies(tmp_path, public_key, b"text", decoded(signature), own_id)
    assert not openssl_verifies(tmp_path, public_key, b"text", decoded(signature))
    raw = {**request, "MessageType": "RAW", "Message": TEXT}
    assert refused(road, "Verify", **raw, Signature=signature) == INVALID_SIGNATURE


def sm3(message: bytes) -> bytes:
    done = subprocess.run(
        ["openssl", "dgst", "-sm3", "-binary"], input=message, capture_output=True, check=True
    )
    return done.stdout


# ---------------------------------------------------------------- SM2PKE


def test_ciphertext_opens_in_openssl_and_theirs_here(road: Road, tmp_path: Path) -> None:
    key = external_key(road, KeySpec="SM2", KeyUsage="ENCRYPT_DECRYPT")
    import_material(road, key, openssl_key(tmp_path), OAEP)
    assert openssl_decrypts(tmp_path, "key", decoded(seal(road, key, b"text"))) == b"text"
    theirs = encoded(openssl_encrypts(tmp_path, public_key_of(road, key), b"made by openssl"))
    request = {"KeyId": key["KeyId"], "CiphertextBlob": theirs, "EncryptionAlgorithm": SM2PKE}
    assert road.call("Decrypt", **request) == {
        "KeyId": key["Arn"],
        "Plaintext": encoded(b"made by openssl"),
        "EncryptionAlgorithm": SM2PKE,
    }


def test_plaintext_of_1024_bytes_opens_and_a_longer_one_is_refused(road: Road) -> None:
    key = key_of(road, "ENCRYPT_DECRYPT")
    plaintext = bytes(index % 251 for index in range(1024))
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SM2PKE}
    opened = road.call("Decrypt", **request, CiphertextBlob=seal(road, key, plaintext))
    assert decoded(opened["Plaintext"]) == plaintext
    for size in (1025, 4096):
        assert refused(road, "Encrypt", **request, Plaintext=encoded(bytes(size))) == (
            "ValidationException",
            "Algorithm SM2PKE and key spec SM2 cannot encrypt data larger than 1024 bytes.",
        )


def test_decrypt_of_anything_else_is_refused_alike(road: Road) -> None:
    key, other = key_of(road, "ENCRYPT_DECRYPT"), road.create_key(KeySpec="SM2", KeyUsage="ENCRYPT_DECRYPT")
    blob = decoded(seal(road, key, b"text"))
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SM2PKE}
    damaged = blob[:-1] + bytes([blob[-1] ^ 1])
    for wrong in (
        damaged,
        blob[:-1],
        blob + b"x",
        b"x",
        bytes(256),
        b"0" * 6144,
        decoded(seal(road, other, b"text")),
    ):
        assert refused(road, "Decrypt", **request, CiphertextBlob=encoded(wrong)) == INVALID_CIPHERTEXT
    request["EncryptionAlgorithm"] = OAEP
    assert refused(road, "Decrypt", **request, CiphertextBlob=encoded(blob)) == (
        "InvalidKeyUsageException",
        f"Algorithm {OAEP} is incompatible with key spec SM2.",
    )


def test_re_encrypt_goes_to_and_from_every_kind_of_key(road: Road) -> None:
    sm2, symmetric = key_of(road, "ENCRYPT_DECRYPT"), road.create_key()
    rsa = road.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    kinds = [(sm2, SM2PKE), (symmetric, "SYMMETRIC_DEFAULT"), (rsa, OAEP)]
    for source, source_algorithm in kinds:
        for destination, algorithm in kinds:
            answer = road.call(
                "ReEncrypt",
                CiphertextBlob=seal(road, source, b"text", source_algorithm),
                SourceKeyId=source["KeyId"],
                SourceEncryptionAlgorithm=source_algorithm,
                DestinationKeyId=destination["KeyId"],
                DestinationEncryptionAlgorithm=algorithm,
            )
            opened = road.call(
                "Decrypt",
                KeyId=destination["KeyId"],
                CiphertextBlob=answer["CiphertextBlob"],
                EncryptionAlgorithm=algorithm,
            )
            assert opened["Plaintext"] == TEXT


def test_re_encrypt_of_more_than_an_sm2_key_takes_or_of_nothing_is_refused(road: Road) -> None:
    sm2, symmetric = key_of(road, "ENCRYPT_DECRYPT"), road.create_key()
    rsa = road.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    to_sm2 = {"DestinationKeyId": sm2["KeyId"], "DestinationEncryptionAlgorithm": SM2PKE}
    long = seal(road, symmetric, bytes(1025), "SYMMETRIC_DEFAULT")
    assert refused(road, "ReEncrypt", CiphertextBlob=long, **to_sm2) == (
        "ValidationException",
        "Algorithm SM2PKE and key spec SM2 cannot encrypt data larger than 1024 bytes.",
    )
    nothing = encoded(rsa_encrypted(public_key_of(road, rsa), b""))
    source = {"SourceKeyId": rsa["KeyId"], "SourceEncryptionAlgorithm": OAEP}
    assert refused(road, "ReEncrypt", CiphertextBlob=nothing, **source, **to_sm2) == INVALID_CIPHERTEXT


def rsa_encrypted(public_key: bytes, plaintext: bytes) -> bytes:
    from Cryptodome.Cipher import PKCS1_OAEP
    from Cryptodome.Hash import SHA256
    from Cryptodome.PublicKey import RSA

    return PKCS1_OAEP.new(RSA.import_key(public_key), SHA256).encrypt(plaintext)


# ---------------------------------------------------------------- key agreement, data key pairs, Regions


def test_two_keys_agree_and_a_key_of_another_curve_is_refused(road: Road) -> None:
    one, two = key_of(road, "KEY_AGREEMENT"), road.create_key(KeySpec="SM2", KeyUsage="KEY_AGREEMENT")
    request = {"KeyId": one["KeyId"], "KeyAgreementAlgorithm": "ECDH"}
    answer = road.call("DeriveSharedSecret", **request, PublicKey=encoded(public_key_of(road, two)))
    assert answer == {
        "KeyId": one["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }
    assert len(decoded(answer["SharedSecret"])) == 32
    back = {"KeyId": two["KeyId"], "KeyAgreementAlgorithm": "ECDH"}
    other_way = road.call("DeriveSharedSecret", **back, PublicKey=encoded(public_key_of(road, one)))
    assert other_way["SharedSecret"] == answer["SharedSecret"]
    p256 = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    wrong = encoded(public_key_of(road, p256))
    assert refused(road, "DeriveSharedSecret", **request, PublicKey=wrong) == ("ValidationException", None)


def test_data_key_pair_signs_in_openssl(road: Road, tmp_path: Path) -> None:
    symmetric = road.create_key()
    pair = road.call("GenerateDataKeyPair", KeyId=symmetric["KeyId"], KeyPairSpec="SM2")
    (tmp_path / "key.der").write_bytes(decoded(pair["PrivateKeyPlaintext"]))
    subprocess.run(
        ["openssl", "pkey", "-inform", "DER", "-in", "key.der", "-out", "key.pem"], cwd=tmp_path, check=True
    )
    signature = openssl_signs(tmp_path, "key", b"message")
    assert openssl_verifies(tmp_path, decoded(pair["PublicKey"]), b"message", signature)


def test_replica_signs_and_decrypts_as_its_primary(road: Road) -> None:
    key = primary_key(road, KeySpec="SM2", KeyUsage="SIGN_VERIFY")
    replicate(road, key)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "SM2DSA"}
    signature = road.call("Sign", region=OTHER_REGION, **request)["Signature"]
    assert road.call("Verify", **request, Signature=signature)["SignatureValid"] is True


# ---------------------------------------------------------------- import


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])
@pytest.mark.parametrize("usage", ["SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"])
def test_imported_key_pair_gives_the_public_key_of_its_material(
    road: Road, tmp_path: Path, usage: str, algorithm: str
) -> None:
    key = external_key(road, KeySpec="SM2", KeyUsage=usage)
    import_material(road, key, openssl_key(tmp_path), algorithm)
    done = subprocess.run(
        ["openssl", "pkey", "-in", "key.pem", "-pubout", "-outform", "DER"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert public_key_of(road, key) == done.stdout


def test_sm2_wrapping_key_is_one_and_another_each_time(road: Road) -> None:
    key = external_key(road, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    request = {"KeyId": key["KeyId"], "WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"}
    first, second = (road.call("GetParametersForImport", **request) for _ in range(2))
    assert first["PublicKey"] != second["PublicKey"]
    assert len(decoded(first["PublicKey"])) == 91
    assert len(decoded(first["ImportToken"])) < 512
