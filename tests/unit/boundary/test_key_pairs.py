"""What all families of key pairs have in common: material, loading, signing, refusing."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from tests.support.key_pairs import SIGNING_ALGORITHMS, header, loaded, material, message_types

from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.software.families import FAMILIES, SIGN_VERIFY
from strongroom.boundary.software.signature_verification import verify_signature

SPECS = [spec for spec in SIGNING_ALGORITHMS if spec not in ("RSA_3072", "RSA_4096")]
CASES = [
    (spec, algorithm, message_type)
    for spec in SPECS
    for algorithm in SIGNING_ALGORITHMS[spec]
    for message_type in message_types(algorithm)
]
OTHERS = {
    "RSA_2048": "ECC_NIST_P256",
    "ECC_NIST_P256": "ECC_NIST_P384",
    "ECC_NIST_P384": "ECC_NIST_P256",
    "ECC_NIST_P521": "RSA_2048",
    "ECC_SECG_P256K1": "ECC_NIST_P256",
    "ECC_NIST_EDWARDS25519": "ML_DSA_44",
    "ML_DSA_44": "ML_DSA_65",
    "ML_DSA_65": "ML_DSA_87",
    "ML_DSA_87": "ECC_NIST_EDWARDS25519",
    "SM2": "ECC_NIST_P256",
}


@pytest.mark.parametrize(("spec", "algorithm", "message_type"), CASES)
def test_signature_verifies_under_the_key_and_under_its_bare_public_key(
    spec: str, algorithm: str, message_type: str
) -> None:
    key, message = loaded(spec), message_types(algorithm)[message_type]
    signature = key.sign(message, message_type, algorithm)
    key.verify(message, message_type, algorithm, signature)
    verify_signature(spec, key.public_key(), message, message_type, algorithm, signature)


@pytest.mark.parametrize(("spec", "algorithm", "message_type"), CASES)
def test_signature_with_anything_changed_is_refused(spec: str, algorithm: str, message_type: str) -> None:
    key, message = loaded(spec), message_types(algorithm)[message_type]
    signature = key.sign(message, message_type, algorithm)
    changed = bytearray(message)
    changed[0] ^= 1
    with pytest.raises(SignatureRefused):
        key.verify(bytes(changed), message_type, algorithm, signature)
    for position in {0, 1, len(signature) // 2, len(signature) - 1}:
        damaged = bytearray(signature)
        damaged[position] ^= 1
        with pytest.raises(SignatureRefused):
            key.verify(message, message_type, algorithm, bytes(damaged))
    for wrong in (b"", b"x", signature[:-1], signature + b"\x00", bytes(len(signature))):
        with pytest.raises(SignatureRefused):
            key.verify(message, message_type, algorithm, wrong)
    other = loaded(spec, material(spec, 2))
    with pytest.raises(SignatureRefused):
        other.verify(message, message_type, algorithm, signature)


@pytest.mark.parametrize("spec", SPECS)
def test_message_that_does_not_fit_is_refused(spec: str) -> None:
    key = loaded(spec)
    for algorithm in SIGNING_ALGORITHMS[spec]:
        fitting = message_types(algorithm)
        for message_type in ("RAW", "DIGEST", "EXTERNAL_MU", "", "raw"):
            wrong = [bytes(4097)] if message_type in fitting else [bytes(64), bytes(32)]
            if message_type in fitting and message_type != "RAW":
                wrong += [b"", fitting[message_type][:-1], fitting[message_type] + b"x"]
            for message in wrong:
                with pytest.raises(BoundaryRefused):
                    key.sign(message, message_type, algorithm)
                with pytest.raises(BoundaryRefused):
                    key.verify(message, message_type, algorithm, bytes(64))


@pytest.mark.parametrize("spec", SPECS)
def test_algorithm_of_another_spec_is_refused(spec: str) -> None:
    key = loaded(spec)
    every = {algorithm for algorithms in SIGNING_ALGORITHMS.values() for algorithm in algorithms}
    for algorithm in (every - set(SIGNING_ALGORITHMS[spec])) | {"", "RSASSA_PSS_SHA_1", "ECDSA_SHA_1"}:
        with pytest.raises(BoundaryRefused):
            key.sign(bytes(64), "RAW", algorithm)
        with pytest.raises(BoundaryRefused):
            key.verify(bytes(64), "RAW", algorithm, bytes(64))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec != "SM2"])  # its own: test_sm2.py
def test_material_is_pkcs8_and_the_public_key_is_that_of_the_private_one(spec: str) -> None:
    private_key = load_der_private_key(material(spec), None)
    public_key = load_der_public_key(loaded(spec).public_key())
    assert private_key.public_key() == public_key
    assert material(spec) != material(spec, 2)


@pytest.mark.parametrize("spec", SPECS)
def test_load_of_material_that_is_not_whole_or_not_of_the_spec_is_refused(spec: str) -> None:
    good = material(spec)
    family = FAMILIES[spec, SIGN_VERIFY]
    wrong = [b"", b"\x30", good[:-1], good + b"\x00", good + good, material(OTHERS[spec]), bytes(len(good))]
    for tried in wrong:
        with pytest.raises(ValueError, match=r"."):
            family.load(header(spec), tried)
        with pytest.raises(ValueError, match=r"."):
            family.take_in(tried)
    assert family.take_in(good) == good


@pytest.mark.parametrize("spec", SPECS)
def test_public_key_of_another_spec_or_damaged_is_refused(spec: str) -> None:
    algorithm = SIGNING_ALGORITHMS[spec][0]
    for public_key in (loaded(OTHERS[spec]).public_key(), b"", loaded(spec).public_key() + b"\x00"):
        with pytest.raises(ValueError, match=r"."):
            verify_signature(spec, public_key, b"x", "RAW", algorithm, bytes(64))


@pytest.mark.parametrize("spec", SPECS)
def test_key_shows_nothing_of_its_material(spec: str) -> None:
    key = loaded(spec)
    assert repr(key).startswith(f"<{type(key).__name__} of ")
    assert not hasattr(key, "__dict__")
