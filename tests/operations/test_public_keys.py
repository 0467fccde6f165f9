"""GetPublicKey."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from Cryptodome.PublicKey import ECC, RSA
from tests.operations.road_requests import decoded, denied, key_arn, policy_for, refused
from tests.support.road import Road
from tests.support.sm2 import needs_sm2

RSA_ENCRYPTION = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
RSA_SIGNING = [f"RSASSA_{scheme}_SHA_{bits}" for scheme in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)]
CASES = [
    ("RSA_2048", "ENCRYPT_DECRYPT", {"EncryptionAlgorithms": RSA_ENCRYPTION}),
    ("RSA_2048", "SIGN_VERIFY", {"SigningAlgorithms": RSA_SIGNING}),
    ("RSA_3072", "ENCRYPT_DECRYPT", {"EncryptionAlgorithms": RSA_ENCRYPTION}),
    ("RSA_4096", "ENCRYPT_DECRYPT", {"EncryptionAlgorithms": RSA_ENCRYPTION}),
    ("ECC_NIST_P256", "SIGN_VERIFY", {"SigningAlgorithms": ["ECDSA_SHA_256"]}),
    ("ECC_NIST_P384", "SIGN_VERIFY", {"SigningAlgorithms": ["ECDSA_SHA_384"]}),
    ("ECC_NIST_P521", "SIGN_VERIFY", {"SigningAlgorithms": ["ECDSA_SHA_512"]}),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", {"SigningAlgorithms": ["ECDSA_SHA_256"]}),
    (
        "ECC_NIST_EDWARDS25519",
        "SIGN_VERIFY",
        {"SigningAlgorithms": ["ED25519_SHA_512", "ED25519_PH_SHA_512"]},
    ),
    ("ML_DSA_44", "SIGN_VERIFY", {"SigningAlgorithms": ["ML_DSA_SHAKE_256"]}),
    ("ML_DSA_65", "SIGN_VERIFY", {"SigningAlgorithms": ["ML_DSA_SHAKE_256"]}),
    ("ML_DSA_87", "SIGN_VERIFY", {"SigningAlgorithms": ["ML_DSA_SHAKE_256"]}),
    pytest.param("SM2", "SIGN_VERIFY", {"SigningAlgorithms": ["SM2DSA"]}, marks=needs_sm2),
    pytest.param("SM2", "ENCRYPT_DECRYPT", {"EncryptionAlgorithms": ["SM2PKE"]}, marks=needs_sm2),
    pytest.param("SM2", "KEY_AGREEMENT", {"KeyAgreementAlgorithms": ["ECDH"]}, marks=needs_sm2),
]


@pytest.mark.parametrize(("spec", "usage", "algorithms"), CASES)
def test_get_public_key_answers_the_members_of_aws_and_no_others(
    road: Road, spec: str, usage: str, algorithms: dict[str, list[str]]
) -> None:
    key = road.create_key(KeySpec=spec, KeyUsage=usage)
    answer = road.call("GetPublicKey", KeyId=key["KeyId"])
    assert answer == {
        "KeyId": key["Arn"],
        "PublicKey": answer["PublicKey"],
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "KeyUsage": usage,
        **algorithms,
    }
    assert road.call("GetPublicKey", KeyId=key["Arn"]) == answer


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
def test_public_key_parses_elsewhere(road: Road, spec: str) -> None:
    key = road.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    public_key = decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"])
    parsed: Any = RSA.import_key(public_key) if spec == "RSA_2048" else ECC.import_key(public_key)
    assert not parsed.has_private()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("RSA_2048", "2048 bit"),
        ("ECC_NIST_P521", "secp521r1"),
        ("ECC_SECG_P256K1", "secp256k1"),
        ("ECC_NIST_EDWARDS25519", "ED25519"),
        pytest.param("SM2", "ASN1 OID: SM2", marks=needs_sm2),
    ],
)
def test_public_key_parses_in_openssl(road: Road, spec: str, text: str) -> None:
    key = road.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    public_key = decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"])
    told = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER", "-text", "-noout"],
        input=public_key,
        capture_output=True,
        check=True,
    )
    assert text in told.stdout.decode()
    again = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER", "-outform", "DER"],
        input=public_key,
        capture_output=True,
        check=True,
    )
    assert again.stdout == public_key


def test_get_public_key_of_a_symmetric_key_is_refused(road: Road) -> None:
    key = road.create_key()
    assert refused(road, "GetPublicKey", KeyId=key["KeyId"]) == ("UnsupportedOperationException", None)
    road.call("DisableKey", KeyId=key["KeyId"])
    assert refused(road, "GetPublicKey", KeyId=key["KeyId"]) == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )


def test_get_public_key_of_a_disabled_key_is_refused(road: Road) -> None:
    key = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    road.call("DisableKey", KeyId=key["KeyId"])
    assert refused(road, "GetPublicKey", KeyId=key["KeyId"])[0] == "DisabledException"


def test_get_public_key_needs_its_own_permission_and_works_across_accounts(road: Road) -> None:
    policy = policy_for(["kms:Sign", "kms:PutKeyPolicy"])
    key = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Policy=policy)
    assert refused(road, "GetPublicKey", KeyId=key["KeyId"]) == denied("kms:GetPublicKey", key["Arn"])
    stranger = "111122223333"
    open_to = policy_for(["kms:GetPublicKey", "kms:PutKeyPolicy"], "*")
    opened = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Policy=open_to)
    answer = road.call("GetPublicKey", account=stranger, KeyId=opened["Arn"])
    assert answer["KeyId"] == opened["Arn"] == key_arn(opened["KeyId"])


def test_record_names_the_key_only(road: Road) -> None:
    key = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    answer = road.call("GetPublicKey", KeyId=key["KeyId"])
    record = road.last_record
    assert record["requestParameters"] == {"keyId": key["KeyId"]}
    assert record["responseElements"] is None
    assert record["readOnly"] is True
    assert answer["PublicKey"] not in str(record)
