"""Public halves of key pairs that live elsewhere: in a PKCS#11 token. No secret comes here but new data keys.

Tokens give numbers and points; callers of the API take and give DER.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.boundary.interface import PeerKeyRefused
from strongroom.boundary.software import rsa_keys
from strongroom.boundary.software.elliptic_curves import CURVES
from strongroom.boundary.software.private_keys import (
    parse_private_key,
    parse_public_key,
    render_private_key,
    render_public_key,
)

PUBLIC_EXPONENT: Final = rsa_keys.PUBLIC_EXPONENT


def render_rsa_public_key(key_spec: str, modulus: bytes) -> bytes:
    """DER SubjectPublicKeyInfo. Raises ValueError for a modulus of another length."""
    key = rsa.RSAPublicNumbers(PUBLIC_EXPONENT, int.from_bytes(modulus, "big")).public_key()
    if key.key_size != rsa_keys.KEY_BITS[key_spec]:
        raise ValueError("another modulus")
    return render_public_key(key)


def render_curve_public_key(key_spec: str, point: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of an uncompressed point. Raises ValueError for a point of another curve."""
    return render_public_key(ec.EllipticCurvePublicKey.from_encoded_point(CURVES[key_spec], point))


def public_half(material: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of a private key in PKCS #8. Raises ValueError."""
    key = parse_private_key(object, material, skip_primality=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("a private key of another kind")
    return render_public_key(key.public_key())


def point_of_peer(key_spec: str, peer_public_key: bytes) -> bytes:
    """The uncompressed point in another party's public key. Raises PeerKeyRefused."""
    try:
        peer = parse_public_key(ec.EllipticCurvePublicKey, peer_public_key)  # the point is on its curve
    except ValueError:
        raise PeerKeyRefused from None
    # One form only: the curve by its name, the point uncompressed, DER to the last byte.
    if peer.curve.name != CURVES[key_spec].name or render_public_key(peer) != peer_public_key:
        raise PeerKeyRefused
    return peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def render_ecdsa_signature(raw: bytes) -> bytes:
    """DER of a signature that is r and s, one after the other."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def encrypt_oaep(public_key: bytes, plaintext: bytes, algorithm: str) -> bytes:
    """RSAES-OAEP under a public key. Raises PlaintextRefused, BoundaryRefused."""
    return rsa_keys.encrypt(parse_public_key(rsa.RSAPublicKey, public_key), plaintext, algorithm)


def render_rsa_data_key(numbers: Sequence[int]) -> bytes:
    """PKCS #8 of a data key pair for its caller, from d, p, q, dmp1, dmq1, iqmp and n. Raises ValueError."""
    d, p, q, dmp1, dmq1, iqmp, n = numbers
    public = rsa.RSAPublicNumbers(PUBLIC_EXPONENT, n)
    return render_private_key(rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key())


def render_curve_data_key(key_spec: str, value: bytes) -> bytes:
    """PKCS #8 of a data key pair for its caller, from its private number. Raises ValueError."""
    return render_private_key(ec.derive_private_key(int.from_bytes(value, "big"), CURVES[key_spec]))
