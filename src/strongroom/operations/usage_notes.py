"""What a worker remembers of the last use of each KMS key, until it is in the store.

A use costs the road one write into a dictionary: the later use of a key replaces the earlier one, and
all of them reach the store together, every second and before GetKeyLastUsage is answered. Each worker
has notes of its own, so GetKeyLastUsage may not know yet what another worker did in the last second
(docs/divergences.md); and a worker that is killed loses its last second.
"""

from __future__ import annotations

import asyncio
import logging

from strongroom.aws.generated.enums import KeyLastUsageTrackingOperation
from strongroom.resources.identifiers import KeyArn
from strongroom.resources.key import Key
from strongroom.resources.key_usage_record import KeyUsageRecord
from strongroom.store.interface import Store, StoreError

logger = logging.getLogger("strongroom.operations")

FLUSH_PERIOD_SECONDS = 1.0
UNWRITTEN_MAX = 100_000
"""Keys whose last use is kept in memory while the store takes nothing; a use takes about 500 bytes."""

TRACKED_OPERATIONS = {operation.value: operation for operation in KeyLastUsageTrackingOperation}

_Use = tuple[Key, KeyLastUsageTrackingOperation, float, str, str]
"""The arguments of `note`: a record is made only of the last use of a key before a flush."""


def _record(
    key: Key, operation: KeyLastUsageTrackingOperation, used_at: float, event_id: str, request_id: str
) -> KeyUsageRecord:
    return KeyUsageRecord(key.account_id, key.region, key.key_id, operation, used_at, event_id, request_id)


class UsageNotes:
    """The last use of each key that this worker has seen and the store has not. One event loop."""

    def __init__(self) -> None:
        self._noted: dict[KeyArn, _Use] = {}
        self._in_flight: dict[KeyArn, KeyUsageRecord] = {}

    def note(
        self,
        key: Key,
        operation: KeyLastUsageTrackingOperation,
        used_at: float,
        event_id: str,
        request_id: str,
    ) -> None:
        """The key was used with success. Units: `used_at` in seconds since 1970."""
        self._noted[key.arn] = key, operation, used_at, event_id, request_id

    async def flush(self, store: Store) -> None:
        """Return when everything noted until now is on disk. Raises StoreError; nothing is lost then.

        What another flush is writing is written once more, so that no flush returns before it is there.
        """
        if not self._noted and not self._in_flight:
            return
        batch = self._in_flight | {arn: _record(*use) for arn, use in self._noted.items()}
        self._in_flight, self._noted = batch, {}
        try:
            await store.keep_key_usages(list(batch.values()))
        except StoreError:
            if len(batch) > UNWRITTEN_MAX and self._in_flight is batch:
                logger.error("the last uses of %d keys were not written and are forgotten", len(batch))
                self._in_flight = {}
            raise
        if self._in_flight is batch:
            self._in_flight = {}

    async def flush_until(self, store: Store, stopped: asyncio.Event) -> None:
        """Flush every second until `stopped`, and once more then; a failed flush is tried again.

        A store that takes nothing for hours is told of once.
        """
        is_failing = False
        while True:
            is_last = stopped.is_set()
            try:
                await self.flush(store)
                is_failing = False
            except Exception as error:
                if not is_failing:
                    logger.error("the last uses of keys were not written (%s)", type(error).__name__)
                is_failing = True
            if is_last:
                return
            try:
                await asyncio.wait_for(stopped.wait(), FLUSH_PERIOD_SECONDS)
            except TimeoutError:
                continue
