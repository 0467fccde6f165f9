"""Connected external key stores are asked for their health every few minutes, as AWS KMS asks.

Their connection state stays what it is: "A CONNECTED state does not indicate that external key store or its
supporting components are operating efficiently" (Developer Guide, "Connect and disconnect external key
stores"). AWS shows their health as CloudWatch metrics; here a change of it is a line in the log and a
KmsHealthCheck event.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import Final, Protocol

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.aws.generated.enums import ConnectionStateType, CustomKeyStoreType
from strongroom.operations.context import Rooms
from strongroom.operations.key_store_backend import KeyStoreError, OnBehalf, ProxyFailed
from strongroom.request_ids import RequestIds
from strongroom.resources.custom_key_store import CustomKeyStore

logger = logging.getLogger("strongroom.jobs")

STORES_MAX: Final = 1000
AT_ONCE: Final = 16
HEALTH_CHECK: Final = "KmsHealthCheck"
"""The operation that a proxy is told."""
WELL: Final = "ACTIVE"
_CONNECTED: Final = (ConnectionStateType.CONNECTED,)


class AsksHealth(Protocol):
    """What stands behind external key stores."""

    async def ask_health(self, store: CustomKeyStore, on_behalf: OnBehalf) -> Sequence[str]:
        """The healthStatus of each external key manager behind a proxy. Raises KeyStoreError."""
        ...


class KeyStoreHealth:
    """What is known of the health of external key stores. Concurrency: one event loop."""

    def __init__(
        self,
        rooms: Rooms,
        audit: AuditTrail,
        request_ids: RequestIds,
        backend: AsksHealth,
        period_seconds: float,
    ) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids
        self._backend = backend
        self._period_seconds = period_seconds
        self._known: dict[str, str] = {}
        """By custom key store id: ACTIVE, or what is wrong."""

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Ask again and again; a round that fails is logged and tried again."""
        while not stopped.is_set():
            try:
                await asyncio.wait_for(stopped.wait(), self._period_seconds)
            except TimeoutError:
                try:
                    await self.check_all()
                except Exception as error:
                    logger.error("external key stores were not asked: %s", type(error).__name__)

    async def check_all(self) -> None:
        """Ask every connected external key store once. Raises StoreUnavailable."""
        connected = await self._rooms.store.list_custom_key_stores_in(_CONNECTED, STORES_MAX)
        external = [one for one in connected if one.type is CustomKeyStoreType.EXTERNAL_KEY_STORE]
        for start in range(0, len(external), AT_ONCE):
            await asyncio.gather(*map(self._check, external[start : start + AT_ONCE]))
        ids = {one.custom_key_store_id for one in external}
        self._known = {store_id: health for store_id, health in self._known.items() if store_id in ids}

    async def _check(self, store: CustomKeyStore) -> None:
        store_id = store.custom_key_store_id
        health = await self._health_of(store)
        if health == self._known.get(store_id, WELL):
            return
        logger.warning("The external key store %s: %s.", store_id, _sentence(health))
        try:
            await self._audit.durably(self._render_record(store, health))
        except AuditUnavailable:
            return  # told again in the next round
        self._known[store_id] = health

    async def _health_of(self, store: CustomKeyStore) -> str:
        try:
            statuses = await self._backend.ask_health(store, OnBehalf(HEALTH_CHECK, str(uuid.uuid4()), ""))
        except ProxyFailed as failed:
            return failed.failure.value
        except KeyStoreError as error:
            return error.code
        # The best of them serves; a fleet of which one is ill is told of as such.
        if all(status == "UNAVAILABLE" for status in statuses):
            return "UNAVAILABLE"
        return WELL if all(status == WELL for status in statuses) else "DEGRADED"

    def _render_record(self, store: CustomKeyStore, health: str) -> bytes:
        return render_service_event(
            event_time=self._rooms.clock.epoch_seconds(),
            event_source="kms.amazonaws.com",
            event_name=HEALTH_CHECK,
            region=store.region,
            event_id=self._ids.next(),
            resources=(),
            recipient_account_id=store.account_id,
            service_event_details={"customKeyStoreId": store.custom_key_store_id, "health": health},
        )


def _sentence(health: str) -> str:
    if health == WELL:
        return "its proxy is well again"
    if health == "DEGRADED":
        return "some of the external key managers behind its proxy are not well"
    return f"its proxy cannot serve requests ({health}); it stays connected, and its keys fail meanwhile"
