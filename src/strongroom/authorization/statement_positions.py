"""Where the statements of a policy stand in its text, as IAM's simulator tells it.

Lines and columns count from 1. A statement begins behind its opening brace and ends behind its closing one:
so did the answer that was recorded from AWS in March 2026 (localstack/localstack,
tests/aws/services/iam/test_iam.snapshot.json, test_simulate_principle_policy).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_DECODER = json.JSONDecoder()
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class TextPosition:
    """A place in a text."""

    line: int
    column: int


def statement_positions(text: str) -> list[tuple[TextPosition, TextPosition]]:
    """Beginning and end of each statement, in the order of the text. The policy was parsed before."""
    return [(_position(text, start + 1), _position(text, end)) for start, end in _spans(text)]


def _position(text: str, offset: int) -> TextPosition:
    before = text[:offset]
    return TextPosition(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def _spans(text: str) -> list[tuple[int, int]]:
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        start = at
        _, at = _DECODER.raw_decode(text, at)
        if name == "Statement":
            return [(start, at)] if text[start] == "{" else _items(text, start)
        at = _after_comma(text, at)
    return []


def _items(text: str, start: int) -> list[tuple[int, int]]:
    found = []
    at = _skip(text, start + 1)
    while text[at] != "]":
        begin = at
        _, at = _DECODER.raw_decode(text, at)
        found.append((begin, at))
        at = _after_comma(text, at)
    return found


def _after_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    matched = _WHITE_SPACE.match(text, at)
    assert matched is not None  # noqa: S101
    return matched.end()
