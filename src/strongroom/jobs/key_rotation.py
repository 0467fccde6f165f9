"""New key material for keys whose rotation is due, or was asked for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.aws.generated.enums import OriginType, RotationType
from strongroom.boundary.interface import BoundaryError, BoundaryUnavailable, KeyBinding, TokenRefused
from strongroom.operations.context import Rooms
from strongroom.operations.token_origins import require_origin
from strongroom.replication.material import MaterialNotEverywhere, rotated_replicas
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import KeyId, MaterialId, Region
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.rotation_schedule import (
    is_due,
    may_rotate_now,
    pending_material,
    schedule_after_rotation,
    schedule_of,
    with_current_material,
    with_schedule,
)
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.jobs")

BATCH_KEYS = 100
TRIES_MAX = 5
"""How often a key is looked at again that someone else changed meanwhile; then the next round does it."""

Rotation = Callable[[Key], Awaitable[Key | None]]
"""Works out the record after a rotation; None: there is nothing to do for this key any more."""


async def rotate_due_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Rotate every KMS key whose automatic rotation has come; returns how many.

    A key that is several periods behind rotates once. Raises as `complete_rotations`.
    """

    async def rotate(key: Key) -> Key | None:
        now = rooms.clock.now()
        schedule = schedule_of(key)
        if schedule is None or not is_due(key, now):
            return None
        material = await _generate_material(rooms, key)
        rotated = with_current_material(key, material, RotationType.AUTOMATIC, now)
        return with_schedule(rotated, schedule_after_rotation(schedule, now))

    async def list_due(limit: int) -> Sequence[Key]:
        return await rooms.store.list_keys_due_for_rotation(rooms.clock.now(), limit)

    return await _rotate_each(rooms, audit, request_ids, list_due, rotate)


async def complete_rotations(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Complete every rotation that RotateKeyOnDemand began; returns how many.

    Safe to run in several processes at once, and to be killed at any moment: the new material, the
    schedule and the end of the rotation are one change of one version of the key. Material that lost a
    race was never anyone's.
    Raises: AuditUnavailable, BoundaryUnavailable; when all other keys had their turn, the BoundaryError
    of a key that the boundary refused. What was rotated until then stays so.
    """

    async def complete(key: Key) -> Key | None:
        if key.rotation_started_at is None or not may_rotate_now(key):
            return None
        over = replace(key, rotation_started_at=None)
        if key.origin is OriginType.EXTERNAL:
            material = pending_material(key)
            if material is None:  # deleted since: there is nothing to rotate to
                return over
        else:
            material = await _generate_material(rooms, key)
        return with_current_material(over, material, RotationType.ON_DEMAND, rooms.clock.now())

    return await _rotate_each(rooms, audit, request_ids, rooms.store.list_keys_in_rotation, complete)


async def _rotate_each(
    rooms: Rooms,
    audit: AuditTrail,
    request_ids: RequestIds,
    list_keys: Callable[[int], Awaitable[Sequence[Key]]],
    rotation: Rotation,
) -> int:
    rotated = 0
    failure: BoundaryError | None = None
    left = 0
    tried: set[tuple[Region, KeyId]] = set()
    # What was rotated is not listed again, and what had to be left is asked for on top: each round comes
    # to keys that none has tried, or is the last.
    while fresh := [
        key for key in await list_keys(BATCH_KEYS + left) if (key.region, key.key_id) not in tried
    ]:
        for key in fresh:
            tried.add((key.region, key.key_id))
            if not audit.is_accepting():  # INVARIANT J4
                raise AuditUnavailable
            try:
                change = await _rotate(rooms, key, rotation)
            except BoundaryUnavailable:
                raise
            except BoundaryError as error:
                failure, change = failure or error, None
            if change is None:
                left += 1
                continue
            before, after = change
            if after.current_material_id != before.current_material_id:
                rotated += 1
                await audit.durably(
                    _render_record(before, after, rooms.clock.epoch_seconds(), request_ids.next())
                )
    if failure is not None:
        logger.error("%d keys were left as they are, some for %s", left, type(failure).__name__)
        raise failure
    return rotated


async def _rotate(rooms: Rooms, key: Key, rotation: Rotation) -> tuple[Key, Key] | None:
    """The key's record before and after; None where there was nothing to do, or others changed it again
    and again."""
    found: Key | None = key
    for _ in range(TRIES_MAX):
        after = None if found is None else await rotation(found)
        if found is None or after is None:
            return None
        try:
            changed = await rooms.store.update_keys((after, *await _replicas_after(rooms, found, after)))
            return found, changed[0]
        except MaterialNotEverywhere:  # imported key material: the rotation waits for its import
            return None
        except ConcurrentChange:
            found = await rooms.store.find_key(key.region, key.key_id)
    return None


async def _replicas_after(rooms: Rooms, before: Key, after: Key) -> Sequence[Key]:
    """What is written with the primary's record: its replicas, if there is new material for them.

    "AWS KMS does not encrypt any data with the new key material until that key material is available in
    the primary key and every one of its replica keys." (Developer Guide, Rotating multi-Region keys)
    """
    if after.current_material_id == before.current_material_id:
        return ()
    return await rotated_replicas(rooms.store, rooms.boundary, after)


async def _generate_material(rooms: Rooms, key: Key) -> KeyMaterial:
    require_origin(key)  # or new material would make an origin true that somebody wrote into the database
    if key.current_material_id not in key.materials:  # keys that rotate have always had some
        raise TokenRefused
    generated = await rooms.boundary.generate_key(
        KeyBinding(key.account_id, key.region, key.key_id, key.key_spec, key.key_usage, key.origin)
    )
    return KeyMaterial(MaterialId(generated.material_id), generated.exported_token, rooms.clock.now())


def _render_record(before: Key, after: Key, event_time: float, event_id: str) -> bytes:
    """Source: AWS KMS Developer Guide, ct-rotatekey (examples of 2025-05)."""
    assert after.current_material_id is not None  # noqa: S101
    return render_service_event(
        event_time=event_time,
        event_source="kms.amazonaws.com",
        event_name="RotateKey",
        region=after.region,
        service_event_details={
            "rotationType": after.materials[after.current_material_id].rotation_type,
            "keyOrigin": after.origin,
            "previousKeyMaterialId": before.current_material_id,
            "currentKeyMaterialId": after.current_material_id,
            "keyId": after.key_id,
        },
        resources=[(after.arn, after.account_id)],
        recipient_account_id=after.account_id,
        event_id=event_id,
    )
