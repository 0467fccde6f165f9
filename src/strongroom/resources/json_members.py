"""JSON whose objects have each member once: who reads the first and who reads the last must read the same."""

from __future__ import annotations

import json
from typing import Any


def _require_distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a member is given twice")


def require_distinct_members(document: bytes) -> None:
    """Of JSON in UTF-8 that a strict decoder has taken already. Raises ValueError; RecursionError."""
    # Numbers stay text: nothing is made of them, and a long one would take long.
    json.loads(document.decode(), object_pairs_hook=_require_distinct, parse_int=str, parse_float=str)
