"""What becomes of the seal, on record: who opened it, and which slots came and went.

Slots are changed by a program of its own, with or without a server (`strongroom seal`), and the trail has one
writer: so the server looks at the seal record when it has started, and every few seconds from then on. Which
slots it saw last is kept with the data. A slot that came and went between two looks leaves no trace.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail
from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.boundary.seal_format import (
    RECORD_BYTES_MAX,
    SealSlot,
    name_slot_type,
    parse_seal,
    render_seal,
)
from strongroom.operations.context import Rooms
from strongroom.operations.kept_file import KeptFiles, read_kept_file
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS: Final = 5.0
SLOTS_SETTING: Final = "seal_slots"
_REFUSED: Final = "seal attempts refused before"
_OPENING: Final = {
    "seal opened at": "openedAt",
    "seal opened by": "openedBy",
    "seal opened with slot": "slot",
    _REFUSED: "attemptsRefused",
}
"""What the boundary says of itself, and what the record calls it."""
LEFT_BY_BOUNDARY: Final = "the boundary before"
"""Opened by nobody: a boundary that died had left the root key."""


class SealWatch:
    """Looks at one server's seal. Concurrency: one event loop."""

    def __init__(
        self,
        rooms: Rooms,
        audit: AuditTrail,
        request_ids: RequestIds,
        boundary_facts: Callable[[], Awaitable[Mapping[str, str]]],
        record: Path,
        account_id: str,
        files: KeptFiles,
    ) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids
        self._boundary_facts = boundary_facts
        self._record = record
        self._account_id = account_id
        self._files = files
        self._looked_at: tuple[int, ...] | None = ()
        """The record file as it was when its slots were last compared; None: there was none."""
        self._known_opening: Mapping[str, object] = {}
        """Not kept with the data: a job runner that was started again tells of the same opening again."""

    async def run_until(self, stopped: asyncio.Event, period_seconds: float = PERIOD_SECONDS) -> None:
        """Look again and again; a look that fails is logged and tried again."""
        while not stopped.is_set():
            try:
                await self.look()
            except BoundaryUnavailable:
                pass  # it is being started again
            except Exception as error:
                logger.error("the seal was not looked at: %s", type(error).__name__)
            try:
                await asyncio.wait_for(stopped.wait(), period_seconds)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Record what is new, once. Raises StoreUnavailable, BoundaryUnavailable, AuditUnavailable."""
        if not self._audit.is_accepting():
            return
        seen = _identity(self._record)
        if seen != self._looked_at:
            await self._compare_slots(await self._describe())
            self._looked_at = seen
        facts = await self._boundary_facts()
        opening = {name: facts[fact] for fact, name in _OPENING.items() if fact in facts}
        if opening and opening != self._known_opening:
            if opening["openedBy"] != LEFT_BY_BOUNDARY:
                await self._tell("OpenSeal", opening | {"attemptsRefused": int(facts[_REFUSED])})
            self._known_opening = opening

    async def _describe(self) -> dict[str, Any]:
        try:
            content = await read_kept_file(self._files, self._record, RECORD_BYTES_MAX)
        except OSError:
            content = None
        if content is None:
            return {"record": "missing", "slots": []}
        try:
            return _describe_slots(parse_seal(content))
        except ValueError:
            return {"record": "damaged", "slots": []}

    async def _compare_slots(self, now: dict[str, Any]) -> None:
        text = json.dumps(now, sort_keys=True)
        kept = await self._rooms.store.find_setting(SLOTS_SETTING)
        if kept == text:
            return
        before: dict[str, Any] = {"slots": []} if kept is None else json.loads(kept)
        if now["record"] != "sound":
            logger.error(
                "The seal record %s is %s: bring it back from a backup.", self._record, now["record"]
            )
        details = {
            **now,
            "added": _without(now["slots"], before["slots"]),
            "removed": _without(before["slots"], now["slots"]),
            "seenFirst": kept is None,
        }
        await self._tell("ChangeSealSlots", details)
        await self._rooms.store.put_setting(SLOTS_SETTING, text)

    async def _tell(self, event_name: str, details: Mapping[str, object]) -> None:
        event = render_service_event(
            event_time=self._rooms.clock.epoch_seconds(),
            event_source="kms.amazonaws.com",
            event_name=event_name,
            region="us-east-1",
            service_event_details=dict(details),
            resources=[],
            recipient_account_id=self._account_id,
            event_id=self._ids.next(),
        )
        await self._audit.durably(event)


def _identity(record: Path) -> tuple[int, ...] | None:
    try:
        status = record.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _describe_slots(slots: Sequence[SealSlot]) -> dict[str, Any]:
    """The slots by number, kind, and an id that tells one from another of its kind. Secrets: none."""
    return {
        "record": "sound",
        "rootKeyIds": sorted({slot.check.hex() for slot in slots}),
        "slots": [
            {
                "number": number,
                "kind": name_slot_type(slot.slot_type),
                "id": hashlib.sha256(render_seal((slot,))).hexdigest()[:16],
            }
            for number, slot in enumerate(slots, 1)
        ],
    }


def _without(slots: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Those whose id is not among the others': numbers move when a slot is removed."""
    ids = {slot["id"] for slot in others}
    return [slot for slot in slots if slot["id"] not in ids]
