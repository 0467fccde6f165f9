"""The protocol that keeps what workers remember true, step by step (INVARIANT S2)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.store.stamped_cache import StampedCache
from strongroom.store.stamps import EPOCH_WORD, FIRST_SLOT, Stamps, new_stamp_words

IDENTITY = "key/eu-central-1/k"


def new_stamps() -> Stamps:
    return Stamps(new_stamp_words(64))


def test_touch_of_an_identity_makes_its_entry_unusable_and_keeps_others() -> None:
    """INVARIANT S2."""
    stamps = new_stamps()
    cache: StampedCache[str, str] = StampedCache(stamps, 10)
    other = next(i for i in map(str, range(1000)) if stamps.slot_of(i) != stamps.slot_of(IDENTITY))
    for identity in (IDENTITY, other):
        cache.keep(identity, "row", cache.note(identity))
    stamps.touch(IDENTITY)
    assert cache.get(IDENTITY) is None
    assert cache.get(other) == "row"


def test_touch_between_note_and_keep_makes_the_entry_unusable() -> None:
    """INVARIANT S2: the row may be the older one."""
    stamps = new_stamps()
    cache: StampedCache[str, str] = StampedCache(stamps, 10)
    noted = cache.note(IDENTITY)
    stamps.touch(IDENTITY)
    cache.keep(IDENTITY, "old row", noted)
    assert cache.get(IDENTITY) is None


def test_touch_all_makes_every_entry_unusable() -> None:
    """INVARIANT S2: also for entries whose row was being read."""
    stamps = new_stamps()
    cache: StampedCache[str, str] = StampedCache(stamps, 100)
    for identity in map(str, range(50)):
        cache.keep(identity, "row", cache.note(identity))
    noted = cache.note(IDENTITY)
    stamps.touch_all()
    cache.keep(IDENTITY, "row", noted)
    assert [cache.get(identity) for identity in (*map(str, range(50)), IDENTITY)] == [None] * 51


def test_keep_beyond_the_bound_forgets_the_least_recently_used() -> None:
    cache: StampedCache[str, int] = StampedCache(new_stamps(), 3)
    for number in range(3):
        cache.keep(str(number), number, cache.note(str(number)))
    assert cache.get("0") == 0
    cache.keep("3", 3, cache.note("3"))
    assert [cache.get(str(number)) for number in range(4)] == [0, None, 2, 3]


def test_touch_puts_a_value_that_was_never_there_before() -> None:
    stamps = new_stamps()
    slot = stamps.slot_of(IDENTITY)
    seen = {stamps.words[slot]}
    for _ in range(1000):
        stamps.touch(IDENTITY)
        assert stamps.words[slot] not in seen
        seen.add(stamps.words[slot])


def test_touch_leaves_epoch_and_clock_words_alone() -> None:
    stamps = new_stamps()
    before = list(stamps.words[:FIRST_SLOT])
    for number in range(500):
        stamps.touch(f"identity {number}")
    assert list(stamps.words[:FIRST_SLOT]) == before


def test_slot_of_an_identity_is_the_same_in_a_process_with_other_hash_seed() -> None:
    program = (
        "from strongroom.store.stamps import *;"
        f"print(Stamps(new_stamp_words(64)).slot_of({IDENTITY!r}), hash({IDENTITY!r}))"
    )
    path = ":".join(filter(None, sys.path))
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert outputs[0][0] == outputs[1][0] == str(new_stamps().slot_of(IDENTITY))
    assert outputs[0][1] != outputs[1][1]


def test_stamps_of_a_view_that_is_too_small_or_not_of_words_are_refused() -> None:
    for words in (
        memoryview(bytearray(64)),
        memoryview(bytearray(16)).cast("Q"),
        memoryview(bytes(64)).cast("Q"),
    ):
        with pytest.raises(ValueError, match="writable view"):
            Stamps(words)


# The protocol, with its steps taken apart so that a schedule can be chosen.


@dataclass
class Row:
    """The database: one row, and the newest version whose write has returned."""

    version: int = 0
    returned: int = 0


@dataclass
class Finding:
    """What a reader answered, and what it should have been at least."""

    floor: int
    answer: int


@dataclass
class World:
    """Processes that share stamps and a database; each step of each is one turn."""

    stamps: Stamps = field(default_factory=new_stamps)
    row: Row = field(default_factory=Row)
    findings: list[Finding] = field(default_factory=list)


Actor = Callable[[World], Iterator[None]]


def random_writer(world: World) -> Iterator[None]:
    while True:
        world.row.version += 1  # the commit
        mine = world.row.version
        yield
        world.stamps.touch(IDENTITY)
        yield
        world.row.returned = max(world.row.returned, mine)
        yield


def counting_writer(world: World) -> Iterator[None]:
    """What was rejected: a counter, which two processes cannot add to at the same time."""
    slot = world.stamps.slot_of(IDENTITY)
    while True:
        world.row.version += 1
        mine = world.row.version
        yield
        count = world.stamps.words[slot]
        yield
        world.stamps.words[slot] = count + 1
        yield
        world.row.returned = max(world.row.returned, mine)
        yield


def hasty_writer(world: World) -> Iterator[None]:
    """What would be wrong: the stamp before the commit."""
    while True:
        world.stamps.touch(IDENTITY)
        yield
        world.row.version += 1
        mine = world.row.version
        yield
        world.row.returned = max(world.row.returned, mine)
        yield


def reader(world: World) -> Iterator[None]:
    cache: StampedCache[str, int] = StampedCache(world.stamps, 10)
    while True:
        floor = world.row.returned
        yield
        answer = cache.get(IDENTITY)
        if answer is None:
            noted = cache.note(IDENTITY)
            yield
            answer = world.row.version
            yield
            cache.keep(IDENTITY, answer, noted)
        world.findings.append(Finding(floor, answer))
        yield


def play(world: World, actors: list[Actor], schedule: list[int]) -> list[Finding]:
    """Take turns as the schedule says; the findings that break S2."""
    running = [actor(world) for actor in actors]
    for turn in schedule:
        next(running[turn % len(running)])
    return [finding for finding in world.findings if finding.answer < finding.floor]


@given(st.lists(st.integers(0, 4), max_size=120))
def test_readers_under_any_schedule_never_answer_older_than_a_returned_write(schedule: list[int]) -> None:
    """INVARIANT S2."""
    assert not play(World(), [random_writer, random_writer, random_writer, reader, reader], schedule)


# Writer 0 commits and reads the count, then stalls. Writer 1 writes twice; the reader remembers the
# second. Writer 0 goes on and takes the count back by one; writer 1 writes a third time and brings it
# to where the reader knew it.
LOST_ADDITION = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 1, 1, 1, 1, 2, 2, 2]


def test_a_counter_in_place_of_random_values_brings_an_older_row_back() -> None:
    """Why stamps are random, and that this model can find what is wrong."""
    assert play(World(), [counting_writer, counting_writer, reader], LOST_ADDITION)


def test_a_stamp_before_the_commit_leaves_an_older_row_in_memory() -> None:
    """That this model can find what is wrong: stamp; note, read, keep; commit, return; answer."""
    assert play(World(), [hasty_writer, reader], [0, 1, 1, 1, 1, 0, 0, 1, 1, 1])


def test_epoch_words_of_two_servers_differ() -> None:
    assert new_stamp_words(8)[EPOCH_WORD] != new_stamp_words(8)[EPOCH_WORD]
