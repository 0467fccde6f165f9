"""What a worker remembers of the database, for as long as its stamps say it is true."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from strongroom.store.stamps import EPOCH_WORD, Stamps

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Noted = tuple[int, int, int]
"""Slot, its value and the epoch, as they were before the database was asked."""


class StampedCache(Generic[K, V]):
    """Remembers at most `entries_max` records; the least recently used goes first.

    INVARIANT S2: an entry is given out only while slot and epoch are what they were before its row
    was read. Absence is not remembered: callers who invent ids could push out what is used.

    Concurrency: one thread; the stamps are shared with all processes.
    """

    __slots__ = ("_entries", "_entries_max", "_stamps", "_words")

    def __init__(self, stamps: Stamps, entries_max: int) -> None:
        self._entries: OrderedDict[K, tuple[V, int, int, int]] = OrderedDict()
        self._entries_max = entries_max
        self._stamps = stamps
        self._words = stamps.words

    def get(self, key: K) -> V | None:
        """The remembered record, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, slot, stamp, epoch = entry
        words = self._words
        if words[slot] == stamp and words[EPOCH_WORD] == epoch:
            self._entries.move_to_end(key)
            return value
        del self._entries[key]
        return None

    def note(self, identity: str) -> Noted:
        """What must be taken down before the database is asked."""
        slot = self._stamps.slot_of(identity)
        epoch = self._words[EPOCH_WORD]
        return slot, self._words[slot], epoch

    def keep(self, key: K, value: V, noted: Noted) -> None:
        """Remember what the database answered after `noted` was taken."""
        self._entries[key] = (value, *noted)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
