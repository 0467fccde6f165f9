"""What a client does to import key material: wrap it as the Developer Guide says."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.support.road import REGION, Road
from tests.support.sm2 import openssl_encrypts

from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.key import Key

OAEP_SHA_256 = "RSAES_OAEP_SHA_256"
ALGORITHMS = (
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "RSA_AES_KEY_WRAP_SHA_1",
    "RSA_AES_KEY_WRAP_SHA_256",
)
NEVER_EXPIRES = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
INVALID_TOKEN = (
    "InvalidImportTokenException",
    "The request was rejected because the provided import token is invalid or is associated with a "
    "different KMS key.",
)
INCORRECT_MATERIAL = (
    "IncorrectKeyMaterialException",
    "The request was rejected because the key material in the request is, expired, invalid, or does not "
    "meet expectations.",
)
INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)


def wrap(public_key: bytes, algorithm: str, material: bytes) -> bytes:
    """Key material under a wrapping public key (DER)."""
    if algorithm == "SM2PKE":
        with TemporaryDirectory() as directory:
            return openssl_encrypts(Path(directory), public_key, material)
    key = load_der_public_key(public_key)
    assert isinstance(key, rsa.RSAPublicKey)
    digest = SHA1 if algorithm.endswith("SHA_1") else SHA256
    padding = OAEP(MGF1(digest()), digest(), None)
    if algorithm.startswith("RSAES_OAEP"):
        return key.encrypt(material, padding)
    aes_key = os.urandom(32)
    return key.encrypt(aes_key, padding) + aes_key_wrap_with_padding(aes_key, material)


def external_key(road: Road, **members: Any) -> dict[str, Any]:
    """A KMS key that waits for its material."""
    return road.create_key(Origin="EXTERNAL", **members)


def parameters_for(
    road: Road,
    key: dict[str, Any],
    algorithm: str = OAEP_SHA_256,
    wrapping_key_spec: str = "RSA_2048",
    region: str = REGION,
) -> dict[str, Any]:
    """What GetParametersForImport answers; the wrapping key is of SM2 where SM2PKE wraps."""
    if algorithm == "SM2PKE":
        wrapping_key_spec = "SM2"
    answer: dict[str, Any] = road.call(
        "GetParametersForImport",
        region=region,
        KeyId=key["KeyId"],
        WrappingAlgorithm=algorithm,
        WrappingKeySpec=wrapping_key_spec,
    )
    return answer


def wrapped_members(
    road: Road, key: dict[str, Any], material: bytes, algorithm: str = OAEP_SHA_256, region: str = REGION
) -> dict[str, Any]:
    """The members of an ImportKeyMaterial request that carry the material."""
    parameters = parameters_for(road, key, algorithm, region=region)
    wrapped = wrap(base64.b64decode(parameters["PublicKey"]), algorithm, material)
    return {
        "KeyId": key["KeyId"],
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": base64.b64encode(wrapped).decode(),
    }


def import_material(
    road: Road, key: dict[str, Any], material: bytes, algorithm: str = OAEP_SHA_256, **members: Any
) -> dict[str, Any]:
    """Import key material that never expires, or as `members` say; what ImportKeyMaterial answers."""
    expiration = {} if "ValidTo" in members else NEVER_EXPIRES
    answer: dict[str, Any] = road.call(
        "ImportKeyMaterial", **wrapped_members(road, key, material, algorithm), **expiration, **members
    )
    return answer


def described(road: Road, key: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
    return metadata


def stored_key(road: Road, key: dict[str, Any]) -> Key:
    """The record of a key in the store."""
    stored = road.wait(road.store.find_key(Region(key["Arn"].split(":")[3]), KeyId(key["KeyId"])))
    assert stored is not None
    return stored


def materials_of(road: Road, key: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Each material's state, and whether it is there."""
    return {
        material_id: (material.state.value, material.exported_token is not None)
        for material_id, material in stored_key(road, key).materials.items()
    }
