"""What is known of the domain keys outside the database: the anchor that a boundary is started with.

Whoever can write the database can put older rows back, the domain keys' own among them. So the boundary says
in a file beside the database, under its own ticket, which generation of each Region is the newest, and from
which one on it opens what the store keeps. The form: docs/formats/domain-key-anchor.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from strongroom.boundary.key_hierarchy import require_region

VOUCHED_REGIONS_MAX: Final = 512
"""AWS has some forty; whoever may make keys may do so in Regions of his own invention, too."""
ANCHOR_BYTES_MAX: Final = 48 * 1024
"""More than so many Regions of the longest names need; fits into a frame."""
ANCHOR_PURPOSE: Final = b"domain-key-anchor"
"""Of the ticket; its context is the first line, its text `ANCHOR_WORD`."""
ANCHOR_WORD: Final = b"anchor"
_VERSION: Final = 1
_GENERATION_MAX: Final = 9_999_999_999


class AnchorRefused(Exception):
    """No boundary with this root key made the anchor."""


class Vouched(NamedTuple):
    """Of one Region's domain keys."""

    newest: int
    """The generation of the newest one that is known to be in the store."""
    serving_from: int
    """The first generation that opens what the store keeps."""


def render_vouched(vouched: Mapping[str, Vouched]) -> bytes:
    """The first line of an anchor, without its end."""
    regions = {
        region: {"newest": known.newest, "serving_from": known.serving_from}
        for region, known in sorted(vouched.items())
    }
    return json.dumps({"version": _VERSION, "domain_keys": regions}, separators=(",", ":")).encode("ascii")


def parse_vouched(text: bytes) -> dict[str, Vouched]:
    """The reverse. Raises ValueError."""
    read = json.loads(text)
    if not isinstance(read, dict) or read.keys() != {"version", "domain_keys"} or read["version"] != _VERSION:
        raise ValueError("not an anchor")
    regions = read["domain_keys"]
    if not isinstance(regions, dict):
        raise ValueError("not an anchor")
    return {region: _parse_known(region, known) for region, known in regions.items()}


def _parse_known(region: str, known: object) -> Vouched:
    require_region(region)
    if not isinstance(known, dict) or known.keys() != {"newest", "serving_from"}:
        raise ValueError("not an anchor")
    newest, serving_from = known["newest"], known["serving_from"]
    if type(newest) is not int or type(serving_from) is not int:
        raise ValueError("not an anchor")
    if not 1 <= serving_from <= newest <= _GENERATION_MAX:
        raise ValueError("not an anchor")
    return Vouched(newest, serving_from)


def render_anchor(text: bytes, ticket: bytes) -> bytes:
    """The file: what is vouched for, and the boundary's ticket for it."""
    return text + b"\n" + base64.b64encode(ticket) + b"\n"


def parse_anchor(anchor: bytes) -> tuple[bytes, bytes]:
    """The two lines; nothing is authenticated yet. Raises ValueError."""
    lines = anchor.split(b"\n")
    if len(anchor) > ANCHOR_BYTES_MAX or len(lines) != 3 or lines[2]:
        raise ValueError("not an anchor")
    try:
        return lines[0], base64.b64decode(lines[1], validate=True)
    except binascii.Error:
        raise ValueError("not an anchor") from None
