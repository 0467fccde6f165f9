"""Whether the proxy could serve a request that came now: a key of its own has to encrypt and to decrypt."""

from __future__ import annotations

import asyncio
from typing import Final

from strongroom.audit.interface import AuditTrail
from strongroom.boundary.interface import BoundaryError, KeyBinding, TokenRefused
from strongroom.operations.context import Rooms
from strongroom.resources.identifiers import Region
from strongroom.store.interface import StoreUnavailable
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused

_ACCOUNT_ID: Final = "000000000000"
_KEY_ID: Final = "00000000-0000-0000-0000-000000000000"
"""No KMS key has this id."""
READY_SECONDS: Final = 1.0
_PLAINTEXT: Final = b"is all well?"


class DeepHealth:
    """Source: External Key Store Proxy API Specification, GetHealthStatus ("deep rather than shallow", with
    test keys). The test key is in no store, and no KMS key's record shows its use."""

    def __init__(self, rooms: Rooms, audit: AuditTrail, region: Region) -> None:
        self._rooms = rooms
        self._audit = audit
        self._binding = KeyBinding(_ACCOUNT_ID, region, _KEY_ID, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
        self._token: bytes | None = None
        self._judging: asyncio.Future[bool] | None = None
        self._judged_at = 0.0

    async def require_well(self) -> None:
        """Raises ProxyRefused: InternalException; StoreUnavailable, BoundaryError."""
        await self._rooms.store.ping()
        try:
            is_well = await self._uses_test_key()
        except TokenRefused:  # its domain key is gone: make another
            self._token = None
            is_well = await self._uses_test_key()
        if not is_well or not self._audit.is_accepting():
            raise ProxyRefused(ErrorName.INTERNAL, "The external key manager is not available.")

    async def is_ready(self) -> bool:
        """The same for a load balancer, as yes or no, and at most READY_SECONDS old: anybody may ask, and how
        often must make no difference to the boundary."""
        loop = asyncio.get_running_loop()
        is_old = loop.time() - self._judged_at >= READY_SECONDS
        if self._judging is None or (self._judging.done() and is_old):
            self._judging, self._judged_at = asyncio.ensure_future(self._is_well()), loop.time()
        return await asyncio.shield(self._judging)

    async def _is_well(self) -> bool:
        try:
            await self.require_well()
        except (ProxyRefused, BoundaryError, StoreUnavailable):
            return False
        return True

    async def _uses_test_key(self) -> bool:
        boundary = self._rooms.boundary
        if self._token is None:
            self._token = (await boundary.generate_key(self._binding)).exported_token
        sealed = await boundary.xks_encrypt(self._token, _KEY_ID, _PLAINTEXT, b"")
        return await boundary.xks_decrypt(self._token, _KEY_ID, sealed, b"") == _PLAINTEXT
