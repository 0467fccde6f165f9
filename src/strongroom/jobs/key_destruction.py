"""The end of a key's life: when its window is over, its material is destroyed for ever."""

from __future__ import annotations

import logging

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.jobs")

BATCH_KEYS = 100


async def destroy_due_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Destroy every KMS key whose deletion date has come; returns how many.

    The rows go first (one transaction: key, materials, tags, aliases), then the boundary forgets
    what it holds, then the record is written. Safe to run in several processes at once: a key that
    another one destroyed, or whose deletion was cancelled, raises ConcurrentChange and is left.
    """
    destroyed = 0
    while due := await rooms.store.list_keys_due_for_deletion(rooms.clock.now(), BATCH_KEYS):
        before = destroyed
        for key in due:
            try:
                await rooms.store.destroy_key(key)
            except ConcurrentChange:
                continue
            destroyed += 1
            await rooms.boundary.forget_key(key.key_id, key.region)
            await audit.durably(
                render_service_event(
                    event_time=rooms.clock.epoch_seconds(),
                    event_source="kms.amazonaws.com",
                    event_name="DeleteKey",
                    region=key.region,
                    service_event_details={"keyId": key.arn},
                    resources=[(key.arn, key.account_id)],
                    recipient_account_id=key.account_id,
                    event_id=request_ids.next(),
                )
            )
        if destroyed == before:
            break
    return destroyed
