"""The end of a key's life: when its window is over, its material is destroyed for ever."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.boundary.interface import Boundary, BoundaryUnavailable
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.resources.key import Key
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.jobs")

BATCH_KEYS = 100


async def destroy_due_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Destroy every KMS key whose deletion date has come; returns how many.

    The rows go first (one transaction: key, materials, tags, aliases), then the record is written, then
    the boundary forgets what it holds. Safe to run in several processes at once: a key that another one
    destroyed, or whose deletion was cancelled, raises ConcurrentChange and is left.
    Raises: AuditUnavailable; while the trail takes no records, nothing is destroyed.
    """
    destroyed = 0
    before: Sequence[Key] = ()
    while due := await rooms.store.list_keys_due_for_deletion(rooms.clock.now(), BATCH_KEYS):
        if due == before:  # no round may follow one that changed nothing
            break
        before = due
        for key in due:
            if not audit.is_accepting():  # INVARIANT J4
                raise AuditUnavailable
            try:
                await rooms.store.destroy_key(key)
            except ConcurrentChange:
                continue
            destroyed += 1
            await audit.durably(_render_record(key, rooms.clock.epoch_seconds(), request_ids.next()))
            await _forget(rooms.boundary, key)
    return destroyed


def _render_record(key: Key, event_time: float, event_id: str) -> bytes:
    return render_service_event(
        event_time=event_time,
        event_source="kms.amazonaws.com",
        event_name="DeleteKey",
        region=key.region,
        service_event_details={"keyId": key.key_id},
        response_elements={"keyId": key.arn},
        resources=[(key.arn, key.account_id)],
        recipient_account_id=key.account_id,
        event_id=event_id,
    )


async def _forget(boundary: Boundary, key: Key) -> None:
    """A boundary that cannot be reached must not keep the other keys from their end.

    What it still remembers opens nothing: no token of the key is left to be shown to it.
    """
    try:
        await boundary.forget_key(key.key_id, key.region)
    except BoundaryUnavailable as error:
        logger.warning("the boundary could not be told of a destroyed key: %s", type(error).__name__)
