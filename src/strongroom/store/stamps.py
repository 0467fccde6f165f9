"""How the workers of one server keep what they remember true, without asking the database.

All processes share one page of 64-bit words. Every identity (a key, an alias, a credential) has a
slot. A writer puts a fresh random value into the slots of what it changed, after the commit and
before its write returns. A reader notes the slot's value before it asks the database, and may answer
from memory only while the slot still holds that value.

INVARIANT S2 follows: say a write returned, and a reader holds an older row. Its snapshot began
before the commit, so the value it noted was there before the writer's value was put. The slot has
changed since, so the memory is not used. The argument is written out in the room's README.

Why random values and not a counter: two processes that add one at the same time can lose one of the
two, a later addition then brings back a value that was there before, and with it an older row.
"""

from __future__ import annotations

import mmap
import os
from zlib import crc32

EPOCH_WORD = 0
"""Changed when everything that is remembered must go."""
CLOCK_WORD = 1
"""Not the store's: kept for the moved clock of development."""
FIRST_SLOT = 2

WORDS = 8192
"""64 KiB. Two identities that share a slot cost each other a question to the database, nothing more."""


def new_stamp_words(words: int = WORDS) -> memoryview[int]:
    """The shared page. Made once, by the supervisor, before it forks."""
    page = memoryview(mmap.mmap(-1, words * 8)).cast("Q")
    page[EPOCH_WORD] = _fresh_value()
    return page


def _fresh_value() -> int:
    # From the kernel: a generator of the process would be the same in every fork.
    return int.from_bytes(os.urandom(8), "little")


class Stamps:
    """The shared words.

    Concurrency: every process and thread may read and write. A word is aligned and copied by one
    machine instruction, so a reader sees an old or a new value, never a mixture.
    """

    __slots__ = ("_slots", "words")

    def __init__(self, words: memoryview[int]) -> None:
        """`words` is a writable view of format Q, shared by all processes."""
        if words.format != "Q" or words.readonly or len(words) <= FIRST_SLOT:
            raise ValueError("stamps need a writable view of unsigned 64-bit words")
        self.words = words
        self._slots = len(words) - FIRST_SLOT

    def slot_of(self, identity: str) -> int:
        """The word of an identity: the same in every process, which hash() is not."""
        return FIRST_SLOT + crc32(identity.encode("utf-8", "surrogatepass")) % self._slots

    def touch(self, identity: str) -> None:
        """Nobody may answer from what was remembered of `identity` before. Called after the commit."""
        self.words[self.slot_of(identity)] = _fresh_value()

    def touch_all(self) -> None:
        """Nobody may answer from anything remembered before.

        Also for the supervisor when a worker dies: it may have died between its commit and its stamp.
        """
        self.words[EPOCH_WORD] = _fresh_value()
