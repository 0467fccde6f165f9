"""HMAC and ML-KEM keys against known answers, and material that is refused.

Source: the ML-KEM answers in cryptography-vectors.
"""

from __future__ import annotations

import hmac
import os

import cryptography_vectors
import pytest
from tests.support.running_boundary import KEY_ID, REGION

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software import key_agreement, macs, ml_kem
from strongroom.boundary.software.families import FAMILIES


def header(spec: str, usage: str) -> TokenHeader:
    return TokenHeader(TokenKind.BACKING_KEY, b"", bytes(32), "1" * 12, REGION, KEY_ID, spec, usage)


def vectors_512() -> list[dict[str, bytes]]:
    with cryptography_vectors.open_vector_file(
        os.path.join("asymmetric", "MLKEM", "kat_MLKEM_512.rsp"), "r"
    ) as file:
        blocks = file.read().split("count = ")[1:6]
    return [
        {
            name: bytes.fromhex(value)
            for name, value in (line.split(" = ") for line in block.splitlines() if " = " in line)
        }
        for block in blocks
    ]


@pytest.mark.parametrize("vector", vectors_512())
def test_ml_kem_512_decapsulates_as_the_known_answers(vector: dict[str, bytes]) -> None:
    material = bytes.fromhex("30820678020100300b06096086480165030404010482066404820660") + vector["sk"]
    key = ml_kem.ExpandedBackingKey(header("ML_KEM_512", ml_kem.KEY_USAGE), material)
    assert key.decapsulate(vector["ct"]) == vector["ss"]
    assert key.decapsulate(vector["ct_n"]) == vector["ss_n"]  # implicit rejection
    assert key.public_key().endswith(vector["pk"])
    for at in (0, 40, len(material) - 1600, len(material) - 900, len(material) - 50):
        changed = material[:at] + bytes([material[at] ^ 0x10]) + material[at + 1 :]
        with pytest.raises(ValueError):
            ml_kem.ExpandedBackingKey(header("ML_KEM_512", ml_kem.KEY_USAGE), changed)


SECRETS_SHARED = (macs.KEY_USAGE, key_agreement.KEY_USAGE, ml_kem.KEY_USAGE)


@pytest.mark.parametrize("spec", list(macs.HASHES))
def test_hmac_key_agrees_with_the_standard_library_and_refuses_other_lengths(spec: str) -> None:
    material = macs.material_generator(spec)()
    key = macs.HmacBackingKey(header(spec, macs.KEY_USAGE), material)
    mac = hmac.digest(material, b"message", spec.replace("HMAC_", "sha"))
    assert key.generate_mac(b"message") == mac
    key.verify_mac(b"message", mac)
    with pytest.raises(SignatureRefused):
        key.verify_mac(b"massage", mac)
    with pytest.raises(ValueError):
        macs.HmacBackingKey(header(spec, macs.KEY_USAGE), material[:-1])


@pytest.mark.parametrize(("spec", "usage"), [pair for pair in FAMILIES if pair[1] in SECRETS_SHARED])
def test_material_with_a_byte_more_or_less_is_refused(spec: str, usage: str) -> None:
    family = FAMILIES[spec, usage]
    material = family.generate()
    assert "BackingKey" in repr(family.load(header(spec, usage), material))
    longer = bytes(129) if usage == macs.KEY_USAGE else material + b"\x00"
    for wrong in (longer, material[:-1], b""):
        with pytest.raises(ValueError):
            family.load(header(spec, usage), wrong)
