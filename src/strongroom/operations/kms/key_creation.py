"""CreateKey."""

from __future__ import annotations

from datetime import timedelta

from strongroom.aws import refusals
from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyState, OriginType
from strongroom.aws.generated.shapes import CreateKeyRequest, CreateKeyResponse
from strongroom.boundary.interface import BoundaryRefused, KeyBinding, NotInToken
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.key_placement import check_place, create_in_store, find_place
from strongroom.operations.metadata import render_key_metadata
from strongroom.operations.new_key_policy import policy_of_new_key
from strongroom.operations.operation import NewKeyTarget, Operation, on_account, records
from strongroom.operations.requested_key import requested_spec, requested_usage
from strongroom.operations.tag_rules import merge_tags
from strongroom.operations.unsupported import not_done, require_movable_keys
from strongroom.resources.identifiers import (
    KeyId,
    MaterialId,
    key_arn,
    new_key_id,
    new_multi_region_key_id,
)
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.key_spec import is_usage_compatible
from strongroom.resources.rotation_schedule import ROTATION_PERIOD_DAYS_DEFAULT
from strongroom.store.interface import LimitReached


def check_create_key(request: CreateKeyRequest) -> None:
    """What members of one request may go together; judged before anything is made."""
    if request.key_spec is not None and request.customer_master_key_spec is not None:
        raise refusals.key_spec_twice()
    spec = requested_spec(request)
    if spec is not KeySpec.SYMMETRIC_DEFAULT and request.key_usage is None:
        raise refusals.key_usage_required()
    if not is_usage_compatible(requested_usage(request), spec):
        raise refusals.usage_incompatible(requested_usage(request), spec)
    check_place(request, spec)


def _require_fit_for_owned_key(request: CreateKeyRequest) -> None:
    """AWS owned keys are made and used where the service runs, and their policy names the service alone."""
    if (
        request.policy is not None
        or request.multi_region
        or request.custom_key_store_id is not None
        or request.origin not in (None, OriginType.AWS_KMS)
    ):
        raise refusals.unsupported_operation("An AWS owned key has one Region, AWS_KMS origin and no Policy.")


async def _require_spec(call: Call, spec: KeySpec) -> None:
    """Of a key whose material comes later: so that nobody finds out then that there is no use for it."""
    try:
        await call.rooms.boundary.require_key_spec(spec)
    except BoundaryRefused as refused:
        raise not_done(f"KeySpec {spec}", refused) from None


async def _generate_material(call: Call, key_id: KeyId, request: CreateKeyRequest) -> KeyMaterial:
    spec, usage = requested_spec(request), requested_usage(request)
    try:
        generated = await call.rooms.boundary.generate_key(
            KeyBinding(
                call.account_id, call.region, key_id, spec, usage, request.origin or OriginType.AWS_KMS
            )
        )
    except BoundaryRefused as refused:
        what = (
            f"KeySpec {spec} with KeyUsage {usage}" if isinstance(refused, NotInToken) else f"KeySpec {spec}"
        )
        raise not_done(what, refused) from None
    return KeyMaterial(MaterialId(generated.material_id), generated.exported_token, call.rooms.clock.now())


async def create_key(call: Call, request: CreateKeyRequest) -> CreateKeyResponse:
    is_owned = call.principal.type is PrincipalType.AWS_SERVICE
    if is_owned:
        _require_fit_for_owned_key(request)
    key_id = new_multi_region_key_id() if request.multi_region else new_key_id()
    arn = key_arn(call.region, call.account_id, key_id)
    policy, policy_principals = await policy_of_new_key(
        call, arn, request.policy, bypass_lockout=bool(request.bypass_policy_lockout_safety_check)
    )
    tags = merge_tags({}, request.tags or [])
    origin = request.origin or OriginType.AWS_KMS
    spec = requested_spec(request)
    place = await find_place(call, request)
    material = None
    if request.multi_region:
        await require_movable_keys(call, "MultiRegion")
    if origin is not OriginType.EXTERNAL:  # in a custom key store, the inner of two layers
        material = await _generate_material(call, key_id, request)
    else:
        await _require_spec(call, spec)
        await require_movable_keys(call, "Origin EXTERNAL")
    now = call.rooms.clock.now()
    rotates = (
        (call.rooms.rules.rotate_new_keys or is_owned)
        and spec is KeySpec.SYMMETRIC_DEFAULT
        and origin is OriginType.AWS_KMS
    )
    key = Key(
        account_id=call.account_id,
        region=call.region,
        key_id=key_id,
        arn=arn,
        description=request.description or "",
        key_spec=spec,
        key_usage=requested_usage(request),
        key_state=KeyState.PENDING_IMPORT if origin is OriginType.EXTERNAL else KeyState.ENABLED,
        key_manager=KeyManagerType.AWS if is_owned else KeyManagerType.CUSTOMER,
        origin=origin,
        multi_region=bool(request.multi_region),
        policy=policy,
        created_at=now,
        deletion_at=None,
        pending_window_days=None,
        current_material_id=None if material is None else material.material_id,
        materials={} if material is None else {material.material_id: material},
        tags=tags,
        version=1,
        rotation_period_days=ROTATION_PERIOD_DAYS_DEFAULT if rotates else None,
        next_rotation_at=now + timedelta(days=ROTATION_PERIOD_DAYS_DEFAULT) if rotates else None,
        primary_region=call.region if request.multi_region else None,
        custom_key_store_id=None if place is None else place.custom_key_store_id,
        xks_key_id=request.xks_key_id,
        policy_principals=policy_principals,
    )
    try:
        if place is not None:
            await create_in_store(call, key, place)
        else:
            await call.rooms.store.insert_key(key, of_account_max=call.rooms.rules.keys_max)
    except LimitReached:
        raise refusals.too_many_keys() from None
    return CreateKeyResponse(key_metadata=render_key_metadata(key, (), place))


CREATE_KEY = Operation(
    service="kms",
    name="CreateKey",
    input=CreateKeyRequest,
    output=CreateKeyResponse,
    check=check_create_key,
    access=(*on_account("kms:CreateKey"), NewKeyTarget("kms:TagResource", "tags", None)),
    states=None,
    usage=None,
    read_only=False,
    records=records(
        "policy",
        "description",
        "key_usage",
        "customer_master_key_spec",
        "key_spec",
        "origin",
        "custom_key_store_id",
        "bypass_policy_lockout_safety_check",
        "tags",
        "multi_region",
        "xks_key_id",
    ),
    response_records=("key_metadata",),
    run=create_key,
)

OPERATIONS = (CREATE_KEY,)
