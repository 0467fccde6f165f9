"""What only a development server lets you do: move time, and begin again."""

from __future__ import annotations

from strongroom.clock import MovableClock
from strongroom.jobs.runner import JobRunner
from strongroom.store.interface import Store

CLOCK_SETTING = "clock_offset_milliseconds"
EPOCH_SECONDS_MAX = 95_617_584_000
"""The year 5000. Calendars end with the year 9999, and deletion dates and records need room before that."""


class DevelopmentControls:
    """Behind POST /_strongroom/clock and /_strongroom/reset; `serve` has none."""

    def __init__(self, clock: MovableClock, store: Store, jobs: JobRunner) -> None:
        self._clock = clock
        self._store = store
        self._jobs = jobs

    async def advance_clock(self, seconds: float) -> float:
        """Move the service's time forward for every process, run all jobs due by then, and return
        the new time in epoch seconds. What older domain keys wrap is re-wrapped later, by the job
        runner. The move is kept with the data, so a restart does not undo it.

        Raises ValueError for a time that is not to be.
        """
        if self._clock.epoch_seconds() + seconds > EPOCH_SECONDS_MAX:
            raise ValueError("the clock cannot be moved beyond the year 5000")
        self._clock.advance(seconds)
        await self._store.put_setting(CLOCK_SETTING, str(self._clock.offset_milliseconds))
        await self._jobs.run_due()
        return self._clock.epoch_seconds()

    async def reset(self) -> None:
        """Remove all keys, aliases and tags of all accounts. The audit trail and the clock stay."""
        await self._store.empty()
