"""The only source of "now". Everything that asks for the time gets a Clock handed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the service's time: what key states, rotations and records go by."""

    def epoch_seconds(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        ...

    def now(self) -> datetime:
        """The same instant as an aware datetime in UTC."""
        ...


class HostClock:
    """The host's own clock. Signature skew is always judged by this one."""

    def epoch_seconds(self) -> float:
        return time.time()

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovableClock:
    """A clock that development may move forward, for every process of the server at once.

    The offset (milliseconds, not negative) stands in one 64-bit word of memory that the server's
    processes share.
    """

    __slots__ = ("_word",)

    def __init__(self, word: memoryview) -> None:
        self._word = word

    @property
    def offset_milliseconds(self) -> int:
        """How far this clock is ahead of the host's."""
        return int(self._word[0])

    def set_offset(self, milliseconds: int) -> None:
        """Take an offset that was kept with the data."""
        self._word[0] = milliseconds

    def advance(self, seconds: float) -> None:
        """Move forward. Raises ValueError for a negative or absurd (over 100 years) amount."""
        if not 0 <= seconds <= 100 * 366 * 86400:
            raise ValueError("advance_seconds must be between 0 and 100 years; time only moves forward")
        self._word[0] += round(seconds * 1000)

    def epoch_seconds(self) -> float:
        return time.time() + self._word[0] / 1000

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.epoch_seconds(), UTC)
