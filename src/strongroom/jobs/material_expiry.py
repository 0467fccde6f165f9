"""Imported key material whose ValidTo has come is deleted; the key waits until it is imported again."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.operations.context import Rooms
from strongroom.operations.material_erasure import erase_material
from strongroom.request_ids import RequestIds
from strongroom.resources.imported_material import expired_material, without_material
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS, KeyType
from strongroom.store.interface import ConcurrentChange

BATCH_KEYS = 100


async def delete_expired_material(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Delete all imported key material whose ValidTo has come; returns how many materials.

    Nothing waits for this job to be refused: the road judges ValidTo itself (resources.imported_material).
    Safe to run in several processes at once: a key that another one changed raises ConcurrentChange and is
    looked at again in the next round.
    Raises: AuditUnavailable; while the trail takes no records, nothing is deleted.
    """
    deleted = 0
    before: Sequence[Key] = ()
    while due := await rooms.store.list_keys_with_expired_material(rooms.clock.now(), BATCH_KEYS):
        if due == before:  # no round may follow one that changed nothing
            break
        before = due
        for key in due:
            if not audit.is_accepting():  # INVARIANT J4
                raise AuditUnavailable
            expired = expired_material(key, rooms.clock.now())
            try:
                await erase_material(rooms, without_material(key, {one.material_id for one in expired}))
            except ConcurrentChange:
                continue
            for material in expired:
                deleted += 1
                event = _render_record(
                    key, material.material_id, rooms.clock.epoch_seconds(), request_ids.next()
                )
                await audit.durably(event)
    return deleted


def _render_record(key: Key, material_id: str, event_time: float, event_id: str) -> bytes:
    """Source: KMS Developer Guide, ct-deleteexpiredkeymaterial. Which material it was is ours to add."""
    details: dict[str, object] = {"keyId": key.key_id}
    if KEY_SPECS[key.key_spec].type is KeyType.SYMMETRIC:
        details["keyMaterialId"] = material_id
    return render_service_event(
        event_time=event_time,
        event_source="kms.amazonaws.com",
        event_name="DeleteExpiredKeyMaterial",
        region=key.region,
        service_event_details=details,
        resources=[(key.arn, key.account_id)],
        recipient_account_id=key.account_id,
        event_id=event_id,
    )
