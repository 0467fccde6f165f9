"""Tickets as texts in a request or answer: grant tokens and markers, in base64 of one spelling."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable

_LENGTH = struct.Struct(">H")


def render_context(fields: Iterable[str]) -> bytes:
    """The context of a ticket: each field with its length before it, so no two lists look the same."""
    rendered: list[bytes] = []
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        rendered.append(_LENGTH.pack(len(data)) + data)
    return b"".join(rendered)


def render_base64(data: bytes, altchars: bytes = b"+/") -> str:
    """Base64 with its padding."""
    return base64.b64encode(data, altchars).decode("ascii")


def parse_base64(text: str, altchars: bytes = b"+/") -> bytes:
    """The bytes of base64 in its one canonical spelling: no two texts give the same. Raises ValueError."""
    try:
        data = base64.b64decode(text.encode("ascii"), altchars, validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64") from None
    if render_base64(data, altchars) != text:
        raise ValueError("not canonical base64")
    return data
