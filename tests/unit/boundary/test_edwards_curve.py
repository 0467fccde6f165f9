"""Ed25519 and Ed25519ph: RFC 8032, and another implementation."""

from __future__ import annotations

import hashlib

import cryptography_vectors
import pytest
from Cryptodome.Hash import SHA512
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import eddsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.key_pairs import loaded, material

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.software.edwards_curve import sign_ph, verify_ph
from strongroom.boundary.software.private_keys import render_private_key

SPEC = "ECC_NIST_EDWARDS25519"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def test_ed25519ph_agrees_with_rfc_8032() -> None:
    """Section 7.3."""
    seed = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signature = sign_ph(key, b"abc")
    assert signature.hex() == (
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    verify_ph(key.public_key(), b"abc", signature)


def test_ed25519_agrees_with_the_reference_vectors() -> None:
    tried = 0
    with cryptography_vectors.open_vector_file("asymmetric/Ed25519/sign.input", "r") as file:
        for line in list(file)[:128]:
            secret, _, message, signed, _ = line.split(":")
            key = loaded(
                SPEC, render_private_key(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret[:64])))
            )
            signature = key.sign(bytes.fromhex(message), "RAW", "ED25519_SHA_512")
            assert signature.hex() == signed[:128]
            tried += 1
    assert tried == 128


def test_prehashed_signature_is_over_the_digest_hashed_once_more() -> None:
    """As the Sign API reference says: "the input is hashed twice: once by you and once by KMS"."""
    key, digest = loaded(SPEC), hashlib.sha512(b"message").digest()
    signature = key.sign(digest, "DIGEST", "ED25519_PH_SHA_512")
    theirs = ECC.import_key(material(SPEC))
    assert eddsa.new(theirs, "rfc8032").sign(SHA512.new(digest)) == signature
    eddsa.new(theirs.public_key(), "rfc8032").verify(SHA512.new(digest), signature)
    with pytest.raises(ValueError, match=r"."):
        eddsa.new(theirs.public_key(), "rfc8032").verify(SHA512.new(b"message"), signature)
    with pytest.raises(SignatureRefused):  # pure and prehashed signatures never stand for each other
        key.verify(digest, "RAW", "ED25519_SHA_512", signature)


def test_signature_whose_scalar_is_not_reduced_is_refused() -> None:
    """RFC 8032, section 5.1.7: or every signature would have a second form."""
    key, digest = loaded(SPEC), bytes(64)
    for message_type, algorithm in (("RAW", "ED25519_SHA_512"), ("DIGEST", "ED25519_PH_SHA_512")):
        signature = key.sign(digest, message_type, algorithm)
        scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
        other = signature[:32] + scalar.to_bytes(32, "little")
        with pytest.raises(SignatureRefused):
            key.verify(digest, message_type, algorithm, other)
