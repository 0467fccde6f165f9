"""DescribeKey, ListKeys, UpdateKeyDescription, EnableKey, DisableKey."""

from __future__ import annotations

from dataclasses import replace

from strongroom.aws.generated.shapes import (
    DescribeKeyRequest,
    DescribeKeyResponse,
    DisableKeyRequest,
    EnableKeyRequest,
    KeyListEntry,
    ListKeysRequest,
    ListKeysResponse,
    UpdateKeyDescriptionRequest,
)
from strongroom.operations.context import Call
from strongroom.operations.metadata import load_key_metadata
from strongroom.operations.operation import Operation, on_account, on_key, records
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.resources.identifiers import KeyId, key_arn
from strongroom.resources.key_state import (
    CHANGEABLE,
    DESCRIBABLE,
    ENABLE_OR_DISABLE,
    StateChange,
    state_after,
)

LIST_KEYS_LIMIT_DEFAULT = 100
"""ListKeys API reference: "This value is optional. If you include a value, it must be between 1 and 1000"."""


async def describe_key(call: Call, request: DescribeKeyRequest) -> DescribeKeyResponse:
    return DescribeKeyResponse(key_metadata=await load_key_metadata(call.rooms.store, call.key))


async def list_keys(call: Call, request: ListKeysRequest) -> ListKeysResponse:
    limit = request.limit or LIST_KEYS_LIMIT_DEFAULT
    after = await parse_marker(call, "ListKeys", request.marker)
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
        next_marker=await render_marker(call, "ListKeys", page[-1]) if more else None,
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

OPERATIONS = (DESCRIBE_KEY, LIST_KEYS, UPDATE_KEY_DESCRIPTION, ENABLE_KEY, DISABLE_KEY)
