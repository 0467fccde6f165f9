"""Key pairs for the tests of the software module, made once each: RSA keys are slow to make."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION
from tests.support.sm2 import IS_OFFERED

from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software.families import FAMILIES

SIGNING_ALGORITHMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("RSA_2048", "RSA_3072", "RSA_4096"),
        tuple(
            f"RSASSA_{scheme}_{digest}"
            for scheme in ("PSS", "PKCS1_V1_5")
            for digest in ("SHA_256", "SHA_384", "SHA_512")
        ),
    ),
    "ECC_NIST_P256": ("ECDSA_SHA_256",),
    "ECC_NIST_P384": ("ECDSA_SHA_384",),
    "ECC_NIST_P521": ("ECDSA_SHA_512",),
    "ECC_SECG_P256K1": ("ECDSA_SHA_256",),
    "ECC_NIST_EDWARDS25519": ("ED25519_SHA_512", "ED25519_PH_SHA_512"),
    "ML_DSA_44": ("ML_DSA_SHAKE_256",),
    "ML_DSA_65": ("ML_DSA_SHAKE_256",),
    "ML_DSA_87": ("ML_DSA_SHAKE_256",),
    **({"SM2": ("SM2DSA",)} if IS_OFFERED else {}),
}
"""By key spec of usage SIGN_VERIFY."""

DIGEST_BYTES = {"SHA_256": 32, "SHA_384": 48, "SHA_512": 64}


def header(key_spec: str, key_usage: str = "SIGN_VERIFY") -> TokenHeader:
    """The header of a token of the test key."""
    return TokenHeader(TokenKind.BACKING_KEY, b"", bytes(32), ACCOUNT, REGION, KEY_ID, key_spec, key_usage)


def material(key_spec: str, number: int = 1) -> bytes:
    """The material of a key pair; another one for each `number`. Usages do not differ in material."""
    return _made(key_spec, number)


@cache
def _made(key_spec: str, number: int) -> bytes:
    del number
    return FAMILIES[key_spec, "SIGN_VERIFY"].generate()


def loaded(key_spec: str, of: bytes | None = None, key_usage: str = "SIGN_VERIFY") -> Any:
    """The backing key of a material."""
    made = material(key_spec) if of is None else of
    return FAMILIES[key_spec, key_usage].load(header(key_spec, key_usage), made)


def message_types(algorithm: str) -> dict[str, bytes]:
    """The message types that an algorithm takes, each with a message that fits."""
    if algorithm == "ED25519_SHA_512":
        return {"RAW": b"a message"}
    if algorithm == "ED25519_PH_SHA_512":
        return {"DIGEST": bytes(range(64))}
    if algorithm == "SM2DSA":
        return {"RAW": b"a message", "DIGEST": bytes(range(32))}
    if algorithm == "ML_DSA_SHAKE_256":
        return {"RAW": b"a message", "EXTERNAL_MU": bytes(range(64))}
    return {"RAW": b"a message", "DIGEST": bytes(range(DIGEST_BYTES[algorithm[-7:]]))}
