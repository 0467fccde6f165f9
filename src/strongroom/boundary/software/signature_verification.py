"""Verifying with a bare public key: the same code that keys verify with, for keys that are not ours."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from strongroom.boundary.software import edwards_curve, elliptic_curves, ml_dsa, rsa_keys, sm2
from strongroom.boundary.software.families import LIBCRYPTO
from strongroom.boundary.software.private_keys import parse_public_key


def verify_signature(
    key_spec: str, public_key: bytes, message: bytes, message_type: str, algorithm: str, signature: bytes
) -> None:
    """Verify under a public key in DER SubjectPublicKeyInfo.

    Raises SignatureRefused; ValueError when the public key is not one of the spec; BoundaryRefused for an
    algorithm, message type or length that the spec has not.
    """
    if key_spec in rsa_keys.KEY_BITS:
        rsa_key = parse_public_key(RSAPublicKey, public_key)
        if rsa_key.key_size != rsa_keys.KEY_BITS[key_spec]:
            raise ValueError("another modulus")
        rsa_keys.verify(rsa_key, message, message_type, algorithm, signature)
    elif key_spec in elliptic_curves.CURVES:
        curve_key = parse_public_key(EllipticCurvePublicKey, public_key)
        if curve_key.curve.name != elliptic_curves.CURVES[key_spec].name:
            raise ValueError("another curve")
        elliptic_curves.verify(curve_key, message, message_type, algorithm, signature)
    elif key_spec == edwards_curve.KEY_SPEC:
        edwards_key = parse_public_key(Ed25519PublicKey, public_key)
        edwards_curve.verify(edwards_key, message, message_type, algorithm, signature)
    elif key_spec in ml_dsa.PUBLIC_KEYS:
        lattice_key = parse_public_key(ml_dsa.PUBLIC_KEYS[key_spec], public_key)
        ml_dsa.verify(lattice_key, message, message_type, algorithm, signature)
    elif key_spec == sm2.KEY_SPEC and LIBCRYPTO is not None:
        sm2.verify(LIBCRYPTO, public_key, message, message_type, algorithm, signature)
    else:
        raise ValueError("no key spec of signatures")
