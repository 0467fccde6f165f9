"""Tickets: short texts that the service hands out and takes back, and that nobody else can make or change.

Grant tokens and the markers of listings are tickets. AES-SIV (RFC 5297) under a key of its own, derived from
the root key: no limit on how many there are, and every worker and every restart has the same one. The form of
a ticket is docs/formats/ticket.md.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from strongroom.boundary.interface import BoundaryRefused, TicketRefused
from strongroom.boundary.key_hierarchy import LABEL_TICKET
from strongroom.boundary.messages import TICKET_TEXT_BYTES_MAX
from strongroom.boundary.software.key_derivation import derive_key

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 16
SIV_BYTES: Final = 16
_HEAD_BYTES: Final = len(VERSION) + NONCE_BYTES
_BYTES_MIN: Final = _HEAD_BYTES + SIV_BYTES + 1


class TicketOffice:
    """Makes and reads tickets. Secrets: keeps only the cipher context; no repr shows a key."""

    __slots__ = ("_cipher",)

    def __init__(self, root_key: bytes) -> None:
        # RFC 5297, section 2.2: one half authenticates, the other encrypts.
        halves = (derive_key(root_key, LABEL_TICKET, half) for half in (b"authenticate", b"encrypt"))
        self._cipher = AESSIV(b"".join(halves))

    def make(self, purpose: bytes, context: bytes, text: bytes) -> bytes:
        """A ticket for `text`, never the same twice. Raises BoundaryRefused for a text too short or long."""
        if not 1 <= len(text) <= TICKET_TEXT_BYTES_MAX:
            raise BoundaryRefused
        head = VERSION + os.urandom(NONCE_BYTES)
        return head + self._cipher.encrypt(text, [purpose, context, head])

    def read(self, purpose: bytes, context: bytes, ticket: bytes) -> bytes:
        """The text of a ticket that was made for this purpose and context. Raises TicketRefused."""
        if len(ticket) < _BYTES_MIN or not ticket.startswith(VERSION):
            raise TicketRefused
        head, sealed = ticket[:_HEAD_BYTES], ticket[_HEAD_BYTES:]
        try:
            return self._cipher.decrypt(sealed, [purpose, context, head])
        except InvalidTag:
            raise TicketRefused from None
