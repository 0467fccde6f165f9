"""Patterns with * and ?, matched without backtracking.

A pattern is cut at its stars. The first piece must begin the text, the last must end it, and each
piece between is taken at its leftmost place, which is always right for stars. No step is ever taken
back, so a pattern such as a*a*a*a*b costs no more than its length times the text's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

ONE = "\udfff"
"""What `?` has become inside a compiled pattern: it stands for itself in no text, so that a `?` that is
meant as one can stand beside it."""


STEPWISE_MAX = 64
"""Up to how many comparisons a piece with a `?` is looked for place by place."""
TEXTS_REMEMBERED_MAX = 128


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern: `*` is any run of characters (also : and /), `?` is exactly one."""

    first: str
    between: tuple[str, ...]
    last: str | None
    """None when the pattern has no star: then `first` is the whole."""
    length_min: int

    def matches(self, text: str) -> bool:
        """Whether the whole `text` fits. Case counts."""
        if len(text) < self.length_min:
            return False
        if self.last is None:
            return len(text) == len(self.first) and _is_at(self.first, text, 0)
        end = len(text) - len(self.last)
        if not _is_at(self.first, text, 0) or not _is_at(self.last, text, end):
            return False
        position = len(self.first)
        for piece in self.between:
            found = _find(piece, text, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


def compile_glob(pattern: str) -> Glob:
    """Take a pattern apart; every text is a valid pattern."""
    return glob_of_pieces(pattern.replace("?", ONE).split("*"))


def glob_of_pieces(pieces: Sequence[str]) -> Glob:
    """A pattern from what stands between its stars, where ONE is a `?` and every other character itself."""
    length_min = sum(map(len, pieces))
    if len(pieces) == 1:
        return Glob(pieces[0], (), None, length_min)
    return Glob(pieces[0], tuple(piece for piece in pieces[1:-1] if piece), pieces[-1], length_min)


def _is_at(piece: str, text: str, start: int) -> bool:
    """Whether `piece` fits at `start`; the caller has made sure that it does not run over the end."""
    if ONE not in piece:
        return text.startswith(piece, start)
    return all(wanted in (ONE, text[start + offset]) for offset, wanted in enumerate(piece))


def _find(piece: str, text: str, start: int, end: int) -> int:
    """The leftmost place of `piece` in text[start:end], or -1."""
    if ONE not in piece:
        return text.find(piece, start, end)
    if len(piece) * (end - start) > STEPWISE_MAX:
        return _find_abreast(piece, text, start, end)
    for place in range(start, end - len(piece) + 1):
        if _is_at(piece, text, place):
            return place
    return -1


def _find_abreast(piece: str, text: str, start: int, end: int) -> int:
    """As `_find`, for long texts: every place of the text is tried at once, one bit each."""
    places = (1 << max(0, end - len(piece) + 1)) - 1 >> start << start
    for offset, wanted in enumerate(piece):
        if wanted != ONE:
            places &= _places_of(wanted, text) >> offset
            if not places:
                return -1
    return (places & -places).bit_length() - 1


@lru_cache(TEXTS_REMEMBERED_MAX)
def _places_of(character: str, text: str) -> int:
    """Where the character stands in the text, one bit each. Remembered: a policy can have thousands of
    patterns, which all look at one text."""
    if character not in text:
        return 0
    bits = "1".join(["0" * len(part) for part in reversed(text.split(character))])
    return int(bits, 2)
