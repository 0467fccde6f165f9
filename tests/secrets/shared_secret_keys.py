"""Keys for MACs, agreement and encapsulation, used well and badly, and what is secret of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_der_private_key

SHARED_SECRET_KEYS: Final = {
    "HMAC_256": "GENERATE_VERIFY_MAC",
    "ECC_NIST_P384": "KEY_AGREEMENT",
    "ML_KEM_512": "ENCAPSULATE_DECAPSULATE",
    "ML_KEM_768": "ENCAPSULATE_DECAPSULATE",
}
"""Usage by key spec."""
SECRET_BYTES: Final = 32


def use_shared_secret_keys(call: Callable[..., Any], rounds: int) -> dict[str, str]:
    """One key of each spec; its id by its spec. `call` answers None for what is refused."""
    key_ids = {}
    for spec, usage in SHARED_SECRET_KEYS.items():
        key_ids[spec] = call("CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        for _ in range(rounds):
            {
                "GENERATE_VERIFY_MAC": _use_mac_key,
                "KEY_AGREEMENT": _use_agreement_key,
                "ENCAPSULATE_DECAPSULATE": _use_encapsulation_key,
            }[usage](call, key_ids[spec])
    return key_ids


def _use_mac_key(call: Callable[..., Any], key_id: str) -> None:
    request = {"KeyId": key_id, "Message": os.urandom(64), "MacAlgorithm": "HMAC_SHA_256"}
    mac = call("GenerateMac", **request)["Mac"]
    assert call("VerifyMac", **request, Mac=mac)["MacValid"]
    assert call("VerifyMac", **request, Mac=mac[:-1]) is None


def _use_agreement_key(call: Callable[..., Any], key_id: str) -> None:
    public_key = call("GetPublicKey", KeyId=key_id)["PublicKey"]
    request = {"KeyId": key_id, "KeyAgreementAlgorithm": "ECDH"}
    assert len(call("DeriveSharedSecret", **request, PublicKey=public_key)["SharedSecret"]) == 48
    assert call("DeriveSharedSecret", **request, PublicKey=public_key[:-1]) is None


def _use_encapsulation_key(call: Callable[..., Any], key_id: str) -> None:
    request = {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM"}
    made = call("Encapsulate", **request)
    blob = made["SharedSecretCiphertextBlob"]
    opened = call("Decapsulate", **request, SharedSecretCiphertextBlob=blob)
    assert opened["SharedSecret"] == made["SharedSecret"]
    wrong = call("Decapsulate", **request, SharedSecretCiphertextBlob=bytes(len(blob)))
    assert wrong["SharedSecret"] != made["SharedSecret"]
    assert call("Decapsulate", **request, SharedSecretCiphertextBlob=blob[:-1]) is None


def shared_secret_material(hierarchy: dict[str, bytes], key_ids: dict[str, str]) -> dict[str, bytes]:
    """What is secret of each of these keys, in the form that the boundary works with."""
    secrets = {}
    for spec, key_id in key_ids.items():
        material = hierarchy[f"backing key of {key_id}"]
        if spec == "HMAC_256":
            secrets[f"shared secret key, {spec}"] = material
        elif spec == "ML_KEM_512":  # the secret vector, which the expanded key begins with
            secrets[f"shared secret key, {spec}"] = material[-1632:][:SECRET_BYTES]
        elif spec == "ML_KEM_768":
            secrets[f"shared secret key, {spec}"] = material[-64:][:SECRET_BYTES]  # the seed's d
            secrets[f"shared secret key, {spec}, z"] = material[-SECRET_BYTES:]
        else:
            key: Any = load_der_private_key(material, None)
            scalar = key.private_numbers().private_value.to_bytes(48, "big")
            secrets[f"shared secret key, {spec}"] = scalar[:SECRET_BYTES]
            secrets[f"shared secret key, {spec}, low bytes first"] = scalar[::-1][:SECRET_BYTES]
    return secrets
