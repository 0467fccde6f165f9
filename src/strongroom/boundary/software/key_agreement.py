"""Elliptic curve keys for key agreement: the NIST curves, by ECDH.

Source: SP 800-56A rev. 3, 5.7.1.2 (the curves' cofactor is 1, so it is plain ECDH); the shared secret is the
x coordinate alone, as long as the field. Public keys: RFC 5480. Private keys: RFC 5958 with RFC 5915.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.boundary.backing_keys import AgreementKey
from strongroom.boundary.interface import PeerKeyRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.elliptic_curves import load_elliptic_curve_key
from strongroom.boundary.software.private_keys import parse_public_key, render_public_key

KEY_USAGE: Final = "KEY_AGREEMENT"
KEY_SPECS: Final = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")


class AgreementBackingKey(AgreementKey):
    """An unwrapped private key that agrees with others' public keys on a shared secret.

    Secrets: the private key stays in OpenSSL's memory; no attribute or repr shows it.
    """

    __slots__ = ("_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        """Raises ValueError for material that is not a private key of the spec's curve."""
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._key = load_elliptic_curve_key(header.key_spec, material)

    def __repr__(self) -> str:
        return f"<AgreementBackingKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._key.public_key())

    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        try:
            # Points that are not on their curve are refused here.
            peer = parse_public_key(ec.EllipticCurvePublicKey, peer_public_key)
        except ValueError:
            raise PeerKeyRefused from None
        if peer.curve.name != self._key.curve.name:
            raise PeerKeyRefused
        if render_public_key(peer) != peer_public_key:  # a point compressed, or other liberties of BER
            raise PeerKeyRefused
        try:
            return self._key.exchange(ec.ECDH(), peer)
        except ValueError:
            raise PeerKeyRefused from None
