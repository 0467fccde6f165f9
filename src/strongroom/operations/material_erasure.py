"""Taking imported key material away: by request or when its time is over, it leaves nothing behind."""

from __future__ import annotations

import logging

from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.resources.key import Key

logger = logging.getLogger("strongroom.operations")


async def erase_material(rooms: Rooms, *without: Key) -> None:
    """Store records without some of their material; the older rows are overwritten.

    Then the boundary forgets what it holds of the key. One that cannot be reached must not keep the
    material alive: what it still remembers opens nothing, for no token is left to be shown to it.
    Raises: ConcurrentChange, LedgerUnavailable.
    """
    for stored in await rooms.store.update_keys(without, erase=True):
        try:
            await rooms.boundary.forget_key(stored.key_id, stored.region)
        except BoundaryUnavailable as error:
            logger.warning("the boundary could not be told of erased material: %s", type(error).__name__)
    await keep_deletions(rooms.deletion_ledger)
