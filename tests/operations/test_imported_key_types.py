"""Imported material of keys that hold one for ever: asymmetric and HMAC keys."""

from __future__ import annotations

import base64
import hmac
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.operations.road_requests import TEXT, refused
from tests.support.key_imports import (
    INCORRECT_MATERIAL,
    NEVER_EXPIRES,
    described,
    external_key,
    import_material,
    materials_of,
    stored_key,
    wrapped_members,
)
from tests.support.road import Road
from tests.support.sm2 import needs_sm2, openssl_key

PKCS8 = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
IMPORTS = [
    ("HMAC_224", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256"),
    ("HMAC_512", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_1"),
    ("RSA_2048", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256"),
    ("RSA_2048", "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_1"),
    ("ECC_NIST_P256", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
    ("ECC_NIST_P521", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256"),
    ("ECC_NIST_P384", "KEY_AGREEMENT", "RSAES_OAEP_SHA_1"),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
    *(
        pytest.param(*case, marks=needs_sm2)
        for case in (
            ("SM2", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
            ("SM2", "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_1"),
            ("SM2", "KEY_AGREEMENT", "SM2PKE"),
            ("RSA_2048", "SIGN_VERIFY", "SM2PKE"),
            ("ECC_NIST_P521", "SIGN_VERIFY", "SM2PKE"),
        )
    ),
]
CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


def new_material(spec: str) -> bytes:
    if spec.startswith("HMAC"):
        return os.urandom(int(spec[5:]) // 8)
    if spec.startswith("RSA"):
        return rsa.generate_private_key(65537, int(spec[4:])).private_bytes(*PKCS8)
    if spec == "SM2":
        with TemporaryDirectory() as directory:
            return openssl_key(Path(directory))
    return ec.generate_private_key(CURVES[spec]).private_bytes(*PKCS8)


@pytest.mark.parametrize(("spec", "usage", "algorithm"), IMPORTS)
def test_import_key_material_of_a_key_with_one_material_takes_the_same_again_and_no_other(
    road: Road, spec: str, usage: str, algorithm: str
) -> None:
    key, material = external_key(road, KeySpec=spec, KeyUsage=usage), new_material(spec)
    # Only symmetric encryption keys name their material [LS].
    assert import_material(road, key, material, algorithm) == {"KeyId": key["Arn"]}
    metadata = described(road, key)
    assert (metadata["KeyState"], metadata["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert "CurrentKeyMaterialId" not in metadata
    valid_to = road.clock.epoch_seconds() + 1000
    import_material(road, key, material, algorithm, ValidTo=valid_to)
    assert described(road, key)["ValidTo"] == pytest.approx(valid_to, abs=0.001)
    for _ in range(2):
        other = wrapped_members(road, key, new_material(spec), algorithm)
        assert refused(road, "ImportKeyMaterial", **other, **NEVER_EXPIRES) == INCORRECT_MATERIAL
        assert len(materials_of(road, key)) == 1
        assert road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"]) == {"KeyId": key["Arn"]}
        assert described(road, key)["KeyState"] == "PendingImport"
    import_material(road, key, material, algorithm)
    assert described(road, key)["KeyState"] == "Enabled"


@pytest.mark.parametrize(("spec", "usage", "algorithm"), IMPORTS)
def test_import_key_material_of_another_kind_is_refused(
    road: Road, spec: str, usage: str, algorithm: str
) -> None:
    key = external_key(road, KeySpec=spec, KeyUsage=usage)
    another = ec.generate_private_key(ec.SECP384R1() if spec == "ECC_NIST_P256" else ec.SECP256R1())
    for wrong in (os.urandom(20), b"\0", another.private_bytes(*PKCS8) if "HMAC" not in spec else bytes(129)):
        members = wrapped_members(road, key, wrong, algorithm)
        assert refused(road, "ImportKeyMaterial", **members, **NEVER_EXPIRES) == INCORRECT_MATERIAL
    assert materials_of(road, key) == {}


def test_imported_mac_key_makes_the_macs_of_its_material(road: Road) -> None:
    key, material = external_key(road, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"), os.urandom(50)
    import_material(road, key, material)
    answer = road.call("GenerateMac", KeyId=key["KeyId"], Message=TEXT, MacAlgorithm="HMAC_SHA_256")
    assert base64.b64decode(answer["Mac"]) == hmac.digest(material, base64.b64decode(TEXT), "sha256")


def test_imported_key_pair_gives_the_public_key_of_its_material(road: Road) -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    key = external_key(road, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    import_material(road, key, private_key.private_bytes(*PKCS8))
    answer = road.call("GetPublicKey", KeyId=key["KeyId"])
    expected = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(answer["PublicKey"]) == expected


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ImportType", "NEW_KEY_MATERIAL"),
        ("ImportType", "EXISTING_KEY_MATERIAL"),
        ("KeyMaterialDescription", "x"),
        ("KeyMaterialId", "0" * 64),
    ],
)
@pytest.mark.parametrize(
    ("spec", "usage"), [("RSA_2048", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC")]
)
def test_import_key_material_with_a_member_for_symmetric_keys_is_refused(
    road: Road, spec: str, usage: str, member: str, value: str
) -> None:
    key = external_key(road, KeySpec=spec, KeyUsage=usage)
    members: dict[str, Any] = {"ImportToken": TEXT, "EncryptedKeyMaterial": TEXT, member: value}
    assert refused(road, "ImportKeyMaterial", KeyId=key["KeyId"], **members, **NEVER_EXPIRES) == (
        "ValidationException",
        f"{member} can be specified only for symmetric encryption KMS keys.",
    )


def test_import_key_material_of_a_spec_that_is_not_imported_is_refused(road: Road) -> None:
    """Source: KMS Developer Guide: "Importing ML-DSA keys is not supported."."""
    key = external_key(road, KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")
    material = {"ImportToken": TEXT, "EncryptedKeyMaterial": TEXT, **NEVER_EXPIRES}
    assert refused(road, "ImportKeyMaterial", KeyId=key["KeyId"], **material) == (
        "UnsupportedOperationException",
        "Importing key material is not supported for the key spec ML_DSA_65.",
    )
    assert stored_key(road, key).materials == {}
