"""Text that callers chose, on the operator's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would not show as a character of its own.

    Names in an encryption context and of operations that do not exist are any caller's to choose, also one
    who is refused: escape sequences, line breaks and changes of direction would write other lines than ours.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
