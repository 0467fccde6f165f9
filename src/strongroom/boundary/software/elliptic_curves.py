"""ECC_NIST_P256, P384, P521 and ECC_SECG_P256K1: key pairs on Weierstrass curves; ECDSA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from strongroom.boundary.backing_keys import SigningKey
from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.digests import HASHES, digest_of
from strongroom.boundary.software.private_keys import (
    load_private_key,
    parse_private_key,
    render_private_key,
    render_public_key,
)

CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
"""By key spec."""

ALGORITHM_OF_CURVE: Final[Mapping[str, str]] = {
    "secp256r1": "SHA_256",
    "secp384r1": "SHA_384",
    "secp521r1": "SHA_512",
    "secp256k1": "SHA_256",
}


def generate_material(key_spec: str) -> bytes:
    """A new key pair on the spec's curve."""
    return render_private_key(ec.generate_private_key(CURVES[key_spec]))


def load_elliptic_curve_key(key_spec: str, material: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key in kept material, on the spec's curve. Raises ValueError."""
    return _require_curve(key_spec, load_private_key(ec.EllipticCurvePrivateKey, material))


def take_in_material(key_spec: str, material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere, where the public half may be missing.

    Raises ValueError for another curve, or a public half that is not the private key's.
    """
    return render_private_key(
        _require_curve(key_spec, parse_private_key(ec.EllipticCurvePrivateKey, material))
    )


def _require_curve(key_spec: str, key: ec.EllipticCurvePrivateKey) -> ec.EllipticCurvePrivateKey:
    if key.curve.name != CURVES[key_spec].name:
        raise ValueError("another curve")
    return key


def verify(
    key: ec.EllipticCurvePublicKey, message: bytes, message_type: str, algorithm: str, signature: bytes
) -> None:
    """Raises SignatureRefused, BoundaryRefused."""
    hash_algorithm = _hash_for(key.curve, algorithm)
    digest = digest_of(message, message_type, hash_algorithm)
    try:
        key.verify(signature, digest, ec.ECDSA(Prehashed(hash_algorithm)))
    except InvalidSignature:
        raise SignatureRefused from None


def _hash_for(curve: ec.EllipticCurve, algorithm: str) -> HashAlgorithm:
    """The hash of the one algorithm that a curve goes with. Raises BoundaryRefused for any other."""
    name = ALGORITHM_OF_CURVE.get(curve.name)
    if name is None or algorithm != f"ECDSA_{name}":
        raise BoundaryRefused
    return HASHES[name]


class EllipticCurveSigningKey(SigningKey):
    """A key pair for ECDSA. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key = load_elliptic_curve_key(header.key_spec, material)
        self._public_key = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<EllipticCurveSigningKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        hash_algorithm = _hash_for(self._private_key.curve, algorithm)
        digest = digest_of(message, message_type, hash_algorithm)
        return self._private_key.sign(digest, ec.ECDSA(Prehashed(hash_algorithm)))

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        verify(self._public_key, message, message_type, algorithm, signature)
