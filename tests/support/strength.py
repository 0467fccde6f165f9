"""How hard the tests press: `make test` as its time allows, `make torture` (TORTURE=true) fully."""

from __future__ import annotations

import os
from typing import Final

IS_TORTURE: Final = os.environ.get("TORTURE") == "true"


def count(variable: str, *, few: int, many: int) -> int:
    """How many of something: `many` under torture, else `few`; the environment variable decides over both."""
    return int(os.environ.get(variable) or (many if IS_TORTURE else few))


def promised(seconds: float, *, among_others: float) -> float:
    """A limit for times: torture has the machine to itself, in `make test` other tests run beside."""
    return seconds if IS_TORTURE else among_others
