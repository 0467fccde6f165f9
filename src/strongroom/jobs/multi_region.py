"""Multi-Region keys in a passing state: new replicas become usable, changed roles settle."""

from __future__ import annotations

from dataclasses import replace

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.aws.generated.enums import KeyState, OriginType
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import KeyId, Region, key_arn
from strongroom.resources.imported_material import lacks_material
from strongroom.resources.key import Key
from strongroom.resources.key_state import state_when_done
from strongroom.store.interface import ConcurrentChange

BATCH_KEYS = 100


async def finish_multi_region_changes(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Finish every replica that is Creating and every change of roles that is Updating; returns how many.

    All else about such keys was done in the transaction that gave them the state, so whoever comes next
    after a crash can finish them. Each is recorded as a synchronization of its primary key.
    Raises: AuditUnavailable; while the trail takes no records, nothing is finished (INVARIANT J4).
    """
    finished = 0
    for state in (KeyState.CREATING, KeyState.UPDATING):
        after: tuple[Region, KeyId] | None = None
        while page := await rooms.store.list_keys_in_state(state, after, BATCH_KEYS):
            for key in page:
                if not audit.is_accepting():
                    raise AuditUnavailable
                finished += await _finish(rooms, audit, request_ids, key)
            after = (page[-1].region, page[-1].key_id)
    return finished


async def _finish(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds, key: Key) -> bool:
    awaits_import = key.origin is OriginType.EXTERNAL and lacks_material(key)
    done = state_when_done(key.key_state, awaits_import=awaits_import)
    try:
        await rooms.store.update_key(replace(key, key_state=done))
    except ConcurrentChange:
        return False  # if it is still to be finished, the next round does
    # Of a change of roles, the new primary's end of it speaks for both.
    if key.key_state is KeyState.CREATING or not key.is_replica:
        await audit.durably(render_synchronization(key, rooms.clock.epoch_seconds(), request_ids.next()))
    return True


def render_synchronization(key: Key, event_time: float, event_id: str) -> bytes:
    """The SynchronizeMultiRegionKey event of a multi-Region key: it names the primary key, in its Region.

    Source: AWS KMS Developer Guide, ct-synchronize-multi-region-key.
    """
    region = key.primary_region or key.region
    arn = key_arn(region, key.account_id, key.key_id)
    return render_service_event(
        event_time=event_time,
        event_source="kms.amazonaws.com",
        event_name="SynchronizeMultiRegionKey",
        region=region,
        service_event_details={"keyId": key.key_id},
        response_elements={"keyId": arn},
        resources=[(arn, key.account_id)],
        recipient_account_id=key.account_id,
        event_id=event_id,
    )
