"""The lines of the deletion ledger: each byte counts, none can be left out."""

from __future__ import annotations

import random

import pytest

from strongroom.resources.deletion import (
    GENESIS,
    Deletion,
    DeletionKind,
    LedgerRefused,
    chain_hash,
    hash_of_all,
    parse_deletion,
    parse_last_line,
    parse_ledger,
    render_deletion,
    render_line,
)

DELETIONS = [
    Deletion(DeletionKind.KEY, "1234abcd-12ab-34cd-56ef-1234567890ab", "111122223333", "eu-central-1"),
    Deletion(
        DeletionKind.MATERIAL, "mrk-1234abcd12ab34cd56ef1234567890ab", "111122223333", "eu-west-1", "ab" * 32
    ),
    Deletion(DeletionKind.ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"),
    Deletion(DeletionKind.PROXY_CREDENTIAL, "BETWEEN20AND30CHARACTERS"),
]


def _ledger() -> list[bytes]:
    digest, lines = GENESIS, []
    for sequence, deletion in enumerate(DELETIONS, 1):
        entry = render_deletion(deletion)
        digest = chain_hash(digest, sequence, entry)
        lines.append(render_line(sequence, entry, digest, bytes(range(34))))
    return lines


def test_ledger_read_back_gives_every_deletion_and_the_chain() -> None:
    lines = parse_ledger(b"".join(_ledger()))
    assert [line.deletion for line in lines] == DELETIONS
    assert lines[-1].hash == hash_of_all([render_deletion(each) for each in DELETIONS])
    assert parse_last_line(b"".join(_ledger())[-700:]) == lines[-1]
    assert parse_ledger(b"") == []
    assert parse_last_line(b"") is None


def test_ledger_with_a_line_that_a_crash_cut_short_is_read_up_to_it() -> None:
    whole = b"".join(_ledger())
    assert len(parse_ledger(whole[:-9])) == len(DELETIONS) - 1


def test_ledger_with_a_line_removed_doubled_or_moved_is_refused() -> None:
    first, second, third, fourth = _ledger()
    for changed in (
        [second, third, fourth],
        [first, third, fourth],
        [first, first, second, third, fourth],
        [second, first, third, fourth],
        [first, b"\n", second],
        [first, second, b"x" * 5000],
    ):
        with pytest.raises(LedgerRefused):
            parse_ledger(b"".join(changed))


def test_ledger_with_any_bit_of_an_entry_or_hash_flipped_is_refused() -> None:
    """The seal is the boundary's to check (test_deletion_ledger.py); all else the chain holds."""
    whole = b"".join(_ledger())
    expected = parse_ledger(whole)
    generator = random.Random()
    for _ in range(3000):
        changed = bytearray(whole)
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
        try:
            lines = parse_ledger(bytes(changed))
        except LedgerRefused:
            continue
        # A flip in the last line end makes it unfinished, one in a seal is left to the boundary.
        for line, was in zip(lines, expected, strict=False):
            assert line._replace(seal=was.seal) == was
        assert len(lines) >= len(expected) - 1


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '["key"]', '["key","","","",""]', '["door","a","","",""]', '["key", "a","","",""]',
     '["key","\\u0061","","",""]', '["key","a\\n","","",""]', '["key",1,"","",""]', "[" * 3000],
)  # fmt: skip
def test_entry_that_was_never_written_so_is_refused(text: str) -> None:
    with pytest.raises(LedgerRefused):
        parse_deletion(text)
