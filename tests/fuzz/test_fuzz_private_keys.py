"""Private keys from outside: whatever the bytes, the answer is a key of the spec or ValueError."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.key_pairs import header, material
from tests.support.sm2 import IS_OFFERED

from strongroom.boundary.software.families import FAMILIES, SIGN_VERIFY
from strongroom.boundary.software.signature_verification import verify_signature

SPECS = [
    "RSA_2048",
    "ECC_NIST_P256",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "ECC_NIST_EDWARDS25519",
    "ML_DSA_44",
    *(("SM2",) if IS_OFFERED else ()),
]


def judged(spec: str, tried: bytes) -> None:
    """Both judges: what is taken in can be loaded, and what can be loaded is taken in unchanged."""
    family = FAMILIES[spec, SIGN_VERIFY]
    try:
        family.load(header(spec), tried)
        loads = True
    except ValueError:
        loads = False
    try:
        kept = family.take_in(tried)
    except ValueError:
        kept = None
    if kept is not None:
        family.load(header(spec), kept)
        assert family.take_in(kept) == kept
    if loads:
        assert kept in (None, tried)


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_private_key_is_refused_or_still_one_of_the_spec(spec: str, data: st.DataObject) -> None:
    tried = bytearray(material(spec))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(tried) - 1))
        match data.draw(st.sampled_from(("change", "remove", "insert"))):
            case "change":
                tried[position] = data.draw(st.integers(0, 255))
            case "remove":
                del tried[position : position + data.draw(st.integers(1, 40))]
            case "insert":
                tried[position:position] = data.draw(st.binary(max_size=40))
        if not tried:
            break
    judged(spec, bytes(tried))


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=60, deadline=None)
@given(tried=st.binary(max_size=200))
def test_any_bytes_are_refused(spec: str, tried: bytes) -> None:
    judged(spec, tried)
    with pytest.raises(ValueError, match=r"."):
        verify_signature(spec, tried, b"x", "RAW", "ECDSA_SHA_256", b"x")
