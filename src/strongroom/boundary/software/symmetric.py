"""SYMMETRIC_DEFAULT keys: generate, name, encrypt, decrypt. Each message has its own AES-256-GCM key.

message key = KDF(backing key, label, key id || 128-bit nonce); the IV is random as well, so two messages
collide only if 224 random bits do. The table for readers is docs/formats/ciphertext.md.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.boundary.backing_keys import ProxiedKey
from strongroom.boundary.ciphertext_format import (
    BLOB_BYTES_MAX,
    BLOB_BYTES_MIN,
    HEADER_BYTES,
    IV_BYTES,
    KDF_NONCE_BYTES,
    PLAINTEXT_BYTES_MAX,
    PREFIX_BYTES,
    render_authenticated_data,
    render_key_id,
    render_prefix,
)
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused
from strongroom.boundary.key_hierarchy import LABEL_MESSAGE_KEY, TokenHeader
from strongroom.boundary.software.external_keys import ExternalHalf
from strongroom.boundary.software.key_derivation import finish_derivation, start_derivation

KEY_SPEC: Final = "SYMMETRIC_DEFAULT"
KEY_USAGE: Final = "ENCRYPT_DECRYPT"
BACKING_KEY_BYTES: Final = 32
NONCE_BYTES: Final = KDF_NONCE_BYTES + IV_BYTES
_IV_AT: Final = PREFIX_BYTES + KDF_NONCE_BYTES


def generate_material() -> bytes:
    """A new 256-bit backing key."""
    return os.urandom(BACKING_KEY_BYTES)


class SymmetricBackingKey(ProxiedKey):
    """An unwrapped backing key, able to encrypt and decrypt but not to be read.

    Secrets: only a keyed HMAC is kept; no attribute or repr shows the key.
    """

    __slots__ = ("_derivation", "_external", "_prefix", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        if len(material) != BACKING_KEY_BYTES:
            raise ValueError("backing key length")
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._prefix = render_prefix(header.key_id, header.material_id)
        self._derivation = start_derivation(material, LABEL_MESSAGE_KEY, render_key_id(header.key_id))
        self._external = ExternalHalf(header, material)

    def __repr__(self) -> str:
        return f"<SymmetricBackingKey of {self.key_id.decode('ascii')}>"

    def encrypt(self, plaintext: bytes, aad: bytes, nonce: bytes) -> bytes:
        """The ciphertext blob of 1 to 4096 bytes. Raises BoundaryRefused.

        `nonce` is 28 bytes never used before: KDF nonce, then IV.
        """
        if not 1 <= len(plaintext) <= PLAINTEXT_BYTES_MAX:
            raise BoundaryRefused
        message_key = finish_derivation(self._derivation, nonce[:KDF_NONCE_BYTES])
        header = self._prefix + nonce
        return header + AESGCM(message_key).encrypt(
            nonce[KDF_NONCE_BYTES:], plaintext, render_authenticated_data(header, aad)
        )

    def decrypt(self, blob: bytes, aad: bytes) -> bytes:
        """The plaintext of a blob that this backing key made. Raises CiphertextRefused, always the same."""
        # INVARIANT B3: a blob of another key or material, or with any bit changed, is refused.
        if not BLOB_BYTES_MIN <= len(blob) <= BLOB_BYTES_MAX or blob[:PREFIX_BYTES] != self._prefix:
            raise CiphertextRefused
        header = blob[:HEADER_BYTES]
        message_key = finish_derivation(self._derivation, header[PREFIX_BYTES:_IV_AT])
        try:
            return AESGCM(message_key).decrypt(
                header[_IV_AT:], blob[HEADER_BYTES:], render_authenticated_data(header, aad)
            )
        except InvalidTag:
            raise CiphertextRefused from None

    def encrypt_external(self, plaintext: bytes, aad: bytes) -> bytes:
        return self._external.encrypt(plaintext, aad)

    def decrypt_external(self, sealed: bytes, aad: bytes) -> bytes:
        return self._external.decrypt(sealed, aad)
