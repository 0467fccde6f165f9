"""What a KMS key seals in an external key's place (the proxy of other services' external key stores): where
each byte is. Pure bytes, no secrets. The table for readers is docs/formats/external-key-ciphertext.md.

Source: External Key Store Proxy API Specification 1.0.3, "Encrypt" (lengths, ciphertextMetadata, AAD').
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

VERSION: Final = 1
VERSION_TOKEN: Final = 2
"""Of a key that a PKCS#11 token holds: no key for each message, and a longer IV instead."""
MATERIAL_PREFIX_BYTES: Final = 8
"""Of the key material id: enough to choose among the materials of one key."""
KDF_NONCE_BYTES: Final = 11
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
METADATA_BYTES: Final = 1 + MATERIAL_PREFIX_BYTES + KDF_NONCE_BYTES
"""The most that the specification allows: 20."""
NONCE_BYTES: Final = KDF_NONCE_BYTES + IV_BYTES
TOKEN_METADATA_BYTES: Final = 1 + MATERIAL_PREFIX_BYTES
TOKEN_IV_BYTES: Final = 16
PLAINTEXT_BYTES_MAX: Final = 4300
AAD_BYTES_MAX: Final = 8192
OVERHEAD_BYTES: Final = METADATA_BYTES + IV_BYTES + TAG_BYTES
_LENGTHS: Final = {
    VERSION: (METADATA_BYTES, IV_BYTES),
    VERSION_TOKEN: (TOKEN_METADATA_BYTES, TOKEN_IV_BYTES),
}

_AAD_LENGTH = struct.Struct(">H")


class Sealed(NamedTuple):
    """The parts of what was sealed, as the proxy API has them."""

    metadata: bytes
    iv: bytes
    tag: bytes
    ciphertext: bytes


def split_sealed(sealed: bytes) -> Sealed:
    """Take apart what the boundary sealed. Raises ValueError for a length or version that nothing has."""
    iv_at, iv_bytes = lengths_of(sealed)
    tag_at = iv_at + iv_bytes
    ciphertext_at = tag_at + TAG_BYTES
    if not ciphertext_at < len(sealed) <= ciphertext_at + PLAINTEXT_BYTES_MAX:
        raise ValueError("not sealed by an external key: length")
    return Sealed(sealed[:iv_at], sealed[iv_at:tag_at], sealed[tag_at:ciphertext_at], sealed[ciphertext_at:])


def lengths_of(metadata: bytes) -> tuple[int, int]:
    """Of metadata and IV, by the version that begins them. Raises ValueError."""
    lengths = _LENGTHS.get(metadata[0]) if metadata else None
    if lengths is None:
        raise ValueError("not sealed by an external key: version")
    return lengths


def render_metadata(material_id: bytes, kdf_nonce: bytes) -> bytes:
    """The ciphertextMetadata: version, which material, and the nonce of the message key."""
    return bytes((VERSION,)) + material_id[:MATERIAL_PREFIX_BYTES] + kdf_nonce


def render_token_metadata(material_id: bytes) -> bytes:
    """The ciphertextMetadata of a key in a token."""
    return bytes((VERSION_TOKEN,)) + material_id[:MATERIAL_PREFIX_BYTES]


def material_prefix(metadata: bytes) -> str:
    """The first hex digits of the key material id that it names. Raises ValueError."""
    if len(metadata) != lengths_of(metadata)[0]:
        raise ValueError("not the metadata of an external key")
    return metadata[1 : 1 + MATERIAL_PREFIX_BYTES].hex()


def kdf_nonce_of(metadata: bytes) -> bytes:
    """The nonce of the message key."""
    return metadata[1 + MATERIAL_PREFIX_BYTES :]


def render_authenticated_data(aad: bytes, metadata: bytes) -> bytes:
    """AAD': both lengths count, so no part passes for the other. Raises ValueError."""
    if len(aad) > AAD_BYTES_MAX:
        raise ValueError("too much additional authenticated data")
    return _AAD_LENGTH.pack(len(aad)) + aad + bytes((len(metadata),)) + metadata
