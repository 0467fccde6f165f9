"""SYMMETRIC_DEFAULT keys as external keys: what the proxy of external key stores has sealed and opened.

message key = KDF(backing key, a label of its own, key id || 88-bit nonce): never a key of a ciphertext blob,
so neither service opens what the other sealed. The table for readers is
docs/formats/external-key-ciphertext.md.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from strongroom.boundary.ciphertext_format import render_key_id
from strongroom.boundary.external_key_format import (
    IV_BYTES,
    KDF_NONCE_BYTES,
    MATERIAL_PREFIX_BYTES,
    PLAINTEXT_BYTES_MAX,
    VERSION,
    kdf_nonce_of,
    material_prefix,
    render_authenticated_data,
    render_metadata,
    split_sealed,
)
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused
from strongroom.boundary.key_hierarchy import LABEL_EXTERNAL_MESSAGE_KEY, TokenHeader
from strongroom.boundary.software.key_derivation import finish_derivation, start_derivation


class ExternalHalf:
    """One backing key in an external key's place. Secrets: only a keyed HMAC is kept."""

    __slots__ = ("_derivation", "_material_id")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self._material_id = header.material_id
        self._derivation: HMAC = start_derivation(
            material, LABEL_EXTERNAL_MESSAGE_KEY, render_key_id(header.key_id)
        )

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Metadata, IV, tag and ciphertext of 1 to 4300 bytes. Raises BoundaryRefused."""
        kdf_nonce, iv = os.urandom(KDF_NONCE_BYTES), os.urandom(IV_BYTES)
        metadata = render_metadata(self._material_id, kdf_nonce)
        if not 1 <= len(plaintext) <= PLAINTEXT_BYTES_MAX:
            raise BoundaryRefused
        try:
            authenticated = render_authenticated_data(aad, metadata)
        except ValueError:
            raise BoundaryRefused from None
        key = AESGCM(finish_derivation(self._derivation, kdf_nonce))
        encrypted = key.encrypt(iv, plaintext, authenticated)
        return metadata + iv + encrypted[len(plaintext) :] + encrypted[: len(plaintext)]

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """What was encrypted. Raises CiphertextRefused, always the same."""
        # INVARIANT B3: of another key or material, or with any bit changed, it is refused.
        try:
            metadata, iv, tag, ciphertext = split_sealed(sealed)
            authenticated = render_authenticated_data(aad, metadata)
            if metadata[0] != VERSION:
                raise ValueError
            if bytes.fromhex(material_prefix(metadata)) != self._material_id[:MATERIAL_PREFIX_BYTES]:
                raise ValueError
            key = AESGCM(finish_derivation(self._derivation, kdf_nonce_of(metadata)))
            return key.decrypt(iv, ciphertext + tag, authenticated)
        except (ValueError, InvalidTag):
            raise CiphertextRefused from None
