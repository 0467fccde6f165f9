"""When a KMS key's material rotates, and what its record is afterwards. Pure.

Source: AWS KMS Developer Guide, "Rotate AWS KMS keys" (rotate-keys.html), and the API reference of
EnableKeyRotation, GetKeyRotationStatus and RotateKeyOnDemand. What they leave open is decided here:

* A new period on a key that rotates already counts from now ("the number of days after you enable
  automatic key rotation"). The period it has already changes nothing: a tool that enables rotation
  every day must not put it off for ever.
* A rotation that comes within PUNCTUAL of its date leaves the calendar as it was ("March 15, 2023,
  March 15, 2024, and every 365 days thereafter"). One that comes later (the key was disabled, the
  server was off, time was moved over several periods) happens once, and the next is a whole period
  from then ("rotates it immediately, and every year thereafter").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.aws.generated.enums import (
    KeyMaterialState,
    KeySpec,
    KeyState,
    OriginType,
    RotationType,
)
from strongroom.resources.key import Key, KeyMaterial

ROTATION_PERIOD_DAYS_DEFAULT = 365
ROTATION_PERIOD_DAYS_MIN = 90
ROTATION_PERIOD_DAYS_MAX = 2560
"""EnableKeyRotation API reference, RotationPeriodInDays; the shape of the request holds them, too."""

ON_DEMAND_ROTATIONS_MAX = 25
"""RotateKeyOnDemand API reference: "a maximum of 25 times per KMS key", in its whole life."""

ON_DEMAND_DISTANCE = timedelta(minutes=20)
"""ConflictException: an automatic rotation is "scheduled to begin within the next 20 minutes"."""

PUNCTUAL = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """The period of a key's automatic rotations, and when the next is due."""

    period_days: int
    next_at: datetime


def new_schedule(period_days: int, enabled_at: datetime) -> RotationSchedule:
    """The schedule of a key whose automatic rotation is enabled now."""
    return RotationSchedule(period_days, enabled_at + timedelta(days=period_days))


def schedule_of(key: Key) -> RotationSchedule | None:
    """The key's schedule; None: its material does not rotate by itself."""
    if key.rotation_period_days is None or key.next_rotation_at is None:
        return None
    return RotationSchedule(key.rotation_period_days, key.next_rotation_at)


def schedule_when_enabled(
    current: RotationSchedule | None, period_days: int, now: datetime
) -> RotationSchedule:
    """What EnableKeyRotation makes of a schedule, or of none."""
    if current is not None and current.period_days == period_days:
        return current
    return new_schedule(period_days, now)


def schedule_after_rotation(schedule: RotationSchedule, rotated_at: datetime) -> RotationSchedule:
    """The schedule after the rotation that was due; the next one is always after `rotated_at`."""
    from_instant = schedule.next_at if rotated_at - schedule.next_at <= PUNCTUAL else rotated_at
    return new_schedule(schedule.period_days, from_instant)


def has_automatic_rotation(key: Key) -> bool:
    """Whether keys of this kind can rotate by themselves."""
    return key.key_spec is KeySpec.SYMMETRIC_DEFAULT and key.origin is OriginType.AWS_KMS


def has_rotation(key: Key) -> bool:
    """Whether keys of this kind can rotate at all: by themselves or on demand."""
    return key.key_spec is KeySpec.SYMMETRIC_DEFAULT and key.origin in (
        OriginType.AWS_KMS,
        OriginType.EXTERNAL,
    )


def may_rotate_now(key: Key) -> bool:
    """A rotation that is due or under way waits while the key is disabled or pending deletion.

    Replicas never rotate themselves: their primary key hands them its new material.
    """
    return key.key_state is KeyState.ENABLED and not key.is_replica


def is_due(key: Key, now: datetime) -> bool:
    """Whether the key's automatic rotation is to be done now."""
    schedule = schedule_of(key)
    return (
        schedule is not None
        and schedule.next_at <= now
        and has_automatic_rotation(key)
        and may_rotate_now(key)
    )


def is_near(schedule: RotationSchedule | None, now: datetime) -> bool:
    """Whether an automatic rotation is due, or will be within the distance kept from rotations on demand."""
    return schedule is not None and schedule.next_at - now <= ON_DEMAND_DISTANCE


def count_on_demand_rotations(key: Key) -> int:
    """How many rotations on demand the key has had, with the one under way."""
    done = sum(material.rotation_type is RotationType.ON_DEMAND for material in key.materials.values())
    return done + (key.rotation_started_at is not None)


def pending_material(key: Key) -> KeyMaterial | None:
    """The imported key material that the next rotation on demand makes current."""
    for material in key.materials.values():
        if material.state is KeyMaterialState.PENDING_ROTATION and material.exported_token is not None:
            return material
    return None


def with_current_material(key: Key, material: KeyMaterial, type_: RotationType, rotated_at: datetime) -> Key:
    """The record of the key after a rotation to `material`, which may be new to it.

    The material that was current stays, to decrypt what it has encrypted.
    """
    materials = dict(key.materials)
    if key.current_material_id is not None and key.current_material_id in materials:
        previous = materials[key.current_material_id]
        materials[previous.material_id] = replace(previous, state=KeyMaterialState.NON_CURRENT)
    materials[material.material_id] = replace(
        material, state=KeyMaterialState.CURRENT, rotated_at=rotated_at, rotation_type=type_
    )
    return replace(key, current_material_id=material.material_id, materials=materials)


def with_schedule(key: Key, schedule: RotationSchedule | None) -> Key:
    """The record of the key with another schedule."""
    return replace(
        key,
        rotation_period_days=None if schedule is None else schedule.period_days,
        next_rotation_at=None if schedule is None else schedule.next_at,
    )
