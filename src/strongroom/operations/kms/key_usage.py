"""GetKeyLastUsage."""

from __future__ import annotations

from strongroom.aws.generated.shapes import (
    GetKeyLastUsageRequest,
    GetKeyLastUsageResponse,
    KeyLastUsageData,
)
from strongroom.operations.context import Call, Rooms
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key import Key
from strongroom.resources.key_state import ANY_STATE
from strongroom.resources.key_usage_record import KeyUsageRecord

TRACKING_STARTED_SETTING = "key_usage_tracking_started_at"
"""When this database began to keep uses, in seconds since 1970; absent where it always did."""


SECONDS_PER_DAY = 86400


async def find_last_usage(rooms: Rooms, key: Key) -> tuple[KeyUsageRecord | None, float]:
    """The last use of a key in its Region, and since when its uses are kept (seconds since 1970)."""
    await rooms.usage_notes.flush(rooms.store)
    usage = await rooms.store.find_key_usage(key.region, key.key_id)
    tracking_started_at = float(await rooms.store.find_setting(TRACKING_STARTED_SETTING) or "0")
    return usage, max(key.created_at.timestamp(), tracking_started_at)


async def days_without_usage(rooms: Rooms, key: Key, now: float) -> int:
    """Whole days since the last use; where there is none, since uses are kept. Units: `now` in seconds."""
    usage, tracked_since = await find_last_usage(rooms, key)
    return max(0, int((now - (tracked_since if usage is None else usage.used_at)) // SECONDS_PER_DAY))


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
