"""SM2 computed again from the standard, in plain Python: openssl, the other witness, is the library itself.

Source: GB/T 32918.2 (signatures), GB/T 32918.4 (encryption), section numbers below.
"""

from __future__ import annotations

import os
import secrets

import pytest
from asn1crypto.core import Integer, OctetString, Sequence
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SM3, Hash
from tests.support.key_pairs import loaded, material
from tests.support.sm2 import needs_sm2

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.software.families import ENCRYPT_DECRYPT, KEY_AGREEMENT

pytestmark = needs_sm2

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
Point = tuple[int, int]


class Ciphertext(Sequence):  # type: ignore[misc]
    """GM/T 0009-2012, 7.2."""

    _fields = [("x", Integer), ("y", Integer), ("c3", OctetString), ("c2", OctetString)]  # noqa: RUF012


def plus(one: Point, two: Point) -> Point:
    (x1, y1), (x2, y2) = one, two
    above, below = (3 * x1 * x1 + A, 2 * y1) if one == two else (y2 - y1, x2 - x1)
    slope = above * pow(below, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(scalar: int, point: Point) -> Point:
    total: Point | None = None
    while scalar:
        if scalar & 1:
            total = point if total is None else plus(total, point)
        point = plus(point, point)
        scalar >>= 1
    assert total is not None
    return total


def sm3(*parts: bytes) -> bytes:
    digest = Hash(SM3())
    for part in parts:
        digest.update(part)
    return digest.finalize()


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def masked(point: Point, text: bytes) -> bytes:
    """GB/T 32918.4, 5.4.3: the key derivation, and the text under it."""
    blocks = (
        sm3(number(point[0]), number(point[1]), counter.to_bytes(4, "big"))
        for counter in range(1, len(text) // 32 + 2)
    )
    return bytes(one ^ two for one, two in zip(b"".join(blocks), text, strict=False))


def digest_of(public: Point, message: bytes) -> int:
    """GB/T 32918.2, 5.5 and 6.1: Z_A of the id 1234567812345678, and e."""
    numbers = (A, B, *G, *public)
    za = sm3(b"\x00\x80" + b"1234567812345678", *map(number, numbers))
    return int.from_bytes(sm3(za, message), "big")


def scalar_of(of: bytes) -> int:
    return int.from_bytes(of[36:68], "big")


def point_of(of: bytes) -> Point:
    return int.from_bytes(of[74:106], "big"), int.from_bytes(of[106:138], "big")


def test_public_half_is_the_base_point_times_the_scalar() -> None:
    for at in range(1, 6):
        assert times(scalar_of(material("SM2", at)), G) == point_of(material("SM2", at))


def test_signature_of_ours_verifies_by_the_textbook() -> None:
    """GB/T 32918.2, 7.1."""
    of, key = material("SM2"), loaded("SM2")
    for message in (b"x", os.urandom(4096)):
        r, s = decode_dss_signature(key.sign(message, "RAW", "SM2DSA"))
        assert 1 <= r < N
        assert 1 <= s < N
        t = (r + s) % N
        assert t != 0
        x, _ = plus(times(s, G), times(t, point_of(of)))
        assert (digest_of(point_of(of), message) + x) % N == r


def test_signature_by_the_textbook_verifies_here() -> None:
    """GB/T 32918.2, 6.1."""
    of, key = material("SM2"), loaded("SM2")
    private, e, k = scalar_of(of), digest_of(point_of(of), b"message"), 1 + secrets.randbelow(N - 1)
    r = (e + times(k, G)[0]) % N
    s = pow(1 + private, -1, N) * (k - r * private) % N
    key.verify(b"message", "RAW", "SM2DSA", encode_dss_signature(r, s))
    key.verify(number(e), "DIGEST", "SM2DSA", encode_dss_signature(r, s))
    with pytest.raises(SignatureRefused):
        key.verify(b"message", "RAW", "SM2DSA", encode_dss_signature(r, (s + 1) % N))


@pytest.mark.parametrize("size", [2, 31, 32, 33, 64, 1024])
def test_ciphertext_of_ours_opens_by_the_textbook(size: int) -> None:
    """GB/T 32918.4, 7.1."""
    of, plaintext = material("SM2"), os.urandom(size)
    sealed = loaded("SM2", key_usage=ENCRYPT_DECRYPT).encrypt_asymmetric(plaintext, "SM2PKE")
    parts = Ciphertext.load(sealed, strict=True)
    assert parts.dump(force=True) == sealed
    c1 = (parts["x"].native, parts["y"].native)
    assert (c1[1] ** 2 - (c1[0] ** 3 + A * c1[0] + B)) % P == 0
    shared = times(scalar_of(of), c1)
    opened = masked(shared, parts["c2"].native)
    assert opened == plaintext
    assert sm3(number(shared[0]), opened, number(shared[1])) == parts["c3"].native


@pytest.mark.parametrize("size", [2, 33, 1024, 2400])
def test_ciphertext_by_the_textbook_opens_here(size: int) -> None:
    """GB/T 32918.4, 6.1; more than Encrypt takes, too."""
    of, plaintext, k = material("SM2"), os.urandom(size), 1 + secrets.randbelow(N - 1)
    (x, y), shared = times(k, G), times(k, point_of(of))
    c3 = sm3(number(shared[0]), plaintext, number(shared[1]))
    sealed = Ciphertext({"x": x, "y": y, "c3": c3, "c2": masked(shared, plaintext)}).dump()
    assert loaded("SM2", key_usage=ENCRYPT_DECRYPT).decrypt_asymmetric(sealed, "SM2PKE") == plaintext


def test_shared_secret_is_the_x_coordinate_of_the_textbook() -> None:
    for at in (1, 2, 3):
        of, peer = material("SM2", at), loaded("SM2", material("SM2", at + 1), KEY_AGREEMENT)
        ours = loaded("SM2", of, KEY_AGREEMENT)
        secret = ours.derive_shared_secret(peer.public_key())
        assert secret == number(times(scalar_of(of), point_of(material("SM2", at + 1)))[0])
        assert peer.derive_shared_secret(ours.public_key()) == secret
