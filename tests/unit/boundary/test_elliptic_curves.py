"""ECDSA: NIST's vectors, and private keys in the encodings that others write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cryptography_vectors
import pytest
from asn1crypto.keys import ECPrivateKey, PrivateKeyInfo
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.key_pairs import header, loaded, material

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.software.elliptic_curves import (
    CURVES,
    EllipticCurveSigningKey,
    load_elliptic_curve_key,
    take_in_material,
)
from strongroom.boundary.software.signature_verification import verify_signature

NIST = {
    "[P-256,SHA-256]": ("ECC_NIST_P256", "ECDSA_SHA_256"),
    "[P-384,SHA-384]": ("ECC_NIST_P384", "ECDSA_SHA_384"),
    "[P-521,SHA-512]": ("ECC_NIST_P521", "ECDSA_SHA_512"),
}


def test_verify_agrees_with_nists_vectors() -> None:
    tried = {"P": 0, "F": 0}
    section, case = "", dict[str, str]()
    with cryptography_vectors.open_vector_file("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", "r") as file:
        for line in map(str.strip, file):
            section = line if line.startswith("[") else section
            member, _, value = line.partition(" = ")
            case[member] = value
            if member != "Result" or section not in NIST:
                continue
            spec, algorithm = NIST[section]
            point = ec.EllipticCurvePublicNumbers(int(case["Qx"], 16), int(case["Qy"], 16), CURVES[spec])
            try:
                public_key = point.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            except ValueError:  # "Q changed": no point of the curve
                assert value[0] == "F"
                tried["F"] += 1
                continue
            signature = encode_dss_signature(int(case["R"], 16), int(case["S"], 16))
            arguments = (spec, public_key, bytes.fromhex(case["Msg"]), "RAW", algorithm, signature)
            tried[value[0]] += 1
            if value[0] == "P":
                verify_signature(*arguments)
            else:
                with pytest.raises(SignatureRefused):
                    verify_signature(*arguments)
    assert tried["P"] >= 9
    assert tried["P"] + tried["F"] == 45


@pytest.mark.parametrize("spec", sorted(CURVES))
def test_private_key_without_its_public_half_is_taken_in_and_kept_in_the_one_form(spec: str) -> None:
    """As Java writes them; `load` itself takes the one form only."""
    info = PrivateKeyInfo.load(material(spec))
    bare = ECPrivateKey({"version": 1, "private_key": info["private_key"].parsed["private_key"]})
    tried = PrivateKeyInfo(
        {"version": 0, "private_key_algorithm": info["private_key_algorithm"], "private_key": bare}
    ).dump()
    assert tried != material(spec)
    with pytest.raises(ValueError, match="canonical"):
        load_elliptic_curve_key(spec, tried)
    assert take_in_material(spec, tried) == material(spec)


def test_private_key_with_the_public_half_of_another_is_refused() -> None:
    one = PrivateKeyInfo.load(material("ECC_NIST_P256"))
    two = PrivateKeyInfo.load(material("ECC_NIST_P256", 2))
    mixed = one.copy()
    mixed["private_key"].parsed["public_key"] = two["private_key"].parsed["public_key"]
    tried = mixed.dump(force=True)
    assert tried != material("ECC_NIST_P256")
    with pytest.raises(ValueError, match=r"."):
        load_elliptic_curve_key("ECC_NIST_P256", tried)
    with pytest.raises(ValueError, match=r"."):
        take_in_material("ECC_NIST_P256", tried)


@pytest.mark.parametrize("spec", sorted(CURVES))
def test_private_key_that_openssl_made_is_in_the_one_form_and_signs(spec: str, tmp_path: Path) -> None:
    name = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(
        CURVES[spec].name, CURVES[spec].name
    )
    made = subprocess.run(
        [
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            f"ec_paramgen_curve:{name}",
            "-outform",
            "DER",
        ],
        capture_output=True,
        check=True,
    ).stdout
    canonical = take_in_material(spec, made)
    key = EllipticCurveSigningKey(header(spec), canonical)
    algorithm = {"ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512"}.get(
        spec, "ECDSA_SHA_256"
    )
    (tmp_path / "signature").write_bytes(key.sign(b"message", "RAW", algorithm))
    (tmp_path / "public.der").write_bytes(key.public_key())
    (tmp_path / "message").write_bytes(b"message")
    digest = algorithm.removeprefix("ECDSA_").replace("_", "").lower()
    command = ["openssl", "dgst", f"-{digest}", "-verify", "public.der", "-keyform", "DER"]
    verified = subprocess.run(
        [*command, "-signature", "signature", "message"], cwd=tmp_path, capture_output=True, check=False
    )
    assert verified.stdout == b"Verified OK\n", verified.stderr


def test_signatures_of_one_message_differ() -> None:
    """A random value each: two alike would be a broken generator."""
    key = loaded("ECC_NIST_P256")
    assert len({key.sign(b"message", "RAW", "ECDSA_SHA_256") for _ in range(20)}) == 20
