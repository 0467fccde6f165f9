"""Encrypt, Decrypt and ReEncrypt with RSA keys."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.Hash import SHA1, SHA256
from Cryptodome.PublicKey import RSA
from tests.operations.road_requests import TEXT, decoded, encoded, refused
from tests.support.road import Road

SHA_1, SHA_256 = "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"
LIMITS = [
    ("RSA_2048", SHA_1, 214),
    ("RSA_2048", SHA_256, 190),
    ("RSA_3072", SHA_1, 342),
    ("RSA_3072", SHA_256, 318),
    ("RSA_4096", SHA_1, 470),
    ("RSA_4096", SHA_256, 446),
]
"""Recorded answers of AWS."""
INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)
INCORRECT_KEY = (
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
)
NO_CONTEXT = (
    "ValidationException",
    "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.",
)
CONTEXT = {"app": "billing"}

_keys: dict[str, dict[str, Any]] = {}


def key_of(road: Road, spec: str = "RSA_2048") -> dict[str, Any]:
    if spec not in _keys:
        _keys[spec] = road.create_key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")
    return _keys[spec]


def seal(road: Road, key: dict[str, Any], plaintext: bytes, algorithm: str | None = SHA_256) -> str:
    more = {} if algorithm is None else {"EncryptionAlgorithm": algorithm}
    text: str = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=encoded(plaintext), **more)[
        "CiphertextBlob"
    ]
    return text


def opened(road: Road, key: dict[str, Any], blob: str, algorithm: str) -> bytes:
    answer = road.call("Decrypt", KeyId=key["KeyId"], CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
    return decoded(answer["Plaintext"])


def incompatible(algorithm: str, spec: str) -> tuple[str, str]:
    return ("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec}.")


# ---------------------------------------------------------------- Encrypt and Decrypt


def test_answers_have_the_members_of_aws_and_no_others(road: Road) -> None:
    key = key_of(road)
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SHA_256}
    sealed = road.call("Encrypt", **request, Plaintext=TEXT)
    assert sealed == {
        "CiphertextBlob": sealed["CiphertextBlob"],
        "KeyId": key["Arn"],
        "EncryptionAlgorithm": SHA_256,
    }
    assert len(decoded(sealed["CiphertextBlob"])) == 256
    assert road.call("Decrypt", **request, CiphertextBlob=sealed["CiphertextBlob"]) == {
        "KeyId": key["Arn"],
        "Plaintext": TEXT,
        "EncryptionAlgorithm": SHA_256,
    }


@pytest.mark.parametrize(("spec", "algorithm", "longest"), LIMITS)
def test_plaintext_of_the_longest_length_opens_and_a_longer_one_is_refused(
    road: Road, spec: str, algorithm: str, longest: int
) -> None:
    key = key_of(road, spec)
    plaintext = bytes(index % 251 for index in range(longest))
    assert opened(road, key, seal(road, key, plaintext, algorithm), algorithm) == plaintext
    for size in (longest + 1, 4096):
        request = {"KeyId": key["KeyId"], "Plaintext": encoded(bytes(size)), "EncryptionAlgorithm": algorithm}
        assert refused(road, "Encrypt", **request) == (
            "ValidationException",
            f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {longest} bytes.",
        )


@pytest.mark.parametrize(("algorithm", "digest"), [(SHA_1, SHA1), (SHA_256, SHA256)])
def test_decrypt_opens_what_was_encrypted_outside_under_the_public_key(
    road: Road, algorithm: str, digest: Any
) -> None:
    key = key_of(road)
    public_key = RSA.import_key(decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"]))
    blob = encoded(PKCS1_OAEP.new(public_key, digest).encrypt(b"made elsewhere"))
    assert opened(road, key, blob, algorithm) == b"made elsewhere"


@pytest.mark.parametrize(("algorithm", "digest"), [(SHA_1, "sha1"), (SHA_256, "sha256")])
def test_decrypt_opens_what_openssl_encrypted(
    road: Road, algorithm: str, digest: str, tmp_path: Path
) -> None:
    key = key_of(road)
    (tmp_path / "key").write_bytes(decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"]))
    options = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{digest}"]
    made = subprocess.run(
        ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "key", "-keyform", "DER"]
        + [part for option in options for part in ("-pkeyopt", option)],
        input=b"made by openssl",
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert opened(road, key, encoded(made.stdout), algorithm) == b"made by openssl"


def test_encrypt_without_the_algorithm_is_refused(road: Road) -> None:
    key = key_of(road)
    request = {"KeyId": key["KeyId"], "Plaintext": TEXT}
    assert refused(road, "Encrypt", **request) == incompatible("SYMMETRIC_DEFAULT", "RSA_2048")
    for algorithm in ("SYMMETRIC_DEFAULT", "SM2PKE"):
        assert refused(road, "Encrypt", **request, EncryptionAlgorithm=algorithm) == incompatible(
            algorithm, "RSA_2048"
        )


def test_decrypt_without_the_algorithm_or_the_key_id_is_refused(road: Road) -> None:
    key = key_of(road)
    blob = seal(road, key, b"text")
    assert refused(road, "Decrypt", KeyId=key["KeyId"], CiphertextBlob=blob) == INVALID_CIPHERTEXT
    assert refused(road, "Decrypt", CiphertextBlob=blob, EncryptionAlgorithm=SHA_256) == INVALID_CIPHERTEXT
    assert refused(road, "Decrypt", CiphertextBlob=blob) == INVALID_CIPHERTEXT


def test_decrypt_of_anything_else_is_refused_alike(road: Road) -> None:
    key, other = key_of(road), road.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    blob = decoded(seal(road, key, b"text"))
    damaged = bytes([blob[0], blob[1] ^ 1]) + blob[2:]
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SHA_256}
    for wrong in (damaged, blob[:-1], blob + b"x", b"x", bytes(256), b"\xff" * 256):
        assert refused(road, "Decrypt", **request, CiphertextBlob=encoded(wrong)) == INVALID_CIPHERTEXT
    request["EncryptionAlgorithm"] = SHA_1
    assert refused(road, "Decrypt", **request, CiphertextBlob=encoded(blob)) == INVALID_CIPHERTEXT
    request = {"KeyId": other["KeyId"], "EncryptionAlgorithm": SHA_256}
    assert refused(road, "Decrypt", **request, CiphertextBlob=encoded(blob)) == INVALID_CIPHERTEXT


def test_decrypt_with_the_wrong_kind_of_key_is_refused(road: Road) -> None:
    rsa, symmetric = key_of(road), road.create_key()
    signing = road.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    of_rsa, of_symmetric = seal(road, rsa, b"text"), seal(road, symmetric, b"text", None)
    assert refused(road, "Decrypt", KeyId=rsa["KeyId"], CiphertextBlob=of_symmetric) == INCORRECT_KEY
    request = {"CiphertextBlob": of_rsa, "EncryptionAlgorithm": SHA_256}
    assert refused(road, "Decrypt", KeyId=signing["KeyId"], **request) == INCORRECT_KEY
    assert refused(road, "Decrypt", KeyId=symmetric["KeyId"], **request) == incompatible(
        SHA_256, "SYMMETRIC_DEFAULT"
    )
    assert refused(road, "Encrypt", KeyId=signing["KeyId"], Plaintext=TEXT, EncryptionAlgorithm=SHA_256) == (
        "InvalidKeyUsageException",
        f"{signing['Arn']} key usage is SIGN_VERIFY which is not valid for Encrypt.",
    )


def test_encryption_context_is_refused_never_overlooked(road: Road) -> None:
    key, symmetric = key_of(road), road.create_key()
    blob = seal(road, key, b"text")
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SHA_256, "EncryptionContext": CONTEXT}
    assert refused(road, "Encrypt", **request, Plaintext=TEXT) == NO_CONTEXT
    assert refused(road, "Decrypt", **request, CiphertextBlob=blob) == NO_CONTEXT
    source = {"SourceKeyId": key["KeyId"], "SourceEncryptionAlgorithm": SHA_256, "CiphertextBlob": blob}
    assert (
        refused(
            road, "ReEncrypt", **source, SourceEncryptionContext=CONTEXT, DestinationKeyId=symmetric["KeyId"]
        )
        == NO_CONTEXT
    )
    assert (
        refused(
            road,
            "ReEncrypt",
            CiphertextBlob=seal(road, symmetric, b"text", None),
            DestinationKeyId=key["KeyId"],
            DestinationEncryptionAlgorithm=SHA_256,
            DestinationEncryptionContext=CONTEXT,
        )
        == NO_CONTEXT
    )
    road.call("Encrypt", **{**request, "EncryptionContext": {}}, Plaintext=TEXT)  # an empty one is none


@pytest.mark.parametrize("operation", ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
def test_data_keys_need_a_symmetric_key(road: Road, operation: str) -> None:
    key = key_of(road)
    assert refused(road, operation, KeyId=key["KeyId"], KeySpec="AES_256") == incompatible(
        "SYMMETRIC_DEFAULT", "RSA_2048"
    )


# ---------------------------------------------------------------- ReEncrypt


def test_re_encrypt_between_a_symmetric_and_an_rsa_key_both_ways(road: Road) -> None:
    rsa, symmetric = key_of(road), road.create_key()
    blob = road.call("Encrypt", KeyId=symmetric["KeyId"], Plaintext=TEXT, EncryptionContext=CONTEXT)[
        "CiphertextBlob"
    ]
    there = road.call(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=rsa["KeyId"],
        DestinationEncryptionAlgorithm=SHA_256,
    )
    assert there == {
        "CiphertextBlob": there["CiphertextBlob"],
        "SourceKeyId": symmetric["Arn"],
        "KeyId": rsa["Arn"],
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": SHA_256,
        "SourceKeyMaterialId": symmetric["CurrentKeyMaterialId"],
    }
    assert road.last_record["additionalEventData"] == {
        "sourceKeyMaterialId": symmetric["CurrentKeyMaterialId"]
    }
    assert opened(road, rsa, there["CiphertextBlob"], SHA_256) == b"text"
    back = road.call(
        "ReEncrypt",
        CiphertextBlob=there["CiphertextBlob"],
        SourceKeyId=rsa["KeyId"],
        SourceEncryptionAlgorithm=SHA_256,
        DestinationKeyId=symmetric["KeyId"],
        DestinationEncryptionContext=CONTEXT,
    )
    assert back == {
        "CiphertextBlob": back["CiphertextBlob"],
        "SourceKeyId": rsa["Arn"],
        "KeyId": symmetric["Arn"],
        "SourceEncryptionAlgorithm": SHA_256,
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationKeyMaterialId": symmetric["CurrentKeyMaterialId"],
    }
    assert refused(road, "Decrypt", CiphertextBlob=back["CiphertextBlob"]) == INVALID_CIPHERTEXT
    plain = road.call("Decrypt", CiphertextBlob=back["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert plain["Plaintext"] == TEXT


def test_re_encrypt_between_rsa_keys_and_algorithms(road: Road) -> None:
    small, large = key_of(road), key_of(road, "RSA_3072")
    moved = road.call(
        "ReEncrypt",
        CiphertextBlob=seal(road, small, b"text", SHA_1),
        SourceKeyId=small["KeyId"],
        SourceEncryptionAlgorithm=SHA_1,
        DestinationKeyId=large["KeyId"],
        DestinationEncryptionAlgorithm=SHA_256,
    )
    assert "SourceKeyMaterialId" not in moved
    assert "DestinationKeyMaterialId" not in moved
    assert opened(road, large, moved["CiphertextBlob"], SHA_256) == b"text"


def test_re_encrypt_of_what_the_destination_cannot_hold_is_refused(road: Road) -> None:
    small, large, symmetric = key_of(road), key_of(road, "RSA_3072"), road.create_key()
    too_large = (
        "ValidationException",
        f"Algorithm {SHA_256} and key spec RSA_2048 cannot encrypt data larger than 190 bytes.",
    )
    destination = {"DestinationKeyId": small["KeyId"], "DestinationEncryptionAlgorithm": SHA_256}
    source = {"SourceKeyId": large["KeyId"], "SourceEncryptionAlgorithm": SHA_256}
    blob = seal(road, large, bytes(191))
    assert refused(road, "ReEncrypt", **source, CiphertextBlob=blob, **destination) == too_large
    blob = seal(road, symmetric, bytes(4096), None)
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, **destination) == too_large
    public_key = RSA.import_key(decoded(road.call("GetPublicKey", KeyId=large["KeyId"])["PublicKey"]))
    nothing = encoded(PKCS1_OAEP.new(public_key, SHA256).encrypt(b""))
    destination = {"DestinationKeyId": symmetric["KeyId"]}
    assert refused(road, "ReEncrypt", **source, CiphertextBlob=nothing, **destination) == INVALID_CIPHERTEXT


def test_re_encrypt_with_keys_of_another_usage_is_refused(road: Road) -> None:
    """A wrong source is IncorrectKeyException, a wrong destination InvalidKeyUsageException (recorded)."""
    symmetric = road.create_key()
    signing = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    blob = seal(road, symmetric, b"text", None)
    assert (
        refused(
            road,
            "ReEncrypt",
            CiphertextBlob=blob,
            SourceKeyId=signing["KeyId"],
            DestinationKeyId=signing["KeyId"],
        )
        == INCORRECT_KEY
    )
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=signing["KeyId"]) == (
        "InvalidKeyUsageException",
        f"{signing['Arn']} key usage is SIGN_VERIFY which is not valid for ReEncrypt.",
    )
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key_of(road)["KeyId"]) == (
        incompatible("SYMMETRIC_DEFAULT", "RSA_2048")
    )


# ---------------------------------------------------------------- record


def test_record_names_the_algorithm_and_no_material(road: Road) -> None:
    key = key_of(road)
    blob = seal(road, key, b"text")
    shown = {"encryptionAlgorithm": SHA_256, "keyId": key["KeyId"]}
    assert road.last_record["requestParameters"] == shown
    assert "additionalEventData" not in road.last_record
    opened(road, key, blob, SHA_256)
    assert road.last_record["requestParameters"] == shown
    assert "additionalEventData" not in road.last_record
    assert blob not in str(road.last_record)


def test_dry_run_of_encryption_with_an_rsa_key(road: Road) -> None:
    key = key_of(road)
    request = {"KeyId": key["KeyId"], "EncryptionAlgorithm": SHA_256, "DryRun": True}
    assert refused(road, "Encrypt", **request, Plaintext=TEXT)[0] == "DryRunOperationException"
    blob = seal(road, key, b"text")
    assert refused(road, "Decrypt", **request, CiphertextBlob=blob)[0] == "DryRunOperationException"
    assert refused(road, "Decrypt", **request, CiphertextBlob=TEXT) == INVALID_CIPHERTEXT
