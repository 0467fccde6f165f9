"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations, RotateKeyOnDemand.

The rotations themselves are jobs (jobs/key_rotation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strongroom.aws import refusals, rotation_refusals
from strongroom.aws.generated.enums import (
    ImportState,
    IncludeKeyMaterial,
    KeyState,
    OriginType,
)
from strongroom.aws.generated.shapes import (
    DisableKeyRotationRequest,
    EnableKeyRotationRequest,
    GetKeyRotationStatusRequest,
    GetKeyRotationStatusResponse,
    ListKeyRotationsRequest,
    ListKeyRotationsResponse,
    RotateKeyOnDemandRequest,
    RotateKeyOnDemandResponse,
    RotationsListEntry,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.key_spec import KEY_SPECS, KeyType
from strongroom.resources.key_state import ANY_STATE, CHANGE_ROTATION, ROTATE
from strongroom.resources.rotation_schedule import (
    ON_DEMAND_ROTATIONS_MAX,
    ROTATION_PERIOD_DAYS_DEFAULT,
    count_on_demand_rotations,
    has_automatic_rotation,
    has_rotation,
    is_near,
    pending_material,
    schedule_of,
    schedule_when_enabled,
    with_schedule,
)

LIST_KEY_ROTATIONS_LIMIT_DEFAULT = 100
"""ListKeyRotations API reference: "between 1 and 1000, inclusive ... it defaults to 100"."""

_PENDING_DELETION = (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)


def _require_no_replica(key: Key) -> None:
    """Source: API references, "set the property on the primary key", "invoke the on-demand rotation on the
    primary key"."""
    if key.is_replica:
        raise rotation_refusals.not_a_primary_key(key.arn)


def _require_automatic_rotation(key: Key) -> None:
    """Source: API reference of EnableKeyRotation, and key states of KMS keys, note 6."""
    if key.origin is not OriginType.AWS_KMS:
        raise refusals.origin_not_valid(key.arn, key.origin)
    if not has_automatic_rotation(key):
        raise rotation_refusals.rotation_not_supported()
    _require_no_replica(key)


async def enable_key_rotation(call: Call, request: EnableKeyRotationRequest) -> None:
    key = call.key
    _require_automatic_rotation(key)
    current = schedule_of(key)
    period_days = request.rotation_period_in_days or ROTATION_PERIOD_DAYS_DEFAULT
    schedule = schedule_when_enabled(current, period_days, call.rooms.clock.now())
    if schedule != current:
        await call.rooms.store.update_key(with_schedule(key, schedule))


async def disable_key_rotation(call: Call, request: DisableKeyRotationRequest) -> None:
    """Leaves a rotation on demand that is under way alone.

    Source: rotating-keys-disable.html: it does not "cancel any in progress on-demand rotations".
    """
    key = call.key
    _require_automatic_rotation(key)
    if schedule_of(key) is not None:
        await call.rooms.store.update_key(with_schedule(key, None))


async def _find_rotating_key(call: Call) -> Key:
    """The key whose rotation this one follows: a replica follows its primary key."""
    key = call.key
    if key.is_replica and key.primary_region is not None:
        primary = await call.rooms.store.find_key(key.primary_region, key.key_id)
        if primary is not None and primary.account_id == key.account_id:
            return primary
    return key


async def get_key_rotation_status(
    call: Call, request: GetKeyRotationStatusRequest
) -> GetKeyRotationStatusResponse:
    """Keys that cannot rotate by themselves answer false, but those of a custom key store.

    Source: recorded in ansible-collections/community.aws#311: false for an asymmetric key; "origin is ...
    which is not valid for this operation" for keys of EXTERNAL and custom key store origin. That is older
    than rotations on demand of imported symmetric keys, which only this operation shows under way.
    """
    key = call.key
    is_symmetric = KEY_SPECS[key.key_spec].type is KeyType.SYMMETRIC
    if key.origin is not OriginType.AWS_KMS and not (is_symmetric and key.origin is OriginType.EXTERNAL):
        raise refusals.origin_not_valid(key.arn, key.origin)
    rotating = await _find_rotating_key(call)
    schedule = schedule_of(rotating)
    started_at = rotating.rotation_started_at
    if key.key_state in _PENDING_DELETION:  # "its key rotation status is false"; it comes back when cancelled
        schedule = None
    return GetKeyRotationStatusResponse(
        key_rotation_enabled=schedule is not None,  # of AWS managed keys always
        key_id=key.arn,
        rotation_period_in_days=None if schedule is None else schedule.period_days,
        next_rotation_date=None if schedule is None else schedule.next_at.timestamp(),
        on_demand_rotation_start_date=None if started_at is None else started_at.timestamp(),
    )


def _listed_materials(key: Key, include: IncludeKeyMaterial | None) -> Sequence[KeyMaterial]:
    """The materials in the order in which they came to the key: first, rotated, pending."""
    if include is IncludeKeyMaterial.ALL_KEY_MATERIAL:
        return tuple(key.materials.values())
    return tuple(material for material in key.materials.values() if material.rotation_type is not None)


def _render_entry(key: Key, material: KeyMaterial) -> RotationsListEntry:
    is_imported = key.origin is OriginType.EXTERNAL
    is_present = material.exported_token is not None
    state = ImportState.IMPORTED if is_present else ImportState.PENDING_IMPORT
    rotated_at, expires_at = material.rotated_at, material.expires_at
    return RotationsListEntry(
        key_id=key.key_id,
        key_material_id=material.material_id,
        key_material_description=material.description if is_imported else None,
        import_state=state if is_imported else None,
        key_material_state=material.state,
        expiration_model=material.expiration_model if is_imported else None,
        valid_to=expires_at.timestamp() if is_imported and expires_at is not None else None,
        rotation_date=None if rotated_at is None else rotated_at.timestamp(),
        rotation_type=material.rotation_type,
    )


async def list_key_rotations(call: Call, request: ListKeyRotationsRequest) -> ListKeyRotationsResponse:
    key = call.key
    limit = request.limit or LIST_KEY_ROTATIONS_LIMIT_DEFAULT
    if request.include_key_material is not None and not has_rotation(key):
        # API reference: "This parameter can only be used with KMS keys that support ... rotation."
        raise rotation_refusals.rotation_not_supported()
    listed = _listed_materials(key, request.include_key_material)
    of = (key.arn, request.include_key_material)
    after = await parse_marker(call, "ListKeyRotations", request.marker, *of)
    if after is not None:
        position = next((i for i, material in enumerate(listed) if material.material_id == after), None)
        if position is None:
            raise refusals.invalid_marker()
        listed = listed[position + 1 :]
    page, more = cut_page(listed, limit)
    return ListKeyRotationsResponse(
        rotations=[_render_entry(key, material) for material in page],
        next_marker=(
            await render_marker(call, "ListKeyRotations", page[-1].material_id, *of) if more else None
        ),
        truncated=more,
    )


async def rotate_key_on_demand(call: Call, request: RotateKeyOnDemandRequest) -> RotateKeyOnDemandResponse:
    """Begins the rotation; the job runner completes it within a second or so."""
    key = call.key
    now = call.rooms.clock.now()
    if key.origin not in (OriginType.AWS_KMS, OriginType.EXTERNAL):
        raise refusals.origin_not_valid(key.arn, key.origin)
    if not has_rotation(key):
        raise rotation_refusals.rotation_not_supported()
    _require_no_replica(key)
    if count_on_demand_rotations(key) >= ON_DEMAND_ROTATIONS_MAX:
        raise rotation_refusals.on_demand_rotations_used_up(key.arn)
    if key.rotation_started_at is not None:
        raise rotation_refusals.on_demand_rotation_under_way()
    if is_near(schedule_of(key), now):
        raise rotation_refusals.automatic_rotation_is_near()
    if key.origin is OriginType.EXTERNAL and pending_material(key) is None:
        raise rotation_refusals.no_material_pending_rotation(key.arn)
    await call.rooms.store.update_key(replace(key, rotation_started_at=now))
    return RotateKeyOnDemandResponse(key_id=key.arn)


ENABLE_KEY_ROTATION = Operation(
    service="kms",
    name="EnableKeyRotation",
    input=EnableKeyRotationRequest,
    output=None,
    check=None,
    access=on_key("kms:EnableKeyRotation"),
    states=CHANGE_ROTATION,
    usage=None,
    read_only=False,
    records=records("key_id", "rotation_period_in_days"),
    response_records=(),
    run=enable_key_rotation,
)

DISABLE_KEY_ROTATION = Operation(
    service="kms",
    name="DisableKeyRotation",
    input=DisableKeyRotationRequest,
    output=None,
    check=None,
    access=on_key("kms:DisableKeyRotation"),
    states=CHANGE_ROTATION,
    usage=None,
    read_only=False,
    records=records("key_id"),
    response_records=(),
    run=disable_key_rotation,
)

GET_KEY_ROTATION_STATUS = Operation(
    service="kms",
    name="GetKeyRotationStatus",
    input=GetKeyRotationStatusRequest,
    output=GetKeyRotationStatusResponse,
    check=None,
    access=on_key("kms:GetKeyRotationStatus", cross_account=True),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id"),
    response_records=(),
    run=get_key_rotation_status,
)

LIST_KEY_ROTATIONS = Operation(
    service="kms",
    name="ListKeyRotations",
    input=ListKeyRotationsRequest,
    output=ListKeyRotationsResponse,
    check=None,
    access=on_key("kms:ListKeyRotations"),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id", "include_key_material", "limit", "marker"),
    response_records=(),
    run=list_key_rotations,
)

ROTATE_KEY_ON_DEMAND = Operation(
    service="kms",
    name="RotateKeyOnDemand",
    input=RotateKeyOnDemandRequest,
    output=RotateKeyOnDemandResponse,
    check=None,
    access=on_key("kms:RotateKeyOnDemand"),
    states=ROTATE,
    usage=None,
    read_only=False,
    records=records("key_id"),
    response_records=("key_id",),
    run=rotate_key_on_demand,
)

OPERATIONS = (
    ENABLE_KEY_ROTATION,
    DISABLE_KEY_ROTATION,
    GET_KEY_ROTATION_STATUS,
    LIST_KEY_ROTATIONS,
    ROTATE_KEY_ON_DEMAND,
)
