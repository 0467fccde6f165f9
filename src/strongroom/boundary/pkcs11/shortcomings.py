"""What a token does not do, in words for callers: which mechanism it is, and what the token answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.boundary.interface import NotInToken
from strongroom.boundary.pkcs11.families import (
    ALL_FAMILIES,
    ENCRYPT_DECRYPT,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
)

_USED: Final = {
    ("RSA", SIGN_VERIFY): "CKM_RSA_PKCS_PSS and CKM_RSA_PKCS",
    ("RSA", ENCRYPT_DECRYPT): "CKM_RSA_PKCS_OAEP with CKM_SHA_1 and CKM_SHA256",
    ("ECC", SIGN_VERIFY): "CKM_ECDSA",
    ("ECC", KEY_AGREEMENT): "CKM_ECDH1_DERIVE",
    ("HMAC", GENERATE_VERIFY_MAC): "CKM_SHA224_HMAC to CKM_SHA512_HMAC",
    ("SYMMETRIC", ENCRYPT_DECRYPT): "CKM_AES_GCM",
}
"""By the beginning of a key spec: what its keys need of a token besides being made, wrapped and unwrapped."""
_NOT_USED: Final = {
    "ECC_NIST_EDWARDS25519": "this server does not use CKM_EDDSA",
    "ML_DSA": "this server does not use CKM_ML_DSA",
    "ML_KEM": "this server does not use CKM_ML_KEM",
    "SM2": "PKCS #11 has no mechanism for SM2",
}
"""What no token is asked for: the mechanisms came with later versions of PKCS #11, or with none."""
MATERIAL_STAYS: Final = "key material is made in the token, and neither enters nor leaves it"


def shortcoming(key_spec: str, key_usage: str, missing: Mapping[str, str]) -> NotInToken:
    """What to raise for a spec and usage that is not offered; `missing` is what the trials found.

    Without a usage, that of the spec's first family is meant.
    """
    for beginning, sentence in _NOT_USED.items():
        if key_spec.startswith(beginning):
            return NotInToken(sentence)
    # Sizes of RSA keys are tried by the smallest.
    tried = "RSA_2048" if key_spec.startswith("RSA_") else key_spec
    usage = key_usage or next((usage for spec, usage in ALL_FAMILIES if spec == key_spec), "")
    mechanism = _USED.get((key_spec.partition("_")[0], usage), "no mechanism that this server knows")
    answer = missing.get(f"{tried} {usage}", "not tried")
    return NotInToken(f"the token failed when it was tried with keys for {mechanism} ({answer})")
