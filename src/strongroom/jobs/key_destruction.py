"""The end of a key's life: when its window is over, its material is destroyed for ever."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.aws.generated.enums import ConnectionStateType, KeyState, OriginType
from strongroom.boundary.interface import Boundary, BoundaryUnavailable
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.operations.key_availability import store_of_key
from strongroom.operations.key_store_backend import KeyStoreError
from strongroom.operations.refused_logins import note_refused_login
from strongroom.replication.related_keys import replicas_of
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.key import Key
from strongroom.resources.key_state import state_when_done
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.jobs")

BATCH_KEYS = 100


async def destroy_due_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Destroy every KMS key whose deletion date has come; returns how many.

    The rows go first (one transaction: key, materials, tags, aliases), then the deletion ledger and the
    record are written, then the boundary forgets what it holds. Safe to run in several processes at once:
    a key that another one destroyed, or whose deletion was cancelled, raises ConcurrentChange and is left.
    Raises: AuditUnavailable; while the trail takes no records, nothing is destroyed.
    """
    destroyed = 0
    in_stores: list[Key] = []
    before: Sequence[Key] = ()
    while due := await rooms.store.list_keys_due_for_deletion(rooms.clock.now(), BATCH_KEYS):
        if due == before:  # no round may follow one that changed nothing
            break
        before = due
        for key in due:
            if not audit.is_accepting():  # INVARIANT J4
                raise AuditUnavailable
            try:
                await rooms.store.destroy_key(key)
            except ConcurrentChange:
                continue
            destroyed += 1
            await keep_deletions(rooms.deletion_ledger)
            await audit.durably(_render_record(key, rooms.clock.epoch_seconds(), request_ids.next()))
            await _forget(rooms.boundary, key)
            in_stores.append(key)
    await _begin_waiting_periods(rooms)
    await _delete_outside(rooms, in_stores)
    return destroyed


async def _begin_waiting_periods(rooms: Rooms) -> None:
    """A primary key whose last replica is gone begins its own waiting period now.

    Looks at all of them each time, so that nothing is missed when a process ended in between.
    Source: ScheduleKeyDeletion, "When the last of its replicas keys is deleted".
    """
    after: tuple[Region, KeyId] | None = None
    while page := await rooms.store.list_keys_in_state(KeyState.PENDING_REPLICA_DELETION, after, BATCH_KEYS):
        for key in page:
            if await replicas_of(rooms.store, key) or key.pending_window_days is None:
                continue
            with contextlib.suppress(ConcurrentChange):  # cancelled, or another process was first
                await rooms.store.update_key(
                    replace(
                        key,
                        key_state=state_when_done(key.key_state, awaits_import=False),
                        deletion_at=rooms.clock.now() + timedelta(days=key.pending_window_days),
                    )
                )
        after = (page[-1].region, page[-1].key_id)


def _render_record(key: Key, event_time: float, event_id: str) -> bytes:
    return render_service_event(
        event_time=event_time,
        event_source="kms.amazonaws.com",
        event_name="DeleteKey",
        region=key.region,
        service_event_details={"keyId": key.key_id},
        response_elements={"keyId": key.arn},
        resources=[(key.arn, key.account_id)],
        recipient_account_id=key.account_id,
        event_id=event_id,
    )


async def _delete_outside(rooms: Rooms, keys: Sequence[Key]) -> None:
    """Delete the keys of destroyed KMS keys from the clusters of their stores, as far as these answer.

    What stays there is an orphan that opens nothing: the inner half of the key is destroyed. A store that
    failed once is not asked again, so that a cluster that is away does not hold up the next round.
    Source: Developer Guide, "Deleting KMS keys from a CloudHSM key store": best effort.
    """
    failed: set[str] = set()
    for key in keys:
        store = await store_of_key(rooms.store, key)
        backend = None if store is None else rooms.key_stores.get(store.type)
        if store is None or backend is None:
            continue
        is_connected = store.connection_state is ConnectionStateType.CONNECTED
        if is_connected and store.custom_key_store_id not in failed:
            try:
                await backend.delete_key(store, key.key_id, key.xks_key_id)
            except KeyStoreError as error:
                await note_refused_login(rooms.store, store, error)
                failed.add(store.custom_key_store_id)
                logger.warning("%s did not delete a key: %s", store.custom_key_store_id, type(error).__name__)
            else:
                continue
        if key.origin is OriginType.AWS_CLOUDHSM:
            logger.warning(
                "key %s is destroyed; its orphan stays in %s", key.key_id, store.custom_key_store_id
            )


async def _forget(boundary: Boundary, key: Key) -> None:
    """A boundary that cannot be reached must not keep the other keys from their end.

    What it still remembers opens nothing: no token of the key is left to be shown to it.
    """
    try:
        await boundary.forget_key(key.key_id, key.region)
    except BoundaryUnavailable as error:
        logger.warning("the boundary could not be told of a destroyed key: %s", type(error).__name__)
