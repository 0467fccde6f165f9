"""Sign and Verify."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.operations.road_requests import TEXT, decoded, denied, encoded, invalid, policy_for, refused
from tests.support.key_pairs import SIGNING_ALGORITHMS, message_types
from tests.support.road import Road
from tests.support.sm2 import needs_sm2

INVALID_SIGNATURE = ("KMSInvalidSignatureException", None)
DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
CASES = [
    (spec, algorithm, message_type)
    for spec in SIGNING_ALGORITHMS
    for algorithm in SIGNING_ALGORITHMS[spec]
    for message_type in message_types(algorithm)
]
RSA, P256, EDWARDS, ML_DSA = "RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519", "ML_DSA_44"

_keys: dict[str, dict[str, Any]] = {}


def key_of(road: Road, spec: str) -> dict[str, Any]:
    """One signing key for each spec; RSA keys are slow to make."""
    if spec not in _keys:
        _keys[spec] = road.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    return _keys[spec]


def sign(road: Road, key: dict[str, Any], algorithm: str, message_type: str, message: bytes) -> bytes:
    signed = road.call(
        "Sign",
        KeyId=key["KeyId"],
        Message=encoded(message),
        MessageType=message_type,
        SigningAlgorithm=algorithm,
    )
    return decoded(signed["Signature"])


# ---------------------------------------------------------------- what works


@pytest.mark.parametrize(("spec", "algorithm", "message_type"), CASES)
def test_verify_of_a_signature_answers_the_members_of_aws_and_no_others(
    road: Road, spec: str, algorithm: str, message_type: str
) -> None:
    key = key_of(road, spec)
    request = {
        "KeyId": key["KeyId"],
        "Message": encoded(message_types(algorithm)[message_type]),
        "MessageType": message_type,
        "SigningAlgorithm": algorithm,
    }
    signed = road.call("Sign", **request)
    assert signed == {
        "KeyId": key["Arn"],
        "Signature": signed["Signature"],
        "SigningAlgorithm": algorithm,
    }
    verified = road.call("Verify", **request, Signature=signed["Signature"])
    assert verified == {"KeyId": key["Arn"], "SignatureValid": True, "SigningAlgorithm": algorithm}
    damaged = bytearray(decoded(signed["Signature"]))
    damaged[-1] ^= 1
    assert refused(road, "Verify", **request, Signature=encoded(bytes(damaged))) == INVALID_SIGNATURE


@pytest.mark.parametrize("spec", sorted(SIGNING_ALGORITHMS))
def test_create_key_of_a_signing_spec_names_its_algorithms(road: Road, spec: str) -> None:
    key = key_of(road, spec)
    assert sorted(key["SigningAlgorithms"]) == sorted(SIGNING_ALGORITHMS[spec])
    assert (key["KeySpec"], key["CustomerMasterKeySpec"], key["KeyUsage"]) == (spec, spec, "SIGN_VERIFY")
    assert "CurrentKeyMaterialId" not in key
    assert "EncryptionAlgorithms" not in key


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [  # Ed25519ph takes digests only, and SM2's digests begin with the signer's: test_sm2.py
        (spec, algorithm)
        for spec, algorithm, message_type in CASES
        if message_type == "DIGEST" and spec not in (EDWARDS, "SM2")
    ],
)
def test_message_and_its_digest_are_the_same_message(road: Road, spec: str, algorithm: str) -> None:
    """Verify API reference: "A message and its hash digest are considered to be the same message."""
    key, message = key_of(road, spec), b"a message"
    digest = hashlib.new(algorithm[-7:].replace("_", "").lower(), message).digest()
    of_message = sign(road, key, algorithm, "RAW", message)
    of_digest = sign(road, key, algorithm, "DIGEST", digest)
    for message_type, said, signature in (("DIGEST", digest, of_message), ("RAW", message, of_digest)):
        road.call(
            "Verify",
            KeyId=key["KeyId"],
            Message=encoded(said),
            MessageType=message_type,
            SigningAlgorithm=algorithm,
            Signature=encoded(signature),
        )


def test_message_type_left_out_is_raw(road: Road) -> None:
    key = key_of(road, P256)
    algorithm = {"KeyId": key["KeyId"], "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = encoded(sign(road, key, "ECDSA_SHA_256", "RAW", bytes(32)))
    road.call("Verify", **algorithm, Message=encoded(bytes(32)), Signature=signature)
    assert (
        refused(
            road, "Verify", **algorithm, Message=encoded(bytes(32)), MessageType="DIGEST", Signature=signature
        )
        == INVALID_SIGNATURE
    )


OPENSSL = {
    "RSASSA_PKCS1_V1_5_SHA_256": ["-sha256"],
    "RSASSA_PKCS1_V1_5_SHA_384": ["-sha384"],
    "RSASSA_PKCS1_V1_5_SHA_512": ["-sha512"],
    **{
        f"RSASSA_PSS_SHA_{bits}": [
            f"-sha{bits}",
            *("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"),
        ]
        for bits in (256, 384, 512)
    },
    "ECDSA_SHA_256": ["-sha256"],
    "ECDSA_SHA_384": ["-sha384"],
    "ECDSA_SHA_512": ["-sha512"],
}


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [  # openssl 3.0 has neither Ed25519ph nor ML-DSA; those are in tests/unit/boundary
        (spec, algorithm)
        for spec in SIGNING_ALGORITHMS
        for algorithm in SIGNING_ALGORITHMS[spec]
        if algorithm in OPENSSL or algorithm == "ED25519_SHA_512"
    ],
)
def test_signature_verifies_in_openssl_under_the_public_key(
    road: Road, spec: str, algorithm: str, tmp_path: Path
) -> None:
    key = key_of(road, spec)
    (tmp_path / "message").write_bytes(b"a message")
    (tmp_path / "signature").write_bytes(sign(road, key, algorithm, "RAW", b"a message"))
    (tmp_path / "key").write_bytes(decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"]))
    if algorithm in OPENSSL:
        command = ["openssl", "dgst", *OPENSSL[algorithm], "-verify", "key", "-keyform", "DER"]
        command += ["-signature", "signature", "message"]
    else:
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key", "-keyform", "DER"]
        command += ["-sigfile", "signature", "-in", "message"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert b"Verified" in finished.stdout


@pytest.mark.parametrize("size", [1, 4096])
def test_sign_of_a_raw_message_of_every_allowed_size_verifies(road: Road, size: int) -> None:
    for spec, algorithm in (
        (P256, "ECDSA_SHA_256"),
        (EDWARDS, "ED25519_SHA_512"),
        (ML_DSA, "ML_DSA_SHAKE_256"),
    ):
        key = key_of(road, spec)
        signature = sign(road, key, algorithm, "RAW", bytes(size))
        road.call(
            "Verify",
            KeyId=key["KeyId"],
            Message=encoded(bytes(size)),
            SigningAlgorithm=algorithm,
            Signature=encoded(signature),
        )


# ---------------------------------------------------------------- what is refused


def both(road: Road, key: dict[str, Any], **members: Any) -> tuple[str, str | None]:
    """The one refusal that Sign and Verify must both give."""
    members = {"KeyId": key["KeyId"], "Message": TEXT, **members}
    signing = refused(road, "Sign", **members)
    assert refused(road, "Verify", **members, Signature=TEXT) == signing
    return signing


def test_message_out_of_range_is_refused(road: Road) -> None:
    key = key_of(road, P256)
    assert both(road, key, Message=encoded(bytes(4097)), SigningAlgorithm="ECDSA_SHA_256") == invalid(
        "message", "Member must have length less than or equal to 4096"
    )
    assert both(road, key, Message="", SigningAlgorithm="ECDSA_SHA_256") == invalid(
        "message", "Member must have length greater than or equal to 1"
    )


@pytest.mark.parametrize(
    ("spec", "algorithm", "sizes"),
    [
        (RSA, "RSASSA_PSS_SHA_256", (1, 31, 33, 64)),
        (RSA, "RSASSA_PKCS1_V1_5_SHA_384", (32, 47, 49)),
        (RSA, "RSASSA_PKCS1_V1_5_SHA_512", (32, 63, 65)),
        (P256, "ECDSA_SHA_256", (31, 33, 48)),
        ("ECC_NIST_P384", "ECDSA_SHA_384", (32, 64)),
        ("ECC_NIST_P521", "ECDSA_SHA_512", (32, 66)),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", (20, 64)),
        (EDWARDS, "ED25519_PH_SHA_512", (32, 63, 65)),
        pytest.param("SM2", "SM2DSA", (31, 33, 64), marks=needs_sm2),
    ],
)
def test_digest_of_another_length_is_refused(
    road: Road, spec: str, algorithm: str, sizes: tuple[int, ...]
) -> None:
    for size in sizes:
        assert both(
            road,
            key_of(road, spec),
            Message=encoded(bytes(size)),
            MessageType="DIGEST",
            SigningAlgorithm=algorithm,
        ) == ("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")


@pytest.mark.parametrize(
    ("spec", "algorithm", "message_type", "message"),
    [
        (EDWARDS, "ED25519_SHA_512", "DIGEST", "algorithm ED25519_SHA_512"),
        (EDWARDS, "ED25519_PH_SHA_512", "RAW", "algorithm ED25519_PH_SHA_512"),
        (EDWARDS, "ED25519_SHA_512", "EXTERNAL_MU", f"key spec {EDWARDS}"),
        (ML_DSA, "ML_DSA_SHAKE_256", "DIGEST", "key spec ML_DSA_44"),
        (RSA, "RSASSA_PSS_SHA_512", "EXTERNAL_MU", "key spec RSA_2048"),
        (P256, "ECDSA_SHA_256", "EXTERNAL_MU", f"key spec {P256}"),
        pytest.param("SM2", "SM2DSA", "EXTERNAL_MU", "key spec SM2", marks=needs_sm2),
    ],
)
def test_message_type_that_does_not_go_with_the_algorithm_is_refused(
    road: Road, spec: str, algorithm: str, message_type: str, message: str
) -> None:
    assert both(
        road,
        key_of(road, spec),
        Message=encoded(bytes(64)),
        MessageType=message_type,
        SigningAlgorithm=algorithm,
    ) == ("ValidationException", f"Message type {message_type} is incompatible with {message}.")


def test_external_mu_of_another_length_is_refused(road: Road) -> None:
    for size in (32, 63, 65):
        assert both(
            road,
            key_of(road, ML_DSA),
            Message=encoded(bytes(size)),
            MessageType="EXTERNAL_MU",
            SigningAlgorithm="ML_DSA_SHAKE_256",
        ) == ("ValidationException", "External Mu is invalid length for algorithm ML_DSA_SHAKE_256.")


@pytest.mark.parametrize("spec", sorted(SIGNING_ALGORITHMS))
def test_algorithm_of_another_spec_is_refused(road: Road, spec: str) -> None:
    every = {algorithm for algorithms in SIGNING_ALGORITHMS.values() for algorithm in algorithms} | {"SM2DSA"}
    for algorithm in sorted(every - set(SIGNING_ALGORITHMS[spec])):
        assert both(road, key_of(road, spec), SigningAlgorithm=algorithm) == (
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {spec}.",
        )


@pytest.mark.parametrize(
    "members", [{}, {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}], ids=["symmetric", "RSA"]
)
def test_key_of_another_usage_is_refused(road: Road, members: dict[str, str]) -> None:
    key = road.create_key(**members)
    for operation, more in (("Sign", {}), ("Verify", {"Signature": TEXT})):
        request = {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "RSASSA_PSS_SHA_256", **more}
        assert refused(road, operation, **request) == (
            "InvalidKeyUsageException",
            f"{key['Arn']} key usage is ENCRYPT_DECRYPT which is not valid for {operation}.",
        )


def test_signature_of_another_key_or_algorithm_is_refused(road: Road) -> None:
    key = key_of(road, RSA)
    other = road.create_key(KeySpec=P256, KeyUsage="SIGN_VERIFY")
    signature = encoded(sign(road, key, "RSASSA_PSS_SHA_256", "RAW", b"text"))
    request = {"KeyId": key["KeyId"], "Message": TEXT, "Signature": signature}
    road.call("Verify", **request, SigningAlgorithm="RSASSA_PSS_SHA_256")
    for algorithm in set(SIGNING_ALGORITHMS[RSA]) - {"RSASSA_PSS_SHA_256"}:
        assert refused(road, "Verify", **request, SigningAlgorithm=algorithm) == INVALID_SIGNATURE
    mine = encoded(sign(road, key_of(road, P256), "ECDSA_SHA_256", "RAW", b"text"))
    request = {"KeyId": other["KeyId"], "Message": TEXT, "Signature": mine}
    assert refused(road, "Verify", **request, SigningAlgorithm="ECDSA_SHA_256") == INVALID_SIGNATURE


def test_states_refuse_signing(road: Road) -> None:
    key = road.create_key(KeySpec=P256, KeyUsage="SIGN_VERIFY")
    road.call("DisableKey", KeyId=key["KeyId"])
    disabled = ("DisabledException", f"{key['Arn']} is disabled.")
    assert both(road, key, SigningAlgorithm="ECDSA_SHA_256") == disabled
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    pending = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert both(road, key, SigningAlgorithm="ECDSA_SHA_256") == pending


def test_policy_that_allows_one_of_the_two_denies_the_other(road: Road) -> None:
    policy = policy_for(["kms:Verify", "kms:PutKeyPolicy"])
    key = road.create_key(KeySpec=P256, KeyUsage="SIGN_VERIFY", Policy=policy)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert refused(road, "Sign", **request) == denied("kms:Sign", key["Arn"])
    assert refused(road, "Verify", **request, Signature=TEXT) == INVALID_SIGNATURE


# ---------------------------------------------------------------- dry run, record


def test_dry_run_says_what_the_request_would_have_said(road: Road) -> None:
    key = key_of(road, P256)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = encoded(sign(road, key, "ECDSA_SHA_256", "RAW", b"text"))
    assert refused(road, "Sign", **request, DryRun=True) == DRY_RUN
    assert refused(road, "Verify", **request, Signature=signature, DryRun=True) == DRY_RUN
    assert refused(road, "Verify", **request, Signature=TEXT, DryRun=True) == INVALID_SIGNATURE
    request["SigningAlgorithm"] = "ECDSA_SHA_384"
    assert refused(road, "Sign", **request, DryRun=True)[0] == "InvalidKeyUsageException"


def test_record_names_key_algorithm_and_type_but_neither_message_nor_signature(road: Road) -> None:
    """As CloudTrail's examples (Developer Guide, ct-sign and ct-verify)."""
    key = key_of(road, P256)
    message, algorithm = b"a message that nobody else needs to read", "ECDSA_SHA_256"
    signature = sign(road, key, algorithm, "RAW", message)
    shown = {"keyId": key["KeyId"], "messageType": "RAW", "signingAlgorithm": algorithm}
    for operation, more in (("Sign", {}), ("Verify", {"Signature": encoded(signature)})):
        request = {"KeyId": key["KeyId"], "Message": encoded(message), "MessageType": "RAW"}
        road.call(operation, **request, SigningAlgorithm=algorithm, **more)
        record = road.last_record
        assert record["eventName"] == operation
        assert record["requestParameters"] == shown
        assert record["responseElements"] is None
        assert record["readOnly"] is True
        assert "additionalEventData" not in record
        assert record["resources"][0]["ARN"] == key["Arn"]
        assert encoded(message) not in str(record)
        assert encoded(signature) not in str(record)
