"""GetKeyLastUsage."""

from __future__ import annotations

from strongroom.aws.generated.shapes import (
    GetKeyLastUsageRequest,
    GetKeyLastUsageResponse,
    KeyLastUsageData,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key_state import ANY_STATE

TRACKING_STARTED_SETTING = "key_usage_tracking_started_at"
"""When this database began to keep uses, in seconds since 1970; absent where it always did."""


async def get_key_last_usage(call: Call, request: GetKeyLastUsageRequest) -> GetKeyLastUsageResponse:
    """The last successful cryptographic operation with the key in this Region.

    KeyLastUsage is an empty object where there was none. Source: KeyLastUsage and TrackingStartDate in
    the API reference; the tracking of a key begins with the key, or with the database's tracking.
    """
    del request
    key, store = call.key, call.rooms.store
    await call.rooms.usage_notes.flush(store)
    usage = await store.find_key_usage(key.region, key.key_id)
    created_at = key.created_at.timestamp()
    tracking_started_at = float(await store.find_setting(TRACKING_STARTED_SETTING) or "0")
    return GetKeyLastUsageResponse(
        key_id=key.key_id,
        key_last_usage=KeyLastUsageData()
        if usage is None
        else KeyLastUsageData(
            operation=usage.operation,
            timestamp=usage.used_at,
            cloud_trail_event_id=usage.event_id,
            kms_request_id=usage.request_id,
        ),
        tracking_start_date=max(created_at, tracking_started_at),
        key_creation_date=created_at,
    )


GET_KEY_LAST_USAGE = Operation(
    service="kms",
    name="GetKeyLastUsage",
    input=GetKeyLastUsageRequest,
    output=GetKeyLastUsageResponse,
    check=None,
    access=on_key("kms:GetKeyLastUsage"),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id"),
    response_records=(),
    run=get_key_last_usage,
)

OPERATIONS = (GET_KEY_LAST_USAGE,)
