"""Token buckets: so much in a second, and up to a second's worth at once. Pure; the time is passed in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

SWEEP_AT = 10_000
"""Callers can name accounts and Regions as they like, so what is kept of them is swept beyond this."""


class Charge(NamedTuple):
    """What a request takes from one bucket.

    Units: `rate` in tokens per second, `capacity` and `cost` in tokens.
    """

    bucket: Hashable
    rate: float
    capacity: float
    cost: float


class _Level:
    """What was in a bucket at an instant."""

    __slots__ = ("at", "capacity", "rate", "tokens")

    def __init__(self, charge: Charge, now: float) -> None:
        self.rate = charge.rate
        self.capacity = charge.capacity
        self.tokens = charge.capacity
        self.at = now

    def fill(self, now: float) -> None:
        if now > self.at:  # a clock that goes back gives nothing
            self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.rate)
            self.at = now


class TokenBuckets:
    """Buckets that are full when they are first asked for. One thread."""

    def __init__(self, sweep_at: int = SWEEP_AT) -> None:
        self._levels: dict[Hashable, _Level] = {}
        self._sweep_at_least = self._sweep_at = sweep_at

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, charges: Sequence[Charge], now: float) -> bool:
        """Take from all buckets, or from none where one has too little.

        A cost beyond a bucket's capacity is taken from a full bucket and owed. Units: `now` in seconds.
        """
        levels = [self._level(charge, now) for charge in charges]
        for charge, level in zip(charges, levels, strict=True):
            if level.tokens < min(charge.cost, level.capacity):
                return False
        for charge, level in zip(charges, levels, strict=True):
            level.tokens -= charge.cost
        return True

    def _level(self, charge: Charge, now: float) -> _Level:
        level = self._levels.get(charge.bucket)
        if level is None:
            if len(self._levels) >= self._sweep_at:
                self._sweep(now)
            level = self._levels[charge.bucket] = _Level(charge, now)
        else:
            level.fill(now)
        return level

    def _sweep(self, now: float) -> None:
        """Forget full buckets: a new one is full, too. Doubling the mark keeps sweeps rare."""
        for level in self._levels.values():
            level.fill(now)
        self._levels = {
            bucket: level for bucket, level in self._levels.items() if level.tokens < level.capacity
        }
        self._sweep_at = max(self._sweep_at_least, 2 * len(self._levels))
