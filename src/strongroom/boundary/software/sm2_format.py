"""The bytes of SM2: private keys, public keys and ciphertexts, read strictly. No cryptography here.

Source: GB/T 32918.5-2017 (the curve), GM/T 0006-2012 (its object identifier 1.2.156.10197.1.301), RFC 5208
and RFC 5915 (private keys), GM/T 0009-2012 section 7.2 (ciphertexts: C1, C3, C2 as one ASN.1 sequence).
"""

from __future__ import annotations

from typing import Final

FIELD_PRIME: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
CURVE_TEXT: Final = bytes.fromhex(
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
)
"""a, b, and the coordinates of the base point, as ZA takes them."""

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04
_PARAMETERS: Final = 0xA0
_PUBLIC_KEY: Final = 0xA1
_CURVE_NAME: Final = bytes.fromhex("06082a811ccf5501822d")
_ALGORITHM: Final = bytes.fromhex("06072a8648ce3d0201") + _CURVE_NAME
"""An elliptic curve key, of this curve by its name."""
_PRIVATE_START: Final = bytes.fromhex("3081870201003013") + _ALGORITHM + bytes.fromhex("046d306b0201010420")
_PRIVATE_MIDDLE: Final = bytes.fromhex("a144034200")
_PUBLIC_START: Final = bytes.fromhex("30593013") + _ALGORITHM + bytes.fromhex("034200")
_PRIVATE_BYTES: Final = 138
_SCALAR: Final = slice(len(_PRIVATE_START), len(_PRIVATE_START) + 32)
_HASH_BYTES: Final = 32


def require_scalar(scalar: bytes) -> bytes:
    """Raises ValueError unless 1 <= d <= n-2 (GB/T 32918.1): with n-1 nothing could be signed, for ever."""
    if len(scalar) != 32 or not 1 <= int.from_bytes(scalar, "big") <= ORDER - 2:
        raise ValueError("not a private key")
    return scalar


def render_private_key(scalar: bytes, point: bytes) -> bytes:
    """The one form in which a key pair is kept: PKCS #8 with the uncompressed public point."""
    return _PRIVATE_START + scalar + _PRIVATE_MIDDLE + point


def scalar_of_kept(material: bytes) -> bytes:
    """The scalar in material of the one form; the caller renders it again to compare. Raises ValueError."""
    if len(material) != _PRIVATE_BYTES:
        raise ValueError("not a private key")
    return require_scalar(material[_SCALAR])


def render_public_key(point: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of an uncompressed point."""
    return _PUBLIC_START + point


def point_of_public_key(public_key: bytes) -> bytes:
    """The uncompressed point in SubjectPublicKeyInfo of the one form. Raises ValueError.

    Whether it lies on the curve is not known here.
    """
    point = public_key.removeprefix(_PUBLIC_START)
    if not public_key.startswith(_PUBLIC_START) or len(point) != 65 or point[0] != 4:
        raise ValueError("not a public key")
    return point


def parse_private_key(der: bytes) -> tuple[bytes, bytes | None]:
    """The scalar and, where it is there, the encoded public point of PKCS #8 in DER. Raises ValueError.

    What may differ in valid encodings: the curve may be named once more, the point be absent or compressed.
    """
    version, rest = _read(_INTEGER, _read_whole(_SEQUENCE, der))
    algorithm, rest = _read(_SEQUENCE, rest)
    private_key = _read_whole(_SEQUENCE, _read_whole(_OCTET_STRING, rest))
    inner_version, rest = _read(_INTEGER, private_key)
    scalar, rest = _read(_OCTET_STRING, rest)
    if (version, algorithm, inner_version) != (b"\x00", _ALGORITHM, b"\x01"):
        raise ValueError("not a private key of the curve")
    if rest[:1] == bytes([_PARAMETERS]):
        parameters, rest = _read(_PARAMETERS, rest)
        if parameters != _CURVE_NAME:
            raise ValueError("another curve")
    point = None
    if rest:
        bits = _read_whole(_BIT_STRING, _read_whole(_PUBLIC_KEY, rest))
        if bits[:1] != b"\x00":
            raise ValueError("not whole bytes")
        point = bits[1:]
    return require_scalar(scalar), point


def encodings_of(point: bytes) -> tuple[bytes, ...]:
    """How an uncompressed point may also be written: as it is, compressed, hybrid (SEC 1, 2.3.3)."""
    x, y = point[1:33], point[33:]
    odd = y[-1] & 1
    return point, bytes([2 + odd]) + x, bytes([6 + odd]) + x + y


def masked_part(ciphertext: bytes) -> bytes:
    """C2 of a ciphertext in DER, which has as many bytes as the plaintext. Raises ValueError.

    Stricter than libcrypto, which takes trailing bytes, other lengths' encodings and coordinates beyond the
    field: one plaintext and one random number have one ciphertext.
    """
    rest = _read_whole(_SEQUENCE, ciphertext)
    for _ in ("x", "y"):
        _, rest = _read_number(rest, FIELD_PRIME)
    digest, rest = _read(_OCTET_STRING, rest)
    masked = _read_whole(_OCTET_STRING, rest)
    if len(digest) != _HASH_BYTES or not masked:
        raise ValueError("lengths")
    return masked


def require_signature(signature: bytes) -> None:
    """Raises ValueError unless it is r and s in DER, from 1 to n-1."""
    r, rest = _read_number(_read_whole(_SEQUENCE, signature), ORDER)
    s, rest = _read_number(rest, ORDER)
    if rest or not r or not s:
        raise ValueError("not a signature")


def _read_number(der: bytes, end: int) -> tuple[int, bytes]:
    """The integer at the front, at least 0 and below `end`, and what follows it. Raises ValueError."""
    contents, rest = _read(_INTEGER, der)
    number = int.from_bytes(contents, "big", signed=True)
    if not 0 <= number < end or len(contents) != number.bit_length() // 8 + 1:
        raise ValueError("not a number in range")
    return number, rest


def _read(tag: int, der: bytes) -> tuple[bytes, bytes]:
    """The contents of the DER value at the front, and what follows it. Raises ValueError."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError("another value")
    length, start = der[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        written = der[2:start]
        length = int.from_bytes(written, "big")
        shortest = len(written) == start - 2 and 1 <= len(written) <= 2 and written[0] != 0
        if not shortest or length < 0x80:
            raise ValueError("not the shortest length")
    end = start + length
    if end > len(der):
        raise ValueError("cut off")
    return der[start:end], der[end:]


def _read_whole(tag: int, der: bytes) -> bytes:
    """The contents of the one DER value that these bytes are. Raises ValueError."""
    contents, rest = _read(tag, der)
    if rest:
        raise ValueError("more follows")
    return contents
