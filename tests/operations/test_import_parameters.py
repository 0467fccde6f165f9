"""GetParametersForImport: which wrapping goes with which key."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.operations.road_requests import TEXT, refused
from tests.support.key_imports import (
    NEVER_EXPIRES,
    OAEP_SHA_256,
    described,
    external_key,
    parameters_for,
    wrapped_members,
)
from tests.support.road import Road
from tests.support.sm2 import needs_sm2

DAY_SECONDS = 86_400


@pytest.mark.parametrize(("spec", "bits"), [("RSA_2048", 2048), ("RSA_3072", 3072), ("RSA_4096", 4096)])
def test_get_parameters_for_import_gives_a_public_key_and_a_token_for_24_hours(
    road: Road, spec: str, bits: int
) -> None:
    key = external_key(road)
    answer = parameters_for(road, key, wrapping_key_spec=spec)
    assert answer.keys() == {"KeyId", "ImportToken", "PublicKey", "ParametersValidTo"}
    assert answer["KeyId"] == key["Arn"]
    public_key = load_der_public_key(base64.b64decode(answer["PublicKey"]))
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert public_key.key_size == bits
    assert len(base64.b64decode(answer["ImportToken"])) <= 6144
    in_a_day = road.clock.epoch_seconds() + DAY_SECONDS
    assert answer["ParametersValidTo"] == pytest.approx(in_a_day, abs=30)
    assert road.last_record["readOnly"] is True
    assert road.last_record["requestParameters"] == {
        "keyId": key["KeyId"],
        "wrappingAlgorithm": OAEP_SHA_256,
        "wrappingKeySpec": spec,
    }
    assert road.last_record["responseElements"] is None


def test_get_parameters_for_import_gives_another_key_and_token_each_time(road: Road) -> None:
    key = external_key(road)
    first, second = parameters_for(road, key), parameters_for(road, key)
    assert first["PublicKey"] != second["PublicKey"]
    assert first["ImportToken"] != second["ImportToken"]


@pytest.mark.parametrize(
    ("key_spec", "usage", "algorithm", "wrapping_key_spec"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_256", "RSA_4096"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "RSA_AES_KEY_WRAP_SHA_256", "RSA_4096"),
        ("RSA_2048", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_4096"),
        ("RSA_4096", "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_1", "RSA_4096"),
        ("ECC_NIST_P521", "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_2048"),
        ("ECC_NIST_P521", "KEY_AGREEMENT", "RSAES_OAEP_SHA_1", "RSA_2048"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "SM2PKE", "SM2"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "SM2PKE", "SM2"),
        ("RSA_2048", "SIGN_VERIFY", "SM2PKE", "RSA_2048"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_256", "SM2"),
        pytest.param("SM2", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256", "RSA_4096", marks=needs_sm2),
    ],
)
def test_get_parameters_for_import_with_a_wrapping_that_does_not_fit_the_key_is_refused(
    road: Road, key_spec: str, usage: str, algorithm: str, wrapping_key_spec: str
) -> None:
    key = external_key(road, KeySpec=key_spec, KeyUsage=usage)
    refusal = refused(
        road,
        "GetParametersForImport",
        KeyId=key["KeyId"],
        WrappingAlgorithm=algorithm,
        WrappingKeySpec=wrapping_key_spec,
    )
    assert refusal == (
        "UnsupportedOperationException",
        f"The wrapping algorithm {algorithm} with the wrapping key spec {wrapping_key_spec} is not supported "
        f"for key material of the key spec {key_spec}.",
    )


def test_get_parameters_for_import_with_a_wrapping_that_aws_takes_no_more_is_refused(road: Road) -> None:
    refusal = refused(
        road,
        "GetParametersForImport",
        KeyId=external_key(road)["KeyId"],
        WrappingAlgorithm="RSAES_PKCS1_V1_5",
        WrappingKeySpec="RSA_2048",
    )
    assert refusal == (
        "UnsupportedOperationException",
        "As of October 10, 2023, KMS does not support the RSAES_PKCS1_V1_5 wrapping algorithm.",
    )


@pytest.mark.parametrize(
    ("key_spec", "usage"),
    [("ML_DSA_44", "SIGN_VERIFY"), ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY")],
)
def test_get_parameters_for_import_of_a_spec_that_is_not_imported_is_refused(
    road: Road, key_spec: str, usage: str
) -> None:
    key = external_key(road, KeySpec=key_spec, KeyUsage=usage)
    for algorithm in ("RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"):
        refusal = refused(
            road,
            "GetParametersForImport",
            KeyId=key["KeyId"],
            WrappingAlgorithm=algorithm,
            WrappingKeySpec="RSA_4096",
        )
        assert refusal == (
            "UnsupportedOperationException",
            f"Importing key material is not supported for the key spec {key_spec}.",
        )


def test_operations_on_imported_material_of_a_kms_made_key_are_refused_for_its_origin(road: Road) -> None:
    """Source: recorded for GetParametersForImport [LS]."""
    key = road.create_key()
    refusal = (
        "UnsupportedOperationException",
        f"{key['Arn']} origin is AWS_KMS which is not valid for this operation.",
    )
    wrapping = {"WrappingAlgorithm": OAEP_SHA_256, "WrappingKeySpec": "RSA_2048"}
    material = {"ImportToken": TEXT, "EncryptedKeyMaterial": TEXT, **NEVER_EXPIRES}
    assert refused(road, "GetParametersForImport", KeyId=key["KeyId"], **wrapping) == refusal
    assert refused(road, "ImportKeyMaterial", KeyId=key["KeyId"], **material) == refusal
    assert refused(road, "DeleteImportedKeyMaterial", KeyId=key["KeyId"]) == refusal
    assert described(road, key)["KeyState"] == "Enabled"


def test_import_operations_of_a_key_pending_deletion_are_refused(road: Road) -> None:
    key = external_key(road)
    members = wrapped_members(road, key, os.urandom(32))
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    refusal = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    wrapping = {"WrappingAlgorithm": OAEP_SHA_256, "WrappingKeySpec": "RSA_2048"}
    assert refused(road, "GetParametersForImport", KeyId=key["KeyId"], **wrapping) == refusal
    assert refused(road, "ImportKeyMaterial", **members, **NEVER_EXPIRES) == refusal
