"""GetKeyLastUsage."""

from __future__ import annotations

from strongroom.aws.generated.shapes import (
    GetKeyLastUsageRequest,
    GetKeyLastUsageResponse,
    KeyLastUsageData,
)
from strongroom.operations.context import Call
from strongroom.operations.last_usage import find_last_usage
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key_state import ANY_STATE


async def get_key_last_usage(call: Call, request: GetKeyLastUsageRequest) -> GetKeyLastUsageResponse:
    """The last successful cryptographic operation with the key in this Region.

    KeyLastUsage is an empty object where there was none. Source: KeyLastUsage and TrackingStartDate in
    the API reference; the tracking of a key begins with the key, or with the database's tracking.
    """
    del request
    key = call.key
    usage, tracked_since = await find_last_usage(call.rooms, key)
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
        tracking_start_date=tracked_since,
        key_creation_date=key.created_at.timestamp(),
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
