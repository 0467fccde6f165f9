"""Domain keys follow one another, and what an older one has wrapped is wrapped again under the new one.

A new domain key is kept in the store, then made the one that wraps, and only then do tokens move, batch by
batch, each by a write that holds only if the token is still the one that was read. So a crash at any point
leaves tokens that open, and the next pass finds what is left. A retired domain key goes when no token names
it and no backup that may be restored does: docs/decisions/0014-domain-keys.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from strongroom.audit.interface import AuditTrail
from strongroom.boundary.interface import BoundaryError, BoundaryUnavailable
from strongroom.boundary.key_hierarchy import wrapping_key_id_of
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.resources.domain_key import DomainKeyRecord, HeldToken, TokenPlace

logger = logging.getLogger("strongroom.jobs")

BATCH_TOKENS = 50
"""Few enough that the boundary and the database serve others in between."""
REST_PER_WORK = 2.0
"""How long a pass rests after each batch, for each second that it took: callers have the machine then."""
REWRAPPED_SETTING = "domain_keys_rewrapped/"
"""With a Region: the domain key under which a whole pass has brought all tokens, in hex."""


async def rotate_domain_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Bring every Region's domain keys up to date; returns how many new ones were made.

    However long the server stood still, one new domain key makes up for it.
    """
    made = 0
    hours = rooms.rules.domain_key_rotation_hours
    for active in await rooms.store.list_active_domain_keys():
        now = rooms.clock.now()
        if hours and _is_due(active, now, timedelta(hours=hours)):
            made += await _replace(rooms, active, now)
        await _finish_region(rooms, active.region)
    return made


def _is_due(active: DomainKeyRecord, now: datetime, period: timedelta) -> bool:
    """Also when it is dated in the future: the clock was wrong then, and nobody knows its age."""
    return not now - period < active.created_at <= now + period


async def _replace(rooms: Rooms, active: DomainKeyRecord, now: datetime) -> bool:
    generation = active.generation + 1
    new = await rooms.boundary.create_domain_key(active.region, generation)
    record = DomainKeyRecord(active.region, generation, new.domain_key_id, now)
    if not await rooms.store.insert_next_domain_key(record, new.token):
        return False  # another process was first
    await rooms.boundary.activate_domain_key(active.region)
    logger.info("domain key %d of %s wraps from now on", generation, active.region)
    return True


async def _finish_region(rooms: Rooms, region: str) -> None:
    keys = await rooms.store.list_domain_keys(region)
    if len(keys) < 2:
        return
    active_id = keys[-1].domain_key_id
    setting = REWRAPPED_SETTING + region
    if await rooms.store.find_setting(setting) != active_id.hex():
        await rooms.boundary.activate_domain_key(region)  # a crash may have come between
        for place in TokenPlace:
            await _rewrap_place(rooms, region, place, active_id)
        await rooms.store.put_setting(setting, active_id.hex())
    await _retire(rooms, keys)


async def _rewrap_place(rooms: Rooms, region: str, place: TokenPlace, active_id: bytes) -> None:
    """Re-wrap all tokens of a place that open."""
    after: tuple[str, ...] | None = None
    clock = asyncio.get_running_loop().time
    while held := await rooms.store.list_held_tokens(region, place, after, BATCH_TOKENS):
        began = clock()
        after = held[-1].row
        replacing: list[tuple[HeldToken, bytes]] = []
        for one in held:
            if wrapping_key_id_of(one.token) == active_id:
                continue
            try:
                replacing.append((one, await rooms.boundary.rewrap(one.token, one.origin, active_id)))
            except BoundaryUnavailable:
                raise
            except BoundaryError:
                # Somebody has changed the row; whoever uses it is refused as well.
                logger.warning("a token of %s in place %s does not open", region, place.name)
        if replacing:
            await rooms.store.replace_held_tokens(replacing)
            await asyncio.sleep((clock() - began) * REST_PER_WORK)


async def _retire(rooms: Rooms, keys: Sequence[DomainKeyRecord]) -> None:
    """Delete the domain keys that nobody needs: no token, and no backup that may be restored."""
    kept_for = timedelta(days=rooms.rules.backup_retention_days)
    now = rooms.clock.now()
    # A domain key was retired when its successor was made.
    of_age = [key for key, successor in pairwise(keys) if successor.created_at + kept_for <= now]
    for key in of_age:
        # Asked first, so that one that is kept for ever holds up no writer again and again.
        if await rooms.store.is_domain_key_named(key.domain_key_id):
            continue
        if not await rooms.store.delete_domain_key(key.domain_key_id):
            continue
        logger.info("domain key %d of %s is deleted", key.generation, key.region)
        with contextlib.suppress(BoundaryUnavailable):  # a boundary that starts anew does not have it
            await rooms.boundary.forget_domain_key(key.domain_key_id)
