"""ECC_NIST_P256, P384, P521 of usage KEY_AGREEMENT: ECDH with another party's public key.

Source: SP 800-56A rev. 3, 5.7.1.2. The curves' cofactor is 1, so it is plain ECDH; the shared secret is the
x coordinate alone, as long as the field.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.boundary.backing_keys import AgreementKey
from strongroom.boundary.interface import PeerKeyRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.elliptic_curves import load_elliptic_curve_key
from strongroom.boundary.software.private_keys import parse_public_key, render_public_key

KEY_SPECS: Final = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")


class EllipticCurveAgreementKey(AgreementKey):
    """A key pair for ECDH. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key = load_elliptic_curve_key(header.key_spec, material)

    def __repr__(self) -> str:
        return f"<EllipticCurveAgreementKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._private_key.public_key())

    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        try:
            peer = parse_public_key(ec.EllipticCurvePublicKey, peer_public_key)  # the point is on its curve
        except ValueError:
            raise PeerKeyRefused from None
        if peer.curve.name != self._private_key.curve.name:
            raise PeerKeyRefused
        # One form only: the curve by its name, the point uncompressed, DER to the last byte.
        if render_public_key(peer) != peer_public_key:
            raise PeerKeyRefused
        try:
            return self._private_key.exchange(ec.ECDH(), peer)
        except ValueError:
            raise PeerKeyRefused from None
