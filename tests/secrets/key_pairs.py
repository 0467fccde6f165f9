"""The key pairs that are planted: each family, used well and badly."""

from __future__ import annotations

from typing import Final

from tests.support.sm2 import IS_OFFERED

KEY_PAIRS: Final = {
    "RSA_2048": "RSASSA_PSS_SHA_256",
    "RSA_2048 for encryption": "RSAES_OAEP_SHA_256",
    "ECC_NIST_P256": "ECDSA_SHA_256",
    "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
    "ML_DSA_44": "ML_DSA_SHAKE_256",
    **({"SM2": "SM2DSA", "SM2 for encryption": "SM2PKE"} if IS_OFFERED else {}),
}
"""By key spec and what it is for: an algorithm."""
