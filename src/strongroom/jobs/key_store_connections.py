"""Custom key stores are connected and disconnected after ConnectCustomKeyStore and
DisconnectCustomKeyStore have answered."""

from __future__ import annotations

import logging
from dataclasses import replace

from strongroom.audit.interface import AuditTrail
from strongroom.aws.generated.enums import ConnectionErrorCodeType, ConnectionStateType
from strongroom.operations.context import Rooms
from strongroom.operations.key_store_backend import ConnectionFailed
from strongroom.request_ids import RequestIds
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.jobs")

BATCH_STORES = 100
_UNDER_WAY = (ConnectionStateType.CONNECTING, ConnectionStateType.DISCONNECTING)


async def finish_key_store_connections(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Bring every custom key store that is CONNECTING or DISCONNECTING to its end; returns how many.

    A store that was changed meanwhile (disconnected while it was being connected) raises ConcurrentChange
    and is looked at again in the next round.
    """
    finished = 0
    for store in await rooms.store.list_custom_key_stores_in(_UNDER_WAY, BATCH_STORES):
        if store.connection_state is ConnectionStateType.CONNECTING:
            after = await _connect(rooms, store)
        else:
            after = await _disconnect(rooms, store)
        try:
            await rooms.store.update_custom_key_store(after)
        except ConcurrentChange:
            continue
        finished += 1
    return finished


async def _connect(rooms: Rooms, store: CustomKeyStore) -> CustomKeyStore:
    backend = rooms.key_stores.get(store.type)
    reason: ConnectionErrorCodeType | None = None
    if backend is None:
        reason = ConnectionErrorCodeType.INTERNAL_ERROR
    else:
        try:
            await backend.connect(store)
        except ConnectionFailed as failed:
            reason = failed.reason
        except Exception as error:
            logger.error("a custom key store was not connected: %s", type(error).__name__)
            reason = ConnectionErrorCodeType.INTERNAL_ERROR
    state = ConnectionStateType.CONNECTED if reason is None else ConnectionStateType.FAILED
    return replace(store, connection_state=state, connection_error_code=reason)


async def _disconnect(rooms: Rooms, store: CustomKeyStore) -> CustomKeyStore:
    backend = rooms.key_stores.get(store.type)
    if backend is not None:
        try:
            await backend.disconnect(store)
        except Exception as error:
            logger.warning("a custom key store was not told to disconnect: %s", type(error).__name__)
    return replace(store, connection_state=ConnectionStateType.DISCONNECTED, connection_error_code=None)
