"""The ciphertext blob of a symmetric KMS key: what it says in clear, and where each byte is.

Pure bytes, no secrets: front workers read the header so that authorization comes before any
cryptography. The table for readers is docs/formats/ciphertext.md.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

MAGIC: Final = b"SR"
VERSION: Final = 1
VERSION_EXTERNAL: Final = 2
"""A blob of version 1 or 3 that an external key has encrypted once more."""
VERSION_TOKEN: Final = 3
"""Encrypted by a key inside a PKCS#11 token."""
FLAG_MULTI_REGION: Final = 0x01
"""The key id is `mrk-` and 32 hex digits, not a UUID."""

PREFIX_BYTES: Final = 52
"""Magic, version, flags, key id, material id: the same for every blob of one key material."""
KDF_NONCE_BYTES: Final = 16
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
HEADER_BYTES: Final = PREFIX_BYTES + KDF_NONCE_BYTES + IV_BYTES
OVERHEAD_BYTES: Final = HEADER_BYTES + TAG_BYTES
PLAINTEXT_BYTES_MAX: Final = 4096
BLOB_BYTES_MIN: Final = OVERHEAD_BYTES + 1
BLOB_BYTES_MAX: Final = OVERHEAD_BYTES + PLAINTEXT_BYTES_MAX
TOKEN_IV_BYTES: Final = 16
TOKEN_HEADER_BYTES: Final = PREFIX_BYTES + TOKEN_IV_BYTES
TOKEN_BLOB_BYTES_MIN: Final = TOKEN_HEADER_BYTES + TAG_BYTES + 1
TOKEN_BLOB_BYTES_MAX: Final = TOKEN_HEADER_BYTES + TAG_BYTES + PLAINTEXT_BYTES_MAX
EXTERNAL_HEADER_BYTES: Final = PREFIX_BYTES + 32
"""Prefix, and the SHA-256 of the blob of version 1 inside."""
EXTERNAL_BLOB_BYTES_MIN: Final = EXTERNAL_HEADER_BYTES + 1 + 12 + 1 + 16 + TOKEN_BLOB_BYTES_MIN
EXTERNAL_BLOB_BYTES_MAX: Final = EXTERNAL_HEADER_BYTES + 1 + 16 + 1 + 20 + 16 + BLOB_BYTES_MAX
"""Header, IV with its length, metadata with its length, tag, and the encrypted blob."""
PREFIXES_REMEMBERED_MAX: Final = 2048
"""Callers choose what stands in a blob: what is kept of it is bounded."""

_LENGTHS: Final = {
    VERSION: (BLOB_BYTES_MIN, BLOB_BYTES_MAX),
    VERSION_EXTERNAL: (EXTERNAL_BLOB_BYTES_MIN, EXTERNAL_BLOB_BYTES_MAX),
    VERSION_TOKEN: (TOKEN_BLOB_BYTES_MIN, TOKEN_BLOB_BYTES_MAX),
}
_START = struct.Struct(">2sBB")
_LENGTH = struct.Struct(">I")
_KEY_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}", re.ASCII
)


class CiphertextHeader(NamedTuple):
    """What a ciphertext blob says about itself. Not authenticated until the boundary opened the blob."""

    version: int
    key_id: str
    material_id: str


def parse_header(blob: bytes) -> CiphertextHeader:
    """Read which KMS key and key material a ciphertext blob names.

    Raises: ValueError for anything that is not a blob of this format; the message names no content.
    Secrets: none are needed and none are read.
    """
    if not TOKEN_BLOB_BYTES_MIN <= len(blob) <= EXTERNAL_BLOB_BYTES_MAX:
        raise ValueError("not a ciphertext blob: length")
    header = _parse_prefix(blob[:PREFIX_BYTES])
    least, most = _LENGTHS[header.version]
    if not least <= len(blob) <= most:
        raise ValueError("not a ciphertext blob: length")
    return header


@lru_cache(maxsize=PREFIXES_REMEMBERED_MAX)
def _parse_prefix(prefix: bytes) -> CiphertextHeader:
    """Remembered, for few key materials make nearly all blobs."""
    magic, version, flags = _START.unpack_from(prefix)
    if magic != MAGIC or version not in _LENGTHS or flags > FLAG_MULTI_REGION:
        raise ValueError("not a ciphertext blob: header")
    digits = prefix[4:20].hex()
    if flags:
        key_id = "mrk-" + digits
    else:
        key_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return CiphertextHeader(version, key_id, prefix[20:].hex())


def render_key_id(key_id: str) -> bytes:
    """A key id as 17 bytes: the flags byte, then 16 bytes. Raises ValueError for any other form of id."""
    if _KEY_ID.fullmatch(key_id) is None:
        raise ValueError("not a key id")
    if key_id.startswith("mrk-"):
        return bytes([FLAG_MULTI_REGION]) + bytes.fromhex(key_id[4:])
    return b"\x00" + bytes.fromhex(key_id.replace("-", ""))


def render_prefix(key_id: str, material_id: bytes, version: int = VERSION) -> bytes:
    """The first 52 bytes of every blob of one key material. Raises ValueError for a malformed id."""
    if len(material_id) != 32:
        raise ValueError("not a material id")
    return MAGIC + bytes([version]) + render_key_id(key_id) + material_id


def render_external_header(blob: bytes) -> bytes:
    """The first 84 bytes of the blob of version 2 that will hold `blob`, one of version 1 or 3.

    They say which one it is: an external key manager that kept another blob of the same key cannot give
    that one back instead.
    """
    start = MAGIC + bytes([VERSION_EXTERNAL]) + blob[len(MAGIC) + 1 : PREFIX_BYTES]
    return start + sha256(blob).digest()


def render_authenticated_data(header: bytes, aad: bytes) -> bytes:
    """What AES-GCM authenticates beside the plaintext: the whole header, then the context with its length."""
    return header + _LENGTH.pack(len(aad)) + aad
