"""ReplicateKey, UpdatePrimaryRegion. What they leave Creating or Updating, a job finishes
(jobs/multi_region.py); material from Region to Region is the work of replication/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strongroom.aws import multi_region_refusals, refusals
from strongroom.aws.generated.enums import KeyState, OriginType
from strongroom.aws.generated.shapes import (
    KeyMetadata,
    ReplicateKeyRequest,
    ReplicateKeyResponse,
    Tag,
    UpdatePrimaryRegionRequest,
)
from strongroom.operations.context import Call, RelatedEvent
from strongroom.operations.metadata import render_key_metadata
from strongroom.operations.new_key_policy import policy_of_new_key
from strongroom.operations.operation import (
    AccountTarget,
    NewKeyTarget,
    Operation,
    RelatedKeyTarget,
    on_primary_key,
    records,
)
from strongroom.operations.plan import show_struct
from strongroom.operations.tag_rules import merge_tags
from strongroom.replication.material import copy_material
from strongroom.replication.related_keys import related_keys
from strongroom.resources.identifiers import Region, key_arn, partition_of
from strongroom.resources.key import Key
from strongroom.resources.key_state import REPLICATE, UPDATE_PRIMARY_REGION, StateChange, state_after
from strongroom.store.interface import AlreadyExists, LimitReached


def _require_replica_region(call: Call, region: Region, related: Sequence[Key]) -> None:
    if partition_of(region) != partition_of(call.region):
        raise multi_region_refusals.region_of_another_partition(region)
    served = call.rooms.rules.regions
    if served is not None and region not in served:
        raise multi_region_refusals.region_not_served(region)
    for key in related:
        if key.region == region:
            raise multi_region_refusals.replica_exists(key.arn)


async def _new_replica(call: Call, request: ReplicateKeyRequest, region: Region) -> Key:
    """The record of a new replica: the primary's shared properties, and its own of the request."""
    primary, rooms = call.key, call.rooms
    arn = key_arn(region, primary.account_id, primary.key_id)
    policy, policy_principals = await policy_of_new_key(
        call, arn, request.policy, bypass_lockout=bool(request.bypass_policy_lockout_safety_check)
    )
    tags = merge_tags({}, request.tags or [])
    copied = [
        await copy_material(rooms.store, rooms.boundary, primary, material, region)
        for material in primary.materials.values()
    ]
    return replace(
        primary,
        region=region,
        arn=arn,
        description=request.description or "",
        key_state=KeyState.CREATING,
        policy=policy,
        policy_principals=policy_principals,
        created_at=rooms.clock.now(),
        current_material_id=None
        if primary.origin is OriginType.EXTERNAL  # it comes with the first import
        else primary.current_material_id,
        materials={material.material_id: material for material in copied},
        tags=tags,
        version=1,
        # What happens by the clock happens at the primary.
        rotation_period_days=None,
        next_rotation_at=None,
        rotation_started_at=None,
    )


async def replicate_key(call: Call, request: ReplicateKeyRequest) -> ReplicateKeyResponse:
    """The replica has its key material from the start; only its state says that it is being made.

    The primary's record is written along, so that no rotation, change of roles or scheduled deletion
    of another request passes a new replica unseen (INVARIANT X4).
    """
    region = Region(request.replica_region)
    related = await related_keys(call.rooms.store, call.key)
    _require_replica_region(call, region, related)
    replica = await _new_replica(call, request, region)
    try:
        await call.rooms.store.update_keys([call.key], [replica], of_account_max=call.rooms.rules.keys_max)
    except LimitReached:
        raise refusals.too_many_keys() from None
    except AlreadyExists:  # since we looked
        raise multi_region_refusals.replica_exists(replica.arn) from None
    metadata = render_key_metadata(replica, (*related, replica))
    call.related_events = (_create_key_event(replica, request, metadata),)
    return ReplicateKeyResponse(
        replica_key_metadata=metadata,
        replica_policy=replica.policy,
        replica_tags=[Tag(tag_key=key, tag_value=value) for key, value in replica.tags.items()] or None,
    )


def _create_key_event(replica: Key, request: ReplicateKeyRequest, metadata: KeyMetadata) -> RelatedEvent:
    """Source: ReplicateKey, "records ... a CreateKey operation in the replica key's Region"."""
    parameters: dict[str, object] = {
        "description": replica.description,
        "keyUsage": replica.key_usage,
        "keySpec": replica.key_spec,
        "origin": replica.origin,
        "multiRegion": True,
    }
    if request.policy is not None:
        parameters["policy"] = request.policy
    if request.bypass_policy_lockout_safety_check is not None:
        parameters["bypassPolicyLockoutSafetyCheck"] = request.bypass_policy_lockout_safety_check
    if request.tags:
        parameters["tags"] = [show_struct(tag) for tag in request.tags]
    return RelatedEvent(
        "CreateKey",
        replica.region,
        parameters,
        {"keyMetadata": show_struct(metadata)},
        ((replica.arn, replica.account_id),),
    )


async def update_primary_region(call: Call, request: UpdatePrimaryRegionRequest) -> None:
    """The roles change at all related keys in one transaction; the two stay Updating for a moment.

    The clock-driven properties go with the role: the new primary rotates when the former would have.
    """
    former, new = call.keys  # as they were judged: at another version by now, the store refuses
    region = new.region
    others = [
        replace(key, primary_region=region)
        for key in await related_keys(call.rooms.store, former)
        if key.region not in (former.region, region)
    ]
    replica = replace(
        former,
        primary_region=region,
        key_state=state_after(StateChange.UPDATE_PRIMARY_REGION, former.key_state),
        rotation_period_days=None,
        next_rotation_at=None,
        rotation_started_at=None,
    )
    primary = replace(
        new,
        primary_region=region,
        key_state=state_after(StateChange.UPDATE_PRIMARY_REGION, new.key_state),
        rotation_period_days=former.rotation_period_days,
        next_rotation_at=former.next_rotation_at,
        rotation_started_at=former.rotation_started_at,
    )
    await call.rooms.store.update_keys([replica, primary, *others])


REPLICATE_KEY = Operation(
    service="kms",
    name="ReplicateKey",
    input=ReplicateKeyRequest,
    output=ReplicateKeyResponse,
    check=None,
    access=(
        *on_primary_key("kms:ReplicateKey"),
        AccountTarget("kms:CreateKey"),
        NewKeyTarget("kms:TagResource", "tags", "replica_region"),
    ),
    states=REPLICATE,
    usage=None,
    read_only=False,
    records=records(
        "key_id",
        "replica_region",
        "policy",
        "bypass_policy_lockout_safety_check",
        "tags",
        description="",
    ),
    response_records=("replica_key_metadata", "replica_policy", "replica_tags"),
    run=replicate_key,
)

UPDATE_PRIMARY_REGION_OPERATION = Operation(
    service="kms",
    name="UpdatePrimaryRegion",
    input=UpdatePrimaryRegionRequest,
    output=None,
    check=None,
    access=(
        *on_primary_key("kms:UpdatePrimaryRegion"),
        RelatedKeyTarget("kms:UpdatePrimaryRegion", "primary_region"),
    ),
    states=UPDATE_PRIMARY_REGION,
    usage=None,
    read_only=False,
    records=records("key_id", "primary_region"),
    response_records=(),
    run=update_primary_region,
)

OPERATIONS = (REPLICATE_KEY, UPDATE_PRIMARY_REGION_OPERATION)
