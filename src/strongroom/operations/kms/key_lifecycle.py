"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription, EnableKey, DisableKey."""

from __future__ import annotations

from dataclasses import replace

from strongroom.authorization.key_policy import check_lockout, default_key_policy, parse_policy
from strongroom.aws import refusals
from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyState, KeyUsageType, OriginType
from strongroom.aws.generated.shapes import (
    CreateKeyRequest,
    CreateKeyResponse,
    DescribeKeyRequest,
    DescribeKeyResponse,
    DisableKeyRequest,
    EnableKeyRequest,
    KeyListEntry,
    ListKeysRequest,
    ListKeysResponse,
    UpdateKeyDescriptionRequest,
)
from strongroom.boundary.interface import KeyBinding
from strongroom.operations.context import Call
from strongroom.operations.metadata import render_key_metadata
from strongroom.operations.operation import Operation, on_account, on_key, records
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.operations.tag_rules import merge_tags
from strongroom.resources.identifiers import KeyId, MaterialId, key_arn, new_key_id, partition_of
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.key_state import (
    CHANGEABLE,
    DESCRIBABLE,
    ENABLE_OR_DISABLE,
    StateChange,
    state_after,
)

LIST_KEYS_LIMIT_DEFAULT = 100
"""ListKeys API reference: "This value is optional. If you include a value, it must be between 1 and 1000"."""


def require_built_kind(request: CreateKeyRequest) -> None:
    """Only symmetric encryption keys of origin AWS_KMS are built; the rest says so."""
    if request.key_spec is not None and request.customer_master_key_spec is not None:
        raise refusals.key_spec_twice()
    spec = request.key_spec or request.customer_master_key_spec or KeySpec.SYMMETRIC_DEFAULT
    if spec != KeySpec.SYMMETRIC_DEFAULT:
        if request.key_usage is None:
            raise refusals.key_usage_required()
        raise refusals.not_built(f"KeySpec {spec}")
    if request.key_usage not in (None, KeyUsageType.ENCRYPT_DECRYPT):
        raise refusals.usage_incompatible(request.key_usage, spec)
    if request.custom_key_store_id is not None:
        raise refusals.custom_key_store_not_found(request.custom_key_store_id)
    if request.origin not in (None, OriginType.AWS_KMS):
        raise refusals.not_built(f"Origin {request.origin}")
    if request.xks_key_id is not None:
        raise refusals.xks_key_id_needs_external_key_store()
    if request.multi_region:
        raise refusals.not_built("MultiRegion")


async def create_key(call: Call, request: CreateKeyRequest) -> CreateKeyResponse:
    key_id = new_key_id()
    arn = key_arn(call.region, call.account_id, key_id)
    policy = request.policy
    if policy is None:
        policy = default_key_policy(call.account_id, partition_of(call.region))
    else:
        parse_policy(policy)
        if not request.bypass_policy_lockout_safety_check:
            check_lockout(call.principal, policy, arn, call.account_id)
    tags = merge_tags({}, request.tags or [])
    generated = await call.rooms.boundary.generate_key(
        KeyBinding(
            call.account_id, call.region, key_id, KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT
        )
    )
    now = call.rooms.clock.now()
    material_id = MaterialId(generated.material_id)
    key = Key(
        account_id=call.account_id,
        region=call.region,
        key_id=key_id,
        arn=arn,
        description=request.description or "",
        key_spec=KeySpec.SYMMETRIC_DEFAULT,
        key_usage=KeyUsageType.ENCRYPT_DECRYPT,
        key_state=KeyState.ENABLED,
        key_manager=KeyManagerType.CUSTOMER,
        origin=OriginType.AWS_KMS,
        multi_region=False,
        policy=policy,
        created_at=now,
        deletion_at=None,
        pending_window_days=None,
        current_material_id=material_id,
        materials={material_id: KeyMaterial(material_id, generated.exported_token, now)},
        tags=tags,
        version=1,
    )
    await call.rooms.store.insert_key(key)
    return CreateKeyResponse(key_metadata=render_key_metadata(key))


async def describe_key(call: Call, request: DescribeKeyRequest) -> DescribeKeyResponse:
    return DescribeKeyResponse(key_metadata=render_key_metadata(call.key))


async def list_keys(call: Call, request: ListKeysRequest) -> ListKeysResponse:
    limit = request.limit or LIST_KEYS_LIMIT_DEFAULT
    after = parse_marker("ListKeys", request.marker)
    if request.resource_owners is not None and "SELF" not in request.resource_owners:
        return ListKeysResponse(keys=[], truncated=False)  # no keys are shared through RAM here
    found = await call.rooms.store.list_key_ids(
        call.account_id, call.region, None if after is None else KeyId(after), limit + 1
    )
    page, more = cut_page(found, limit)
    return ListKeysResponse(
        keys=[
            KeyListEntry(key_id=key_id, key_arn=key_arn(call.region, call.account_id, key_id))
            for key_id in page
        ],
        next_marker=render_marker("ListKeys", page[-1]) if more else None,
        truncated=more,
    )


async def update_key_description(call: Call, request: UpdateKeyDescriptionRequest) -> None:
    await call.rooms.store.update_key(replace(call.key, description=request.description))


async def _change_state(call: Call, change: StateChange) -> None:
    after = state_after(change, call.key.key_state)
    if after is not call.key.key_state:
        await call.rooms.store.update_key(replace(call.key, key_state=after))


async def enable_key(call: Call, request: EnableKeyRequest) -> None:
    await _change_state(call, StateChange.ENABLE)


async def disable_key(call: Call, request: DisableKeyRequest) -> None:
    await _change_state(call, StateChange.DISABLE)


CREATE_KEY = Operation(
    service="kms",
    name="CreateKey",
    input=CreateKeyRequest,
    output=CreateKeyResponse,
    check=require_built_kind,
    access=on_account("kms:CreateKey"),
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

DESCRIBE_KEY = Operation(
    service="kms",
    name="DescribeKey",
    input=DescribeKeyRequest,
    output=DescribeKeyResponse,
    check=None,
    access=on_key("kms:DescribeKey", aliases=True, cross_account=True),
    states=DESCRIBABLE,
    usage=None,
    read_only=True,
    records=records("key_id"),
    response_records=(),
    run=describe_key,
)

LIST_KEYS = Operation(
    service="kms",
    name="ListKeys",
    input=ListKeysRequest,
    output=ListKeysResponse,
    check=None,
    access=on_account("kms:ListKeys"),
    states=None,
    usage=None,
    read_only=True,
    records=records("limit", "marker", "resource_owners"),
    response_records=(),
    run=list_keys,
)

UPDATE_KEY_DESCRIPTION = Operation(
    service="kms",
    name="UpdateKeyDescription",
    input=UpdateKeyDescriptionRequest,
    output=None,
    check=None,
    access=on_key("kms:UpdateKeyDescription"),
    states=CHANGEABLE,
    usage=None,
    read_only=False,
    records=records("key_id", "description"),
    response_records=(),
    run=update_key_description,
)

ENABLE_KEY = Operation(
    service="kms",
    name="EnableKey",
    input=EnableKeyRequest,
    output=None,
    check=None,
    access=on_key("kms:EnableKey"),
    states=ENABLE_OR_DISABLE,
    usage=None,
    read_only=False,
    records=records("key_id"),
    response_records=(),
    run=enable_key,
)

DISABLE_KEY = Operation(
    service="kms",
    name="DisableKey",
    input=DisableKeyRequest,
    output=None,
    check=None,
    access=on_key("kms:DisableKey"),
    states=ENABLE_OR_DISABLE,
    usage=None,
    read_only=False,
    records=records("key_id"),
    response_records=(),
    run=disable_key,
)

OPERATIONS = (CREATE_KEY, DESCRIBE_KEY, LIST_KEYS, UPDATE_KEY_DESCRIPTION, ENABLE_KEY, DISABLE_KEY)
