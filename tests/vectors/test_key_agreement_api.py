"""Wycheproof's ECDH vectors, agreed on by DeriveSharedSecret."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.road import Road
from tests.vectors.importing import encoded, imported_key, outcome
from tests.vectors.wycheproof import groups

CURVES = [
    ("ECC_NIST_P256", "ecdh_secp256r1_test", ec.SECP256R1()),
    ("ECC_NIST_P384", "ecdh_secp384r1_test", ec.SECP384R1()),
    ("ECC_NIST_P521", "ecdh_secp521r1_test", ec.SECP521R1()),
]


@pytest.mark.parametrize(("spec", "name", "curve"), CURVES)
def test_derive_shared_secret_of_wycheproof_agrees(
    road: Road, spec: str, name: str, curve: ec.EllipticCurve
) -> None:
    keys: dict[int, str] = {}
    valid = invalid = 0
    for group in groups("Protocol", name):
        for test in group["tests"]:
            public_key = bytes.fromhex(test["public"])
            scalar = int(test["private"], 16)
            if not public_key:
                continue
            if scalar not in keys:
                material = ec.derive_private_key(scalar, curve).private_bytes(
                    Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
                )
                keys[scalar] = imported_key(road, spec, "KEY_AGREEMENT", material)
            answer = outcome(
                road,
                "DeriveSharedSecret",
                KeyId=keys[scalar],
                KeyAgreementAlgorithm="ECDH",
                PublicKey=encoded(public_key),
            )
            if test["result"] == "valid":
                assert isinstance(answer, dict), (test, answer)
                assert base64.b64decode(answer["SharedSecret"]).hex() == test["shared"], test
                valid += 1
            elif test["result"] == "invalid":
                assert answer == "ValidationException", (test, answer)
                invalid += 1
            elif isinstance(answer, dict):  # acceptable: a compressed point, say; if taken, then rightly
                assert base64.b64decode(answer["SharedSecret"]).hex() == test["shared"], test
    assert valid > 200
    assert invalid > 10
