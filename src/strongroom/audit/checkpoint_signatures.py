"""Who checks a checkpoint's signature: `strongroom audit verify`, with nothing but the public key."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from strongroom.audit.checkpoints import SignedCheckpoint, key_id_of

KEY_FILE_BYTES_MAX: Final = 4096


class CheckpointKey:
    """A public key, and its id."""

    def __init__(self, pem: bytes) -> None:
        """Raises ValueError for anything but an Ed25519 public key in PEM."""
        try:
            key = load_pem_public_key(pem)
        except UnsupportedAlgorithm:
            raise ValueError("not an Ed25519 public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 public key")
        self._key = key
        self.id = key_id_of(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def has_signed(self, signed: SignedCheckpoint) -> bool:
        """Whether its private key made this signature of this text."""
        try:
            self._key.verify(signed.signature, signed.text)
        except InvalidSignature:
            return False
        return True
