"""Pages: a limit, and a marker that says where the next one begins.

A marker is a ticket of the boundary (docs/formats/ticket.md): it opens only in the listing that gave it, for
the same account, Region, key and filters. The boundary seals because workers hold no key; a page costs one
call more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from strongroom.aws import refusals
from strongroom.boundary.interface import TicketRefused
from strongroom.operations.context import Call
from strongroom.operations.tickets import parse_base64, render_base64, render_context

Item = TypeVar("Item")

_PURPOSE = "marker"
_VERSION = "1"
_ALTCHARS = b"-_"


def _context(call: Call, listing: str, of: tuple[str | None, ...]) -> bytes:
    # An absent filter is told from an empty one.
    filters = ("-" if value is None else f"={value}" for value in of)
    return render_context((_VERSION, call.account_id, call.region, listing, *filters))


async def render_marker(call: Call, listing: str, last: str, *of: str | None) -> str:
    """A marker after the item named `last` of the listing `listing`.

    `of` is what the listing is of: the key's ARN where it is a key's, and every filter of the request.
    """
    text = _VERSION.encode() + last.encode("utf-8", "surrogatepass")
    ticket = await call.rooms.boundary.make_ticket(_PURPOSE, _context(call, listing, of), text)
    return render_base64(ticket, _ALTCHARS)


async def parse_marker(call: Call, listing: str, marker: str | None, *of: str | None) -> str | None:
    """What `render_marker` was given; None for the first page. Raises InvalidMarkerException."""
    if marker is None:
        return None
    try:
        ticket = parse_base64(marker, _ALTCHARS)
        text = await call.rooms.boundary.read_ticket(_PURPOSE, _context(call, listing, of), ticket)
    except (ValueError, TicketRefused):
        raise refusals.invalid_marker() from None
    if not text.startswith(_VERSION.encode()):
        raise refusals.invalid_marker()
    return text[len(_VERSION) :].decode("utf-8", "surrogatepass")


def cut_page(items: Sequence[Item], limit: int) -> tuple[Sequence[Item], bool]:
    """Split what was read with one item more than the page holds: (page, whether there is more)."""
    return items[:limit], len(items) > limit
