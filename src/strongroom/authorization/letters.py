"""Case of letters, for ASCII only.

Some other letters become ASCII ones when their case is changed: the Kelvin sign becomes a k. A policy
that names one must not match the other.
"""

from __future__ import annotations

_LOWER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


def lower_ascii(text: str) -> str:
    """The text with A-Z as a-z, and everything else as it is. Names of condition keys are compared so."""
    return text.lower() if text.isascii() else text.translate(_LOWER)
