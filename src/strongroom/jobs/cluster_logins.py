"""Connected CloudHSM key stores stay logged in, also while nobody uses their keys.

"AWS KMS remains logged into the AWS CloudHSM client as long as the AWS CloudHSM key store is connected"
(Developer Guide, "Connecting an AWS CloudHSM key store"). A token that was away is logged in to again when it
is back; a password that is refused makes the store FAILED (operations/refused_logins.py).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from strongroom.aws.generated.enums import ConnectionStateType, CustomKeyStoreType
from strongroom.operations.context import Rooms
from strongroom.operations.key_store_backend import KeyStoreError, LoginRefused
from strongroom.operations.refused_logins import note_refused_login
from strongroom.resources.custom_key_store import CustomKeyStore

logger = logging.getLogger("strongroom.jobs")

PERIOD_SECONDS: Final = 10.0
STORES_MAX: Final = 100
_CONNECTED: Final = (ConnectionStateType.CONNECTED,)


class KeepsConnected(Protocol):
    """What stands behind CloudHSM key stores."""

    async def keep_connected(self, store: CustomKeyStore) -> None:
        """Log in where the login is gone, and see that the token answers. Raises KeyStoreError."""
        ...


class ClusterLogins:
    """Which clusters are away. Concurrency: one event loop."""

    def __init__(self, rooms: Rooms, backend: KeepsConnected, period_seconds: float = PERIOD_SECONDS) -> None:
        self._rooms = rooms
        self._backend = backend
        self._period_seconds = period_seconds
        self._away: dict[str, str] = {}
        """By custom key store id: what is wrong."""

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Look again and again; a round that fails is logged and tried again."""
        while not stopped.is_set():
            try:
                await self.keep_all()
            except Exception as error:
                logger.error("CloudHSM key stores were not looked at: %s", type(error).__name__)
            try:
                await asyncio.wait_for(stopped.wait(), self._period_seconds)
            except TimeoutError:
                continue

    async def keep_all(self) -> None:
        """See to every connected CloudHSM key store once. Raises StoreUnavailable."""
        connected = await self._rooms.store.list_custom_key_stores_in(_CONNECTED, STORES_MAX)
        clusters = [one for one in connected if one.type is CustomKeyStoreType.AWS_CLOUDHSM]
        await asyncio.gather(*map(self._keep, clusters))
        ids = {one.custom_key_store_id for one in clusters}
        self._away = {store_id: wrong for store_id, wrong in self._away.items() if store_id in ids}

    async def _keep(self, store: CustomKeyStore) -> None:
        store_id = store.custom_key_store_id
        try:
            await self._backend.keep_connected(store)
        except LoginRefused as refused:
            await note_refused_login(self._rooms.store, store, refused)
        except KeyStoreError as error:
            wrong = type(error).__name__
            if self._away.get(store_id) != wrong:
                self._away[store_id] = wrong
                logger.warning(
                    "The cluster of custom key store %s cannot be used (%s); it stays connected, and its "
                    "keys fail meanwhile.",
                    store_id,
                    wrong,
                )
        else:
            if self._away.pop(store_id, None) is not None:
                logger.warning("The cluster of custom key store %s can be used again.", store_id)
