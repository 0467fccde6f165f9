"""The signature under checkpoints of the audit trail: Ed25519 (RFC 8032) by a key of its own.

The key is derived from the root key, so every boundary and every restart has the same one, and there is
nothing of it to keep, to lose or to put back. It signs nothing but texts that begin as a checkpoint does.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.boundary.interface import BoundaryRefused
from strongroom.boundary.key_hierarchy import LABEL_AUDIT_CHECKPOINT
from strongroom.boundary.software.key_derivation import derive_key

TITLE: Final = b"strongroom audit checkpoint 1\n"
TEXT_BYTES_MAX: Final = 1024


class CheckpointSigner:
    """Signs, and knows its own signatures. Secrets: holds the private key; no repr shows it."""

    __slots__ = ("_key", "key_id", "public_key")

    def __init__(self, root_key: bytes) -> None:
        # RFC 8032, section 5.1.5: any 32 bytes are a private key.
        self._key = Ed25519PrivateKey.from_private_bytes(
            derive_key(root_key, LABEL_AUDIT_CHECKPOINT, b"Ed25519")
        )
        public_key = self._key.public_key()
        self.public_key = public_key.public_bytes_raw()
        information = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = hashlib.sha256(information).hexdigest()

    def sign(self, text: bytes) -> bytes:
        """64 bytes. Raises BoundaryRefused for what is no checkpoint."""
        if not text.startswith(TITLE) or len(text) > TEXT_BYTES_MAX:
            raise BoundaryRefused
        return self._key.sign(text)

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Whether `sign` has given this signature for this text, here or in another boundary."""
        try:
            self._key.public_key().verify(signature, text)
        except InvalidSignature:
            return False
        return True
