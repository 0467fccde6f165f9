"""ScheduleKeyDeletion, CancelKeyDeletion. The destruction itself is a job (jobs/key_destruction.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from strongroom.aws import refusals
from strongroom.aws.generated.shapes import (
    CancelKeyDeletionRequest,
    CancelKeyDeletionResponse,
    ScheduleKeyDeletionRequest,
    ScheduleKeyDeletionResponse,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.replication.related_keys import replicas_of
from strongroom.resources.imported_material import state_with_material
from strongroom.resources.key import PENDING_WINDOW_DAYS_DEFAULT
from strongroom.resources.key_state import CANCEL_DELETION, SCHEDULE_DELETION, StateChange, state_after

PENDING_WINDOW_DAYS_MIN = 7
PENDING_WINDOW_DAYS_MAX = 30
"""ScheduleKeyDeletion API reference: "must be between 7 and 30, inclusive ... defaults to 30"."""


def window_days(request: ScheduleKeyDeletionRequest) -> int:
    """The waiting period asked for, in days."""
    if request.pending_window_in_days is None:
        return PENDING_WINDOW_DAYS_DEFAULT
    return request.pending_window_in_days


def check_pending_window(request: ScheduleKeyDeletionRequest) -> None:
    """The shape allows 1 to 365; the operation 7 to 30."""
    if not PENDING_WINDOW_DAYS_MIN <= window_days(request) <= PENDING_WINDOW_DAYS_MAX:
        raise refusals.pending_window_out_of_range(window_days(request))


async def schedule_key_deletion(
    call: Call, request: ScheduleKeyDeletionRequest
) -> ScheduleKeyDeletionResponse:
    days = window_days(request)
    change, deletion_at = StateChange.SCHEDULE_DELETION, None
    if await replicas_of(call.rooms.store, call.key):
        change = StateChange.SCHEDULE_DELETION_WITH_REPLICAS  # its window begins when the last one is gone
    else:
        deletion_at = call.rooms.clock.now() + timedelta(days=days)
    key = await call.rooms.store.update_key(
        replace(
            call.key,
            key_state=state_after(change, call.key.key_state),
            deletion_at=deletion_at,
            pending_window_days=days,
        )
    )
    return ScheduleKeyDeletionResponse(
        key_id=key.arn,
        deletion_date=None if deletion_at is None else deletion_at.timestamp(),
        key_state=key.key_state,
        pending_window_in_days=days,
    )


async def cancel_key_deletion(call: Call, request: CancelKeyDeletionRequest) -> CancelKeyDeletionResponse:
    """Leaves the key disabled, as AWS does: nobody uses it again unawares. One that lacks imported key
    material waits for it instead, for a key that is Disabled could be enabled."""
    key = await call.rooms.store.update_key(
        replace(
            call.key,
            key_state=state_with_material(
                call.key, state_after(StateChange.CANCEL_DELETION, call.key.key_state)
            ),
            deletion_at=None,
            pending_window_days=None,
        )
    )
    return CancelKeyDeletionResponse(key_id=key.arn)


SCHEDULE_KEY_DELETION = Operation(
    service="kms",
    name="ScheduleKeyDeletion",
    input=ScheduleKeyDeletionRequest,
    output=ScheduleKeyDeletionResponse,
    check=check_pending_window,
    access=on_key("kms:ScheduleKeyDeletion"),
    states=SCHEDULE_DELETION,
    usage=None,
    read_only=False,
    records=records("key_id", "pending_window_in_days"),
    response_records=("key_id", "deletion_date", "key_state", "pending_window_in_days"),
    run=schedule_key_deletion,
)

CANCEL_KEY_DELETION = Operation(
    service="kms",
    name="CancelKeyDeletion",
    input=CancelKeyDeletionRequest,
    output=CancelKeyDeletionResponse,
    check=None,
    access=on_key("kms:CancelKeyDeletion"),
    states=CANCEL_DELETION,
    usage=None,
    read_only=False,
    records=records("key_id"),
    response_records=("key_id",),
    run=cancel_key_deletion,
)

OPERATIONS = (SCHEDULE_KEY_DELETION, CANCEL_KEY_DELETION)
