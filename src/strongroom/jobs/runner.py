"""The job runner: work that falls due by the clock, not by a request."""

from __future__ import annotations

import asyncio
import logging

from strongroom.audit.interface import AuditTrail
from strongroom.jobs.key_destruction import destroy_due_keys
from strongroom.jobs.material_expiry import delete_expired_material
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS = 5.0


class JobRunner:
    """Runs all jobs that are due, again and again. Every job may run twice without harm."""

    def __init__(self, rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids

    async def run_due(self) -> None:
        """Run everything that is due by now, once."""
        await destroy_due_keys(self._rooms, self._audit, self._ids)
        await delete_expired_material(self._rooms, self._audit, self._ids)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Run jobs every few seconds until `stopped`. A failed round is logged and tried again."""
        while not stopped.is_set():
            try:
                await self.run_due()
            except Exception as error:
                logger.error("jobs failed with %s; next try in %s s", type(error).__name__, PERIOD_SECONDS)
            try:
                await asyncio.wait_for(stopped.wait(), PERIOD_SECONDS)
            except TimeoutError:
                continue
