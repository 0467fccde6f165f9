"""The job runner: work that falls due by the clock, not by a request."""

from __future__ import annotations

import asyncio
import logging

from strongroom.audit.interface import AuditTrail
from strongroom.jobs.key_destruction import destroy_due_keys
from strongroom.jobs.multi_region import finish_multi_region_changes
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS = 5.0
PROMPT_PERIOD_SECONDS = 0.5
"""For what a caller waits for: a replica that is Creating, roles that are Updating."""


class JobRunner:
    """Runs all jobs that are due, again and again. Every job may run twice without harm."""

    def __init__(self, rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids

    async def run_due(self) -> None:
        """Run everything that is due by now, once."""
        await self.run_prompt()
        await destroy_due_keys(self._rooms, self._audit, self._ids)

    async def run_prompt(self) -> None:
        """Run what callers wait for. Costs next to nothing when there is nothing."""
        await finish_multi_region_changes(self._rooms, self._audit, self._ids)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Run jobs every few seconds until `stopped`. A failed round is logged and tried again."""
        loop = asyncio.get_running_loop()
        all_due_at = loop.time()
        while not stopped.is_set():
            wait_seconds = PROMPT_PERIOD_SECONDS
            is_all_due = loop.time() >= all_due_at
            if is_all_due:
                all_due_at = loop.time() + PERIOD_SECONDS
            try:
                await (self.run_due() if is_all_due else self.run_prompt())
            except Exception as error:
                logger.error("jobs failed with %s; next try in %s s", type(error).__name__, PERIOD_SECONDS)
                wait_seconds = PERIOD_SECONDS
            try:
                await asyncio.wait_for(stopped.wait(), wait_seconds)
            except TimeoutError:
                continue
