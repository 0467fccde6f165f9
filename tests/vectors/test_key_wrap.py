"""NIST's AES key wrap with padding vectors, unwrapped by the code behind ImportKeyMaterial.

Not through the public API: RSA_AES_KEY_WRAP is for private keys, and NIST's plaintexts are random bytes.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.vectors.wycheproof import NIST, groups, read_cavp

from strongroom.boundary.interface import CiphertextRefused
from strongroom.boundary.software.imported_material import (
    generate_wrapping_key,
    public_half,
    unwrap_material,
)

ALGORITHM = "RSA_AES_KEY_WRAP_SHA_256"


@pytest.fixture(scope="module")
def wrapping_key() -> bytes:
    return generate_wrapping_key("RSA_2048")


def unwrapped(wrapping_key: bytes, aes_key: bytes, wrapped: bytes) -> bytes | None:
    """What the import would take; None when it is refused."""
    public_key = load_der_public_key(public_half("RSA_2048", wrapping_key))
    assert isinstance(public_key, rsa.RSAPublicKey)
    sealed = public_key.encrypt(aes_key, OAEP(MGF1(SHA256()), SHA256(), None))
    try:
        return unwrap_material(wrapping_key, ALGORITHM, sealed + wrapped)
    except CiphertextRefused:
        return None


@pytest.mark.parametrize("name", ["KWP_AD_128", "KWP_AD_192", "KWP_AD_256"])
def test_unwrapping_of_nists_vectors_agrees(wrapping_key: bytes, name: str) -> None:
    seen = refused = 0
    for _, test in read_cavp(NIST / "keywrap" / "kwtestvectors" / f"{name}.txt"):
        if "C" not in test:
            continue
        found = unwrapped(wrapping_key, bytes.fromhex(test["K"]), bytes.fromhex(test["C"]))
        assert found == (None if "FAIL" in test else bytes.fromhex(test["P"])), test
        seen += 1
        refused += "FAIL" in test
    assert seen >= 400
    assert refused >= 50


def test_unwrapping_of_wycheproofs_vectors_agrees(wrapping_key: bytes) -> None:
    seen = 0
    for group in groups("Cipher", "aes_kwp_test"):
        for test in group["tests"]:
            if test["result"] == "acceptable" or not test["ct"]:
                continue
            found = unwrapped(wrapping_key, bytes.fromhex(test["key"]), bytes.fromhex(test["ct"]))
            assert found == (bytes.fromhex(test["msg"]) if test["result"] == "valid" else None), test
            seen += 1
    assert seen >= 150
