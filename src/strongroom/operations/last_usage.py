"""When a KMS key was last used, as far as it is known."""

from __future__ import annotations

from strongroom.operations.context import Rooms
from strongroom.resources.key import Key
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
