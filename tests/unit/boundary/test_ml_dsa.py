"""ML-DSA: known answers, and the representative mu as FIPS 204 defines it."""

from __future__ import annotations

import hashlib

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.support.key_pairs import header, loaded, material

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.software.ml_dsa import PRIVATE_KEYS, MlDsaSigningKey, take_in_material
from strongroom.boundary.software.private_keys import render_private_key
from strongroom.boundary.software.signature_verification import verify_signature

ALGORITHM = "ML_DSA_SHAKE_256"
SIZES = {"ML_DSA_44": (1334, 2420), "ML_DSA_65": (1974, 3309), "ML_DSA_87": (2614, 4627)}
"""Public key and signature of KMS, in bytes (floci-io/floci pull request 3025)."""


def known_answers(name: str) -> list[dict[str, bytes]]:
    cases: list[dict[str, bytes]] = []
    path = f"asymmetric/MLDSA/kat_{name.replace('ML_DSA', 'MLDSA')}_det_pure.rsp"
    with cryptography_vectors.open_vector_file(path, "r") as file:
        for line in map(str.strip, file):
            member, _, value = line.partition(" = ")
            if member == "count":
                cases.append({})
            elif cases and member in ("xi", "pk", "msg", "ctx", "sm"):
                cases[-1][member] = bytes.fromhex(value)
    return cases


def mu_of(public_key: bytes, context: bytes, message: bytes) -> bytes:
    """FIPS 204, algorithm 2 and line 6 of algorithm 7."""
    representative = hashlib.shake_256(public_key).digest(64)
    framed = b"\x00" + bytes([len(context)]) + context + message
    return hashlib.shake_256(representative + framed).digest(64)


@pytest.mark.parametrize("spec", sorted(SIZES))
def test_seed_gives_the_known_public_key_and_the_known_signature_verifies(spec: str) -> None:
    cases = known_answers(spec)[:20]
    for case in cases:
        key = MlDsaSigningKey(
            header(spec), render_private_key(PRIVATE_KEYS[spec].from_seed_bytes(case["xi"]))
        )
        public_key = key.public_key()
        assert public_key.endswith(case["pk"])
        signature, context = case["sm"][: SIZES[spec][1]], case["ctx"]
        mu = mu_of(case["pk"], context, case["msg"])
        verify_signature(spec, public_key, mu, "EXTERNAL_MU", ALGORITHM, signature)
        with pytest.raises(SignatureRefused):  # KMS has no context: the message alone is another one
            verify_signature(spec, public_key, case["msg"][:4096], "RAW", ALGORITHM, signature)
    assert len(cases) == 20


@pytest.mark.parametrize("spec", sorted(SIZES))
def test_sizes_are_those_of_kms(spec: str) -> None:
    key = loaded(spec)
    public_key_bytes, signature_bytes = SIZES[spec]
    assert len(key.public_key()) == public_key_bytes
    assert len(key.sign(b"message", "RAW", ALGORITHM)) == signature_bytes
    assert len(material(spec)) == 54


@pytest.mark.parametrize("spec", sorted(SIZES))
def test_mu_made_outside_signs_and_verifies_as_the_message_does(spec: str) -> None:
    key = loaded(spec)
    raw = load_der_public_key(key.public_key()).public_bytes_raw()  # type: ignore[union-attr]
    mu = mu_of(raw, b"", b"message")
    key.verify(b"message", "RAW", ALGORITHM, key.sign(mu, "EXTERNAL_MU", ALGORITHM))
    key.verify(mu, "EXTERNAL_MU", ALGORITHM, key.sign(b"message", "RAW", ALGORITHM))


def test_private_key_without_its_seed_is_refused() -> None:
    path = "asymmetric/MLDSA/mldsa65_noseed_priv.der"
    with cryptography_vectors.open_vector_file(path, "rb") as file:
        tried = file.read()
    with pytest.raises(ValueError, match=r"."):
        take_in_material("ML_DSA_65", tried)
    with pytest.raises(ValueError, match=r"."):
        loaded("ML_DSA_65", tried)
