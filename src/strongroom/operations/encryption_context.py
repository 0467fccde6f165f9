"""The encryption context, in the one canonical form that is authenticated with a ciphertext."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from strongroom.aws import refusals

EMPTY = b"\x80"
BYTES_MAX = 8192
"""The longest canonical context. AWS documents no number; XKS proxies take 8,192 bytes of AAD."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def canonical_encryption_context(context: Mapping[str, str] | None) -> bytes:
    """MessagePack map, shortest forms, keys in code point order; absent and empty are the same.

    Source: docs/formats/ciphertext.md. Raises ValidationException when it is too long.
    """
    if not context:
        return EMPTY
    try:
        encoded = _encode(context)
    except UnicodeEncodeError:  # a lone surrogate: no UTF-8 form, so nothing to authenticate
        raise refusals.encryption_context_not_utf8() from None
    if len(encoded) > BYTES_MAX:
        raise refusals.encryption_context_too_long(BYTES_MAX)
    return encoded
