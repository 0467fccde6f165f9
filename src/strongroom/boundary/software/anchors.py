"""The anchor that a boundary makes, and the one that it is started with; its form: domain_key_anchor.py."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.boundary.domain_key_anchor import (
    ANCHOR_PURPOSE,
    ANCHOR_WORD,
    AnchorRefused,
    Vouched,
    parse_anchor,
    parse_vouched,
    render_anchor,
    render_vouched,
)
from strongroom.boundary.interface import TicketRefused
from strongroom.boundary.software.tickets import TicketOffice


def make_anchor(tickets: TicketOffice, vouched: Mapping[str, Vouched]) -> bytes:
    """The anchor that says what is vouched for."""
    text = render_vouched(vouched)
    return render_anchor(text, tickets.make(ANCHOR_PURPOSE, text, ANCHOR_WORD))


def read_anchor(tickets: TicketOffice, anchor: bytes) -> dict[str, Vouched]:
    """What an anchor vouches for; an empty one for nothing. Raises AnchorRefused."""
    if not anchor:
        return {}
    try:
        text, ticket = parse_anchor(anchor)
        if tickets.read(ANCHOR_PURPOSE, text, ticket) != ANCHOR_WORD:
            raise AnchorRefused
        return parse_vouched(text)
    except (TicketRefused, ValueError):
        raise AnchorRefused from None
