"""Patterns against a slow matcher written another way."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom.authorization.glob import ONE, _find_abreast, compile_glob, glob_of_pieces


def matches_slowly(pattern: str, text: str) -> bool:
    """The textbook table: reachable[i] says whether the pattern so far fits the first i characters."""
    reachable = [True] + [False] * len(text)
    for wanted in pattern:
        if wanted == "*":
            for i in range(1, len(text) + 1):
                reachable[i] = reachable[i] or reachable[i - 1]
        else:
            fits = [wanted in ("?", character) for character in text]
            reachable = [False] + [reachable[i] and fits[i] for i in range(len(text))]
    return reachable[len(text)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "arn:aws:kms:x:1:key/2", True),
        ("?", "", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("a", "A", False),
        ("kms:*", "kms:encrypt", True),
        ("kms:*", "kms:", True),
        ("kms:*", "s3:kms:x", False),
        ("kms:*key*", "kms:generatedatakeypair", True),
        ("kms:?ncrypt", "kms:encrypt", True),
        ("kms:?ncrypt", "kms:reencrypt", False),
        ("*encrypt", "kms:reencrypt", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "aab", False),
        ("*b*b", "ab", False),
        ("*aa*ab*", "aabb", False),
        ("*?b*?b", "abb", False),
        ("*a?c*", "xxabcxx", True),
        ("**a**", "a", True),
        ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:key/a:b/c", True),
        ("a.c", "abc", False),
        ("[a-z]", "a", False),
        ("a\\*", "a\\", True),
        ("é*", "épée", True),
    ],
)
def test_glob_known_pattern_gives_expected(pattern: str, text: str, expected: bool) -> None:
    assert compile_glob(pattern).matches(text) is expected


ALPHABET = "ab:?"


@settings(max_examples=300)
@given(st.text("ab?**", max_size=8), st.text("ab", max_size=8))
@example("*?b*", "ab")
@example("?*?*?", "ab")
@example("*ab?*b", "abab")
def test_glob_any_pattern_agrees_with_the_table(pattern: str, text: str) -> None:
    assert compile_glob(pattern).matches(text) is matches_slowly(pattern, text)


@given(st.text(max_size=8), st.text(max_size=12))
def test_glob_any_unicode_agrees_with_the_table(pattern: str, text: str) -> None:
    assert compile_glob(pattern).matches(text) is matches_slowly(pattern, text)


@given(st.text("ab?", min_size=1, max_size=60), st.text("ab", max_size=300), st.integers(0, 40), st.data())
def test_find_abreast_agrees_with_place_by_place(
    piece: str, text: str, start: int, data: st.DataObject
) -> None:
    piece = piece.replace("?", ONE)
    if data.draw(st.booleans()):  # one that is there, or nearly
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + piece.replace(ONE, "b") + text[at:]
    end = data.draw(st.integers(start, max(start, len(text))))
    end = min(end, len(text))
    slowly = next(
        (
            place
            for place in range(start, end - len(piece) + 1)
            if all(wanted in (ONE, text[place + i]) for i, wanted in enumerate(piece))
        ),
        -1,
    )
    assert _find_abreast(piece, text, start, end) == slowly


@given(st.text(ALPHABET, max_size=20))
def test_glob_text_without_wildcards_matches_itself_only(text: str) -> None:
    literal = text.replace("?", "")
    assert compile_glob(literal).matches(literal)
    assert not compile_glob(literal).matches(literal + "a")


def test_glob_question_mark_that_is_meant_stands_beside_one_that_is_not() -> None:
    """What a policy variable brings along is an ordinary character."""
    glob = glob_of_pieces(["a" + ONE + "?", ""])
    assert glob.matches("ab?")
    assert not glob.matches("abc")
    assert glob_of_pieces(["*?"]).matches("*?")
    assert not glob_of_pieces(["*?"]).matches("ab")


@pytest.mark.parametrize(
    "pattern",
    ["a*" * 4000 + "b", "*a" * 4000 + "*b", "a?*" * 4000 + "b", "*" * 16000 + "b", "?*" * 30 + "b"],
    ids=["a-star", "star-a", "a-any-star", "stars", "any-star"],
)
def test_glob_pattern_that_makes_others_backtrack_is_quick(pattern: str) -> None:
    """INVARIANT Z6: no pattern costs more than its length times the text's."""
    glob = compile_glob(pattern)
    text = "a" * 8192
    started = time.process_time()
    assert not glob.matches(text)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("length", [60, 2700, 8192])
def test_glob_patterns_by_the_thousand_over_one_value_are_quick(length: int) -> None:
    """As many as a key policy holds, on the longest value that an encryption context has."""
    globs = [compile_glob(f"*a?{number:x}*") for number in range(0x1000, 0x1000 + 3000)]
    text = "a" * length
    started = time.process_time()
    assert not any(glob.matches(text) for glob in globs)
    assert time.process_time() - started < 1.0  # place by place it takes up to six seconds
