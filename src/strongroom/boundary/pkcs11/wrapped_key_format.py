"""What a token of kind 12 holds after its header: a backing key that only a PKCS#11 token opens.

    length of the key's value (2)  length of its public key (2)  public key  wrapped key  HMAC (32)

The value's length is kept because some tokens pad a value before they wrap it. The HMAC is over everything
before it, header too: AES key wrap binds nothing. The table is in docs/formats/exported-key-token.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MAC_BYTES: Final = 32
_LENGTHS = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as its domain key in the token wrapped it."""

    value_bytes: int
    """0 for private keys."""
    public_key: bytes
    """DER SubjectPublicKeyInfo; empty for secret keys."""
    wrapped: bytes


def render_wrapped_key(key: WrappedKey) -> bytes:
    """All but the HMAC."""
    return _LENGTHS.pack(key.value_bytes, len(key.public_key)) + key.public_key + key.wrapped


def parse_wrapped_key(body: bytes) -> WrappedKey:
    """The key in a body without its HMAC, which was checked before. Raises ValueError."""
    if len(body) < _LENGTHS.size:
        raise ValueError("not a wrapped key: length")
    value_bytes, public_key_bytes = _LENGTHS.unpack_from(body)
    end = _LENGTHS.size + public_key_bytes
    if len(body) <= end:
        raise ValueError("not a wrapped key: length")
    return WrappedKey(value_bytes, body[_LENGTHS.size : end], body[end:])
