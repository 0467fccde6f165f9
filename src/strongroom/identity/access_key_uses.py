"""What a worker remembers of the last use of each access key, until it is in the store.

A use costs the road a comparison, and once a minute one write into a dictionary. The notes reach the store
every ten seconds and before GetAccessKeyLastUsed is answered; a worker that is killed loses its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from strongroom.resources.identifiers import AccessKeyId
from strongroom.store.iam_interface import AccessKeyUse
from strongroom.store.interface import StoreError

logger = logging.getLogger("strongroom.identity")

FLUSH_PERIOD_SECONDS = 10.0
UNWRITTEN_MAX = 100_000
"""Access keys whose last use is kept in memory while the store takes nothing."""


class AccessKeyUseStore(Protocol):
    """The part of the store that keeps the uses."""

    async def keep_access_key_uses(self, uses: Sequence[AccessKeyUse]) -> None:
        """Keep each unless a later one of its key is kept. May raise StoreError."""
        ...


class AccessKeyUses:
    """The last use of each access key that this worker has seen and the store has not. One event loop."""

    def __init__(self) -> None:
        self._noted: dict[AccessKeyId, AccessKeyUse] = {}
        self._in_flight: dict[AccessKeyId, AccessKeyUse] = {}

    def note(self, use: AccessKeyUse) -> None:
        """The key signed a request."""
        self._noted[use.access_key_id] = use

    async def flush(self, store: AccessKeyUseStore) -> None:
        """Return when everything noted until now is on disk. Raises StoreError; nothing is lost then.

        What another flush is writing is written once more, so that no flush returns before it is there.
        """
        if not self._noted and not self._in_flight:
            return
        batch = self._in_flight | self._noted
        self._in_flight, self._noted = batch, {}
        try:
            await store.keep_access_key_uses(list(batch.values()))
        except StoreError:
            if len(batch) > UNWRITTEN_MAX and self._in_flight is batch:
                logger.error("the last uses of %d access keys were not written and are forgotten", len(batch))
                self._in_flight = {}
            raise
        if self._in_flight is batch:
            self._in_flight = {}

    async def flush_until(self, store: AccessKeyUseStore, stopped: asyncio.Event) -> None:
        """Flush every ten seconds until `stopped`, and once more then; a failed flush is tried again."""
        is_failing = False
        while True:
            is_last = stopped.is_set()
            try:
                await self.flush(store)
                is_failing = False
            except Exception as error:
                if not is_failing:
                    logger.error("the last uses of access keys were not written (%s)", type(error).__name__)
                is_failing = True
            if is_last:
                return
            try:
                await asyncio.wait_for(stopped.wait(), FLUSH_PERIOD_SECONDS)
            except TimeoutError:
                continue
