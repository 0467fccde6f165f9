"""Pages: a limit, and a marker that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from strongroom.aws import refusals

Item = TypeVar("Item")

_VERSION = "1"


def render_marker(listing: str, last: str) -> str:
    """A marker after the item named `last` of the listing `listing`.

    It holds no secret and grants nothing: a listing is always of the caller's own account or key.
    """
    return base64.urlsafe_b64encode(f"{_VERSION}\n{listing}\n{last}".encode()).decode()


def parse_marker(listing: str, marker: str | None) -> str | None:
    """What `render_marker` was given; None for the first page. Raises InvalidMarkerException."""
    if marker is None:
        return None
    try:
        version, of, last = base64.b64decode(marker, altchars=b"-_", validate=True).decode().split("\n", 2)
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise refusals.invalid_marker() from None
    if version != _VERSION or of != listing:
        raise refusals.invalid_marker()
    return last


def cut_page(items: Sequence[Item], limit: int) -> tuple[Sequence[Item], bool]:
    """Split what was read with one item more than the page holds: (page, whether there is more)."""
    return items[:limit], len(items) > limit
