"""The job runner: work that falls due by the clock, not by a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from strongroom.audit.interface import AuditTrail
from strongroom.jobs.domain_keys import bring_tokens_up_to_date, replace_domain_keys
from strongroom.jobs.key_destruction import destroy_due_keys
from strongroom.jobs.key_rotation import complete_rotations, rotate_due_keys
from strongroom.jobs.key_store_connections import finish_key_store_connections
from strongroom.jobs.material_expiry import delete_expired_material
from strongroom.jobs.multi_region import finish_multi_region_changes
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS = 5.0
PROMPT_PERIOD_SECONDS = 0.5
STOP_SECONDS = 5.0
"""What a job that is under way gets to end when the process stops."""

Job: TypeAlias = Callable[[Rooms, AuditTrail, RequestIds], Awaitable[int]]


async def bring_deletions_to_ledger(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """What a process that ended after it deleted something did not bring there any more."""
    await keep_deletions(rooms.deletion_ledger)
    return 0


JOBS: Sequence[Job] = (
    bring_deletions_to_ledger,
    finish_multi_region_changes,
    destroy_due_keys,
    delete_expired_material,
    rotate_due_keys,
    complete_rotations,
    finish_key_store_connections,
    replace_domain_keys,
)
"""All jobs that fall due by the clock, in the order in which a round runs them."""

UPKEEP_JOBS: Sequence[Job] = (bring_tokens_up_to_date,)
"""Nobody waits for these, and they take as long as they take: in the job runner's process alone."""

KEY_STORE_JOBS: Sequence[Job] = (finish_key_store_connections,)
"""Callers wait for these, too (Connect-, DisconnectCustomKeyStore), but they may take minutes."""

PROMPT_JOBS: Sequence[Job] = (
    finish_multi_region_changes,
    rotate_due_keys,
    complete_rotations,
)
"""Jobs that callers wait for: RotateKeyOnDemand, EnableKey of a key whose rotation is overdue, ReplicateKey,
UpdatePrimaryRegion.

With nothing to do, each costs one look into an index.
"""


class JobRunner:
    """Runs all jobs, again and again. Every job may run twice without harm."""

    def __init__(self, rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids

    async def run_due(self, jobs: Sequence[Job] = JOBS) -> None:
        """Run everything that is due by now, once, without the upkeep. A job that fails does not keep
        the others from their work; the first failure is raised when all have had their turn."""
        failure: Exception | None = None
        for job in jobs:
            try:
                await job(self._rooms, self._audit, self._ids)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def run_prompt(self) -> None:
        """Run what callers wait for. Costs next to nothing when there is nothing."""
        await self.run_due(PROMPT_JOBS)
        await self.run_due(KEY_STORE_JOBS)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Run jobs until `stopped`: some at once, all every few seconds. A failed round is logged and
        tried again. Turns side by side, so that a slow HSM or proxy holds up no job but its own."""
        whole = [job for job in JOBS if job not in (*PROMPT_JOBS, *KEY_STORE_JOBS)]
        turns = [
            asyncio.create_task(self._repeat(jobs, period_seconds, stopped))
            for jobs, period_seconds in (
                (PROMPT_JOBS, PROMPT_PERIOD_SECONDS),
                (KEY_STORE_JOBS, PROMPT_PERIOD_SECONDS),
                (whole, PERIOD_SECONDS),
                (UPKEEP_JOBS, PERIOD_SECONDS),
            )
        ]
        await stopped.wait()
        await asyncio.wait(turns, timeout=STOP_SECONDS)
        for turn in turns:
            turn.cancel()  # what it was at is done again by the next start
        await asyncio.gather(*turns, return_exceptions=True)

    async def _repeat(self, jobs: Sequence[Job], period_seconds: float, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            try:
                await self.run_due(jobs)
            except Exception as error:
                logger.error("jobs failed with %s; next try in %s s", type(error).__name__, PERIOD_SECONDS)
                await _wait(stopped, PERIOD_SECONDS)
            await _wait(stopped, period_seconds)


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return
