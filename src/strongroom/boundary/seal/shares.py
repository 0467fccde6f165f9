"""A share of a Shamir slot as text that people keep: 72 letters and digits in groups of four.

    base32( version 01 | set id (6) | number | needed | share (32) | check (4) )

The check finds slips of the pen; that a share is genuine is checked against the slot.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass, field
from typing import Final

from strongroom.boundary.seal.refusal import SealRefused

SET_ID_BYTES: Final = 6
SHARE_BYTES: Final = 32
TEXT_CHARACTERS_MAX: Final = 200
_VERSION: Final = 1
_LAYOUT = struct.Struct(">B6sBB32s")
_CHECK_BYTES: Final = 4
CONTENT_BYTES: Final = _LAYOUT.size + _CHECK_BYTES


@dataclass(frozen=True, slots=True)
class Share:
    """Secrets: `value` is one."""

    set_id: bytes
    """The same in all shares that were made together."""
    number: int
    needed: int
    value: bytes = field(repr=False)


def render_share(share: Share) -> str:
    """The share's text."""
    text = base64.b32encode(render_share_content(share)).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def render_share_content(share: Share) -> bytes:
    """The bytes that the text stands for."""
    body = _LAYOUT.pack(_VERSION, share.set_id, share.number, share.needed, share.value)
    return body + _check(body)


def parse_share(text: str) -> Share:
    """The share of a text; blanks, dashes and small letters do no harm.

    Raises: SealRefused with a sentence that does not repeat the text.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise SealRefused(_SLIP)
    letters = "".join(text.replace("-", "").split()).upper()
    try:
        content = base64.b32decode(letters)
    except (binascii.Error, ValueError):
        raise SealRefused(_SLIP) from None
    return parse_share_content(content)


def parse_share_content(content: bytes) -> Share:
    """The share that the bytes are. Raises SealRefused."""
    if len(content) != CONTENT_BYTES or content[0] != _VERSION:
        raise SealRefused(_SLIP)
    body = content[: _LAYOUT.size]
    if content[_LAYOUT.size :] != _check(body):
        raise SealRefused(_SLIP)
    _, set_id, number, needed, value = _LAYOUT.unpack(body)
    return Share(set_id, number, needed, value)


_SLIP: Final = (
    "This is not a share as it was printed: 72 letters and digits in groups of four, with a check that finds"
    " slips. Compare it with the paper, letter by letter. Nothing was changed."
)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"strongroom share" + body).digest()[:_CHECK_BYTES]
