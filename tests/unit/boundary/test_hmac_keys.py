"""HMAC keys: RFC 4231's vectors, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from itertools import pairwise

import cryptography_vectors
import pytest
from tests.support.key_pairs import header

from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.software.families import FAMILIES, GENERATE_VERIFY_MAC
from strongroom.boundary.software.macs import HmacKey

BYTES = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}
"""Of the MAC, and of a key that is made, by key spec."""


def digest_name(spec: str) -> str:
    return spec.replace("HMAC_", "sha")


def loaded(spec: str, material: bytes) -> HmacKey:
    return HmacKey(header(spec, GENERATE_VERIFY_MAC), material)


def fitting(spec: str, key: bytes) -> bytes:
    """A key of a length that is taken, and that is the same key to HMAC (RFC 2104, section 2).

    A short one is filled up with zero bytes, one that is longer than a block is replaced by its hash.
    """
    if len(key) > 128:
        key = hashlib.new(digest_name(spec), key).digest()
    return key.ljust(BYTES[spec], b"\x00")


def rfc_4231() -> Iterator[tuple[str, bytes, bytes, bytes]]:
    for spec in BYTES:
        name = f"HMAC/rfc-4231-{digest_name(spec)}.txt"
        case: dict[str, bytes] = {}
        with cryptography_vectors.open_vector_file(name, "r") as file:
            for line in file:
                member, _, value = line.partition(" = ")
                if member in ("Key", "Msg", "MD"):
                    case[member] = bytes.fromhex(value)
                if member == "MD":
                    yield spec, fitting(spec, case["Key"]), case["Msg"], case["MD"]


def test_mac_is_that_of_rfc_4231() -> None:
    tried = 0
    for spec, key, message, mac in rfc_4231():
        assert loaded(spec, key).generate_mac(message) == mac
        loaded(spec, key).verify_mac(message, mac)
        tried += 1
    assert tried == 24


@pytest.mark.parametrize("spec", sorted(BYTES))
def test_made_key_is_as_long_as_its_hash_and_another_each_time(spec: str) -> None:
    made = [FAMILIES[spec, GENERATE_VERIFY_MAC].generate() for _ in range(2)]
    assert [len(material) for material in made] == [BYTES[spec]] * 2
    assert made[0] != made[1]


@pytest.mark.parametrize("spec", sorted(BYTES))
def test_load_takes_every_length_from_the_specs_to_1024_bits_and_no_other(spec: str) -> None:
    family = FAMILIES[spec, GENERATE_VERIFY_MAC]
    for length in range(BYTES[spec], 129):
        material = bytes(range(length))
        expected = hmac.digest(material, b"message", digest_name(spec))
        assert loaded(spec, material).generate_mac(b"message") == expected
        assert family.take_in(material) == material
    for length in (0, 1, BYTES[spec] - 1, 129, 256):
        with pytest.raises(ValueError, match="length"):
            family.load(header(spec, GENERATE_VERIFY_MAC), bytes(length))


@pytest.mark.parametrize("spec", sorted(BYTES))
def test_mac_with_anything_changed_is_refused(spec: str) -> None:
    key = loaded(spec, FAMILIES[spec, GENERATE_VERIFY_MAC].generate())
    mac = key.generate_mac(b"message")
    key.verify_mac(b"message", mac)
    for position in range(len(mac)):
        damaged = bytearray(mac)
        damaged[position] ^= 1
        with pytest.raises(SignatureRefused):
            key.verify_mac(b"message", bytes(damaged))
    for wrong in (b"", mac[:1], mac[:-1], mac + b"\x00", bytes(len(mac))):
        with pytest.raises(SignatureRefused):
            key.verify_mac(b"message", wrong)
    for message in (b"", b"massage", b"message\x00"):
        with pytest.raises(SignatureRefused):
            key.verify_mac(message, mac)
    other = loaded(spec, FAMILIES[spec, GENERATE_VERIFY_MAC].generate())
    with pytest.raises(SignatureRefused):
        other.verify_mac(b"message", mac)


def test_message_too_long_is_refused() -> None:
    key = loaded("HMAC_256", bytes(32))
    assert len(key.generate_mac(bytes(4096))) == 32
    with pytest.raises(BoundaryRefused):
        key.generate_mac(bytes(4097))
    with pytest.raises(BoundaryRefused):
        key.verify_mac(bytes(4097), bytes(32))


def test_macs_of_one_key_do_not_depend_on_what_it_did_before() -> None:
    key = loaded("HMAC_512", bytes(range(64)))
    for message, after in pairwise([b"one", b"", b"two" * 100, b"one"]):
        key.generate_mac(message)
        assert key.generate_mac(after) == hmac.digest(bytes(range(64)), after, "sha512")


def test_key_shows_nothing_of_its_material() -> None:
    key = loaded("HMAC_256", b"planted-material-of-an-HMAC-key!")
    assert repr(key).startswith("<HmacKey of ")
    assert not hasattr(key, "__dict__")
