"""Elliptic curve keys for key agreement: the NIST curves, by ECDH.

Source: SP 800-56A rev. 3, 5.7.1.2 (the curves' cofactor is 1, so it is plain ECDH); the shared secret is the
x coordinate alone, as long as the field. Public keys: RFC 5480. Private keys: RFC 5958 with RFC 5915.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from strongroom.boundary.backing_keys import AgreementKey
from strongroom.boundary.interface import PeerKeyRefused
from strongroom.boundary.key_hierarchy import TokenHeader

KEY_USAGE: Final = "KEY_AGREEMENT"
CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
}
"""By key spec."""


def material_generator(key_spec: str) -> Callable[[], bytes]:
    """What makes the key material of a spec: a private key as DER PKCS #8."""
    curve = CURVES[key_spec]
    return lambda: ec.generate_private_key(curve).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )


def load_private_key(material: bytes, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    """The private key of DER PKCS #8, on that named curve.

    Raises ValueError for anything else: trailing bytes, another curve or explicit parameters, a scalar
    out of range, or a public key inside that is not the private key's.
    """
    try:
        key = load_der_private_key(material, None)
    except (TypeError, UnsupportedAlgorithm):  # encrypted, or of no kind that is known
        raise ValueError("private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != curve.name:
        raise ValueError("curve")
    return key


def render_public_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """The one SubjectPublicKeyInfo of a key: named curve, point uncompressed."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class AgreementBackingKey(AgreementKey):
    """An unwrapped private key that agrees with others' public keys on a shared secret.

    Secrets: the private key stays in OpenSSL's memory; no attribute or repr shows it.
    """

    __slots__ = ("_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        """Raises ValueError for material that is not a private key of the spec's curve."""
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._key = load_private_key(material, CURVES[header.key_spec])

    def __repr__(self) -> str:
        return f"<AgreementBackingKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._key.public_key())

    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        try:
            peer = load_der_public_key(peer_public_key)  # refuses points that are not on their curve
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise PeerKeyRefused from None
        if not isinstance(peer, ec.EllipticCurvePublicKey) or peer.curve.name != self._key.curve.name:
            raise PeerKeyRefused
        if render_public_key(peer) != peer_public_key:  # a point compressed, or other liberties of BER
            raise PeerKeyRefused
        try:
            return self._key.exchange(ec.ECDH(), peer)
        except ValueError:
            raise PeerKeyRefused from None
