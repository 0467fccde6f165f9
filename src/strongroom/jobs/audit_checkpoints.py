"""Has the boundary sign how far the audit trail has come, every minute in which something was recorded.

Whoever can write the audit files can compute all hashes anew; a signature he cannot make. Where the chain
ends is asked of its writer, not read from the files. The newest checkpoint is kept beside the data: a start
compares the trail with it, so that one that was replaced meanwhile is told of, and not signed in silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from strongroom.audit.chain import ChainBroken, Link, render_time
from strongroom.audit.checkpoint_search import BlockArchived, find_block_hash, list_newest_checkpoints
from strongroom.audit.checkpoints import (
    CHECKPOINT_BYTES_MAX,
    CHECKPOINT_FILE,
    EVENT_NAME,
    FIRST,
    KEY_FILE,
    Checkpoint,
    CheckpointRefused,
    SignedCheckpoint,
    key_id_of,
    parse_file,
    parse_text,
    render_details,
    render_file,
    render_key_file,
    render_text,
)
from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.clock import Clock
from strongroom.operations.kept_file import KeptFiles, read_kept_file
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 10.0
SEGMENTS_LOOKED_AT: Final = 2
"""For a checkpoint that is later than the kept one: 64 MiB."""
NOT_AS_SIGNED: Final = "FindAuditTrailChanged"


class SigningBoundary(Protocol):
    """What of the boundary is needed."""

    def sign_audit_checkpoint(self, text: bytes) -> Awaitable[tuple[bytes, bytes]]: ...

    def knows_audit_checkpoint(self, text: bytes, signature: bytes) -> Awaitable[bool]: ...


class TrailWithEnd(AuditTrail, Protocol):
    """A trail whose writer says where the chain ends."""

    def find_end(self) -> Awaitable[Link]: ...


class AuditCheckpoints:
    """One server's. Concurrency: one event loop."""

    def __init__(
        self,
        boundary: SigningBoundary,
        audit: TrailWithEnd,
        clock: Clock,
        request_ids: RequestIds,
        data_directory: Path,
        account_id: str,
        files: KeptFiles,
    ) -> None:
        self._files = files
        self._boundary = boundary
        self._audit = audit
        self._clock = clock
        self._ids = request_ids
        self._trail = data_directory / "audit"
        self._kept = data_directory / CHECKPOINT_FILE
        self._key_file = data_directory / KEY_FILE
        self._account_id = account_id
        self._last: Checkpoint | None = None
        """None before the trail was looked at."""
        self._key_written = b""

    async def run_until(self, stopped: asyncio.Event, period_seconds: float = PERIOD_SECONDS) -> None:
        """Look at the trail, then sign again and again, and once more at the end.

        What fails is logged and tried again.
        """
        await self._try(self.take_up)
        is_last = False
        while not is_last:  # also where it was stopped while it looked
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), period_seconds)
            is_last = stopped.is_set()
            await self._try(self.sign)

    async def _try(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except (BoundaryUnavailable, AuditUnavailable, TimeoutError):
            pass  # it is being started again, or its disk is full: the next turn
        except Exception as error:
            logger.error("the audit trail was not signed: %s", type(error).__name__)

    async def sign(self) -> bool:
        """A checkpoint, if something was recorded since the last one; whether there was.

        Raises BoundaryUnavailable, AuditUnavailable, TimeoutError, OSError.
        """
        if not self._audit.is_accepting():
            return False
        last = await self.take_up()
        end = await asyncio.wait_for(self._audit.find_end(), PATIENCE_SECONDS)
        if end.records in (last.records, last.records + 1):
            return False  # nothing but the record of the last checkpoint
        checkpoint = Checkpoint(
            last.number + 1,
            render_time(self._clock.epoch_seconds()),
            end.block,
            end.records,
            end.hash,
            last.block,
            last.hash,
        )
        text = render_text(checkpoint)
        public_key, signature = await self._boundary.sign_audit_checkpoint(text)
        signed = SignedCheckpoint(text, signature)
        await self._keep_key(public_key)
        await self._tell(EVENT_NAME, render_details(signed, key_id_of(public_key)))
        # After the record: a checkpoint that is kept is in the trail, and a number is given twice at most.
        await self._files.replace_file(self._kept, render_file(signed))
        self._last = checkpoint
        return True

    async def _keep_key(self, public_key: bytes) -> None:
        if self._key_written == public_key:
            return
        content = render_key_file(public_key)
        if await read_kept_file(self._files, self._key_file, CHECKPOINT_BYTES_MAX) != content:
            await self._files.replace_file(self._key_file, content)
        self._key_written = public_key

    # --- at a start

    async def take_up(self) -> Checkpoint:
        """The last checkpoint; the first time, after a look whether the trail still is what it says.

        Raises as `sign` does.
        """
        if self._last is not None:
            return self._last
        last = await self._find_last()
        if last.number and (problem := await asyncio.to_thread(_find_problem, self._trail, last)):
            logger.error(
                "The audit trail in %s is not the one that was signed: %s. See strongroom audit verify.",
                self._trail,
                problem,
            )
            await self._tell(
                NOT_AS_SIGNED,
                {"number": last.number, "block": last.block, "hash": last.hash.hex(), "problem": problem},
            )
        self._last = last
        return last

    async def _find_last(self) -> Checkpoint:
        """The kept one, or a later one in the trail: a job runner may have died before it was kept."""
        kept = await self._find_kept()
        end_alone = 0 if kept.number == 0 else SEGMENTS_LOOKED_AT
        for signed in await asyncio.to_thread(
            list_newest_checkpoints, self._trail, newest_segments=end_alone
        ):
            checkpoint = parse_text(signed.text)
            if checkpoint.number > kept.number and await self._boundary.knows_audit_checkpoint(*signed):
                return checkpoint
        return kept

    async def _find_kept(self) -> Checkpoint:
        kept = await read_kept_file(self._files, self._kept, CHECKPOINT_BYTES_MAX)
        if kept is not None:
            try:
                signed = parse_file(kept)
            except CheckpointRefused:
                logger.error("The checkpoint %s is damaged: it is made anew.", self._kept)
            else:
                if await self._boundary.knows_audit_checkpoint(*signed):
                    return parse_text(signed.text)
                logger.error("The checkpoint %s was not signed by this server: it is made anew.", self._kept)
        return FIRST

    async def _tell(self, event_name: str, details: Mapping[str, object]) -> None:
        event = render_service_event(
            event_time=self._clock.epoch_seconds(),
            event_source="kms.amazonaws.com",
            event_name=event_name,
            region="us-east-1",
            service_event_details=details,
            resources=[],
            recipient_account_id=self._account_id,
            event_id=self._ids.next(),
        )
        await self._audit.durably(event)


def _find_problem(trail: Path, last: Checkpoint) -> str | None:
    try:
        found = find_block_hash(trail, last.block)
    except BlockArchived:
        return None
    except ChainBroken as broken:
        return broken.sentence
    if found is None:
        return f"it ends before block {last.block}"
    return None if found == last.hash else f"block {last.block} is another one"
