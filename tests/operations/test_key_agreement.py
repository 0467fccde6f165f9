"""DeriveSharedSecret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.operations.road_requests import decoded, encoded, refused
from tests.support.road import Road

CURVES = {"P256": ec.SECP256R1(), "P384": ec.SECP384R1(), "P521": ec.SECP521R1()}
NO_PEER = ("ValidationException", None)


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("curve", list(CURVES))
def test_derive_shared_secret_answers_for_its_curve_and_refuses_every_other_key(
    road: Road, curve: str
) -> None:
    key = road.create_key(KeySpec=f"ECC_NIST_{curve}", KeyUsage="KEY_AGREEMENT")
    named = {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH"}
    peer = ec.generate_private_key(CURVES[curve])
    answer = road.call("DeriveSharedSecret", PublicKey=encoded(spki(peer)), **named)
    assert answer == {
        "KeyId": key["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }
    assert len(decoded(answer["SharedSecret"])) == (CURVES[curve].key_size + 7) // 8
    good = spki(peer)
    other_curve = ec.generate_private_key(CURVES["P256" if curve != "P256" else "P384"])
    off_curve = good[:-1] + bytes([good[-1] ^ 1])
    for wrong in (b"garbage", good + b"\x00", good[:-1], off_curve, spki(other_curve)):
        assert refused(road, "DeriveSharedSecret", PublicKey=encoded(wrong), **named) == NO_PEER
