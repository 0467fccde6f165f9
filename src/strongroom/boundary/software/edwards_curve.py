"""ECC_NIST_EDWARDS25519: Ed25519 over raw messages, Ed25519ph over digests.

KMS hashes the digest that it is given once more: what is signed as Ed25519ph is the 64-byte digest as the
message (Sign API reference, MessageType: "the input is hashed twice: once by you and once by KMS").
`cryptography` has no Ed25519ph, so that one is libsodium's.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from strongroom.boundary.backing_keys import SigningKey
from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.digests import DIGEST, RAW, require_raw
from strongroom.boundary.software.private_keys import (
    load_private_key,
    parse_private_key,
    render_private_key,
    render_public_key,
)

KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
PURE: Final = "ED25519_SHA_512"
PREHASHED: Final = "ED25519_PH_SHA_512"
DIGEST_BYTES: Final = 64
SIGNATURE_BYTES: Final = 64


def generate_material() -> bytes:
    """A new key pair."""
    return render_private_key(Ed25519PrivateKey.generate())


def take_in_material(material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere. Raises ValueError."""
    return render_private_key(parse_private_key(Ed25519PrivateKey, material))


def sign_ph(key: Ed25519PrivateKey, message: bytes) -> bytes:
    """The Ed25519ph signature of a message, without a context (RFC 8032, section 5.1)."""
    state = sodium.crypto_sign_ed25519ph_state()
    sodium.crypto_sign_ed25519ph_update(state, message)
    return sodium.crypto_sign_ed25519ph_final_create(
        state, key.private_bytes_raw() + key.public_key().public_bytes_raw()
    )


def verify_ph(key: Ed25519PublicKey, message: bytes, signature: bytes) -> None:
    """Raises SignatureRefused."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureRefused
    state = sodium.crypto_sign_ed25519ph_state()
    sodium.crypto_sign_ed25519ph_update(state, message)
    try:
        sodium.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw())
    except CryptoError:
        raise SignatureRefused from None


def verify(
    key: Ed25519PublicKey, message: bytes, message_type: str, algorithm: str, signature: bytes
) -> None:
    """Raises SignatureRefused, BoundaryRefused."""
    if _is_pure(message, message_type, algorithm):
        try:
            key.verify(signature, message)
        except InvalidSignature:
            raise SignatureRefused from None
    else:
        verify_ph(key, message, signature)


def _is_pure(message: bytes, message_type: str, algorithm: str) -> bool:
    """Whether it is Ed25519 rather than Ed25519ph. Raises BoundaryRefused when it is neither."""
    if algorithm == PURE and message_type == RAW:
        require_raw(message)
        return True
    if algorithm == PREHASHED and message_type == DIGEST and len(message) == DIGEST_BYTES:
        return False
    raise BoundaryRefused


class EdwardsSigningKey(SigningKey):
    """A key pair for Ed25519 and Ed25519ph. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key = load_private_key(Ed25519PrivateKey, material)
        self._public_key = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<EdwardsSigningKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        if _is_pure(message, message_type, algorithm):
            return self._private_key.sign(message)
        return sign_ph(self._private_key, message)

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        verify(self._public_key, message, message_type, algorithm, signature)
