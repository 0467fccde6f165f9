"""Domain keys follow one another, and what an older one has wrapped is wrapped again under the new one.

A new domain key is kept in the store, then made the one that wraps, and only then do tokens move, batch by
batch, each by a write that holds only if the token is still the one that was read. So a crash at any point
leaves tokens that open, and the next pass finds what is left. A retired domain key goes when no token names
it and no backup that may be restored does: docs/decisions/0014-domain-keys.md.

Two jobs: replacing a domain key takes a moment; the pass over all tokens is upkeep, which nobody waits for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from strongroom.audit.cloudtrail import render_service_event
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.boundary.interface import BoundaryError, BoundaryUnavailable, TokenRefused
from strongroom.boundary.key_hierarchy import wrapping_key_id_of
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.resources.domain_key import IDLE_SINCE_SETTING, DomainKeyRecord, HeldToken, TokenPlace

logger = logging.getLogger("strongroom.jobs")

BATCH_TOKENS = 20
"""Few enough that callers who come meanwhile hardly wait: the boundary takes a batch in one go."""
PATIENT_REST, PATIENT_SECONDS = 99.0, 6 * 3600.0
"""How long a pass rests after each batch, for each second of processor time that it took in this process:
so it is in the way of one request in a hundred at most. For so long; a pass of millions of tokens must
be through before the next domain key comes."""
HURRIED_REST = 2.0
REWRAPPED_SETTING = "domain_keys_rewrapped/"
"""With a Region: the domain key under which a whole pass has brought all tokens, in hex."""
REWRAPPED_AT_SETTING = "domain_keys_rewrapped_at/"
"""With a Region: when that pass was through."""
SWEPT_SETTING = "domain_keys_swept/"
"""With a Region: the domain key after which a second pass was through, in hex: older ones are retired."""
SETTLING = timedelta(hours=1)
"""Longer than any request takes to store a token that the boundary has given it."""


async def replace_domain_keys(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Give each Region whose domain key is old enough a new one; returns how many were made.

    However long the server stood still, one new domain key makes up for it.
    """
    hours = rooms.rules.domain_key_rotation_hours
    if not hours:
        return 0

    async def replace(active: DomainKeyRecord) -> int:
        now = rooms.clock.now()
        if not _is_due(active, now, timedelta(hours=hours)):
            return 0
        if not audit.is_accepting():  # INVARIANT J4
            raise AuditUnavailable
        new = await _replace(rooms, active, now)
        if new is None:
            return 0
        before = {"previousDomainKeyId": active.domain_key_id.hex()}
        await _record(rooms, audit, request_ids, "RotateDomainKey", new, before)
        return 1

    return await _in_each_region(rooms, replace)


async def bring_tokens_up_to_date(rooms: Rooms, audit: AuditTrail, request_ids: RequestIds) -> int:
    """Re-wrap what older domain keys wrap, and delete the domain keys that nobody needs any more.

    Returns how many Regions were brought up to date.
    """

    async def bring(active: DomainKeyRecord) -> int:
        finished = 0
        keys = await rooms.store.list_domain_keys(active.region)
        if len(keys) < 2:
            return finished
        if not audit.is_accepting():  # INVARIANT J4
            raise AuditUnavailable
        setting = REWRAPPED_SETTING + active.region
        if await rooms.store.find_setting(setting) != keys[-1].domain_key_id.hex():
            counts = dict(await _rewrap_region(rooms, keys[-1]))
            del counts["heldBackTokens"]
            # Recorded first: a crash in between repeats the pass and the record, and forgets neither.
            await _record(rooms, audit, request_ids, "FinishDomainKeyRotation", keys[-1], counts)
            await rooms.store.put_setting(REWRAPPED_AT_SETTING + active.region, _render(rooms.clock.now()))
            await rooms.store.put_setting(setting, keys[-1].domain_key_id.hex())
            await _note_idle(rooms, keys)
            finished += 1
        await _vouch(rooms, keys)
        for retired in await _retire(rooms, keys):
            await _record(rooms, audit, request_ids, "DeleteDomainKey", retired, {})
        return finished

    return await _in_each_region(rooms, bring)


async def _in_each_region(rooms: Rooms, work: Callable[[DomainKeyRecord], Awaitable[int]]) -> int:
    """The sum of what the work gives for each Region's active domain key.

    A Region whose domain key does not open holds up no other; the first failure is raised after all.
    """
    total = 0
    failure: Exception | None = None
    for active in await rooms.store.list_active_domain_keys():
        try:
            total += await work(active)
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return total


async def _vouch(rooms: Rooms, keys: Sequence[DomainKeyRecord]) -> None:
    """Note outside the database which domain key is a Region's newest, and retire the others.

    A second pass comes first, once no request can be under way any more that was given a token before the new
    domain key began to wrap: what is then still under an older one was put there by somebody.
    """
    anchor, newest = rooms.domain_key_anchor, keys[-1]
    if anchor is None:
        return
    setting = SWEPT_SETTING + newest.region
    was_swept = await rooms.store.find_setting(setting) == newest.domain_key_id.hex()
    swept = was_swept or await _is_settled(rooms, newest.region)
    if swept and not was_swept:
        counts = await _rewrap_region(rooms, newest)
        await _note_idle(rooms, keys)
        if counts["heldBackTokens"]:  # they may be sound, and would be lost: again in an hour
            swept = False
            logger.warning("domain keys of %s are not retired: what does not open needs them", newest.region)
            await rooms.store.put_setting(REWRAPPED_AT_SETTING + newest.region, _render(rooms.clock.now()))
    token = await rooms.store.find_domain_key_token(newest.domain_key_id)
    if token is None:
        return
    await anchor.note(newest, token, alone=swept)
    if swept and not was_swept:  # last: a crash before this repeats the pass
        await rooms.store.put_setting(setting, newest.domain_key_id.hex())
        logger.info("domain keys of %s before %d are retired", newest.region, newest.generation)


async def _is_settled(rooms: Rooms, region: str) -> bool:
    """Whether the last pass has been through for long enough."""
    rewrapped_at = await rooms.store.find_setting(REWRAPPED_AT_SETTING + region)
    now = rooms.clock.now()
    if rewrapped_at is None or datetime.fromisoformat(rewrapped_at) > now:  # an older version did not say
        await rooms.store.put_setting(REWRAPPED_AT_SETTING + region, _render(now))
        return False
    return datetime.fromisoformat(rewrapped_at) + SETTLING <= now


def _render(instant: datetime) -> str:
    return instant.isoformat()


async def _record(
    rooms: Rooms,
    audit: AuditTrail,
    request_ids: RequestIds,
    event_name: str,
    key: DomainKeyRecord,
    more: Mapping[str, object],
) -> None:
    """AWS has no such events, as it shows no domain keys: docs/divergences.md."""
    details = {"domainKeyId": key.domain_key_id.hex(), "generation": key.generation, **more}
    event = render_service_event(
        event_time=rooms.clock.epoch_seconds(),
        event_source="kms.amazonaws.com",
        event_name=event_name,
        region=key.region,
        service_event_details=details,
        resources=[],
        recipient_account_id=rooms.rules.operator_account_id,
        event_id=request_ids.next(),
    )
    await audit.durably(event)


def _is_due(active: DomainKeyRecord, now: datetime, period: timedelta) -> bool:
    """Also when it is dated in the future: the clock was wrong then, and nobody knows its age."""
    return not now - period < active.created_at <= now + period


async def _replace(rooms: Rooms, active: DomainKeyRecord, now: datetime) -> DomainKeyRecord | None:
    """None where another process was first."""
    generation = active.generation + 1
    new = await rooms.boundary.create_domain_key(active.region, generation)
    record = DomainKeyRecord(active.region, generation, new.domain_key_id, now)
    if not await rooms.store.insert_next_domain_key(record, new.token):
        return None
    await rooms.boundary.activate_domain_key(active.region)
    logger.info("domain key %d of %s wraps from now on", generation, active.region)
    return record


async def _rewrap_region(rooms: Rooms, active: DomainKeyRecord) -> Mapping[str, int]:
    """One whole pass: how many tokens it re-wrapped, how many do not open, how many of those may be sound."""
    await rooms.boundary.activate_domain_key(active.region)  # a crash may have come between
    rewrapped = refused = held_back = 0
    pace = Pace()
    for place in TokenPlace:
        moved, left, kept = await _rewrap_place(rooms, active.region, place, active.domain_key_id, pace)
        rewrapped, refused, held_back = rewrapped + moved, refused + left, held_back + kept
    return {"rewrappedTokens": rewrapped, "refusedTokens": refused, "heldBackTokens": held_back}


class Pace:
    """When a pass works, and when it rests."""

    def __init__(self, ran_seconds: float = 0.0) -> None:
        """Of a pass that has run for so long already."""
        self._began = time.monotonic() - ran_seconds
        self._rested = time.process_time()

    async def rest(self) -> None:
        """After a batch."""
        is_patient = time.monotonic() - self._began < PATIENT_SECONDS
        worked = time.process_time() - self._rested
        await asyncio.sleep(worked * (PATIENT_REST if is_patient else HURRIED_REST))
        self._rested = time.process_time()  # what the process did meanwhile was other jobs' work


async def _rewrap_place(
    rooms: Rooms, region: str, place: TokenPlace, active_id: bytes, pace: Pace
) -> tuple[int, int, int]:
    """Re-wrap all tokens of a place that open; how many were, how many do not, and how many of those were
    not judged: a key in a PKCS#11 token, say, that this boundary is without.
    """
    rewrapped = refused = held_back = 0
    after: tuple[str, ...] | None = None
    while held := await rooms.store.list_held_tokens(region, place, after, BATCH_TOKENS):
        after = held[-1].row
        older = [one for one in held if wrapping_key_id_of(one.token) != active_id]
        asked = (rooms.boundary.rewrap(one.token, one.origin, active_id) for one in older)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        replacing: list[tuple[HeldToken, bytes]] = []
        for one, answer in zip(older, answers, strict=True):
            if isinstance(answer, bytes):
                replacing.append((one, answer))
            elif isinstance(answer, BoundaryUnavailable) or not isinstance(answer, BoundaryError):
                raise answer
            else:  # somebody has changed the row; whoever uses it is refused as well
                refused += 1
                held_back += type(answer) is not TokenRefused
                logger.warning("a token of %s in place %s does not open", region, place.name)
        if replacing:
            rewrapped += await rooms.store.replace_held_tokens(replacing)
        if len(held) == BATCH_TOKENS:  # else it was the last
            await pace.rest()
    return rewrapped, refused, held_back


async def _note_idle(rooms: Rooms, keys: Sequence[DomainKeyRecord]) -> None:
    """From when on no backup needs an older domain key: tokens may move long after it was replaced."""
    for key in keys[:-1]:
        setting = IDLE_SINCE_SETTING + key.domain_key_id.hex()
        if await rooms.store.find_setting(setting) is not None:
            continue
        if not await rooms.store.is_domain_key_named(key.domain_key_id):
            await rooms.store.put_setting(setting, _render(rooms.clock.now()))


async def _retire(rooms: Rooms, keys: Sequence[DomainKeyRecord]) -> list[DomainKeyRecord]:
    """Delete the domain keys that nobody needs: no token, and no backup that may be restored."""
    deleted = []
    kept_for = timedelta(days=rooms.rules.backup_retention_days)
    now = rooms.clock.now()
    for key in keys[:-1]:
        idle_since = await rooms.store.find_setting(IDLE_SINCE_SETTING + key.domain_key_id.hex())
        if idle_since is None or datetime.fromisoformat(idle_since) + kept_for > now:
            continue
        # Asked first, so that one that is kept for ever holds up no writer again and again.
        if await rooms.store.is_domain_key_named(key.domain_key_id):
            continue
        token = await rooms.store.find_domain_key_token(key.domain_key_id)
        if token is None or not await rooms.store.delete_domain_key(key.domain_key_id):
            continue
        deleted.append(key)
        logger.info("domain key %d of %s is deleted", key.generation, key.region)
        # Not before the transaction: what is destroyed in a PKCS#11 token never comes back.
        try:
            await rooms.boundary.forget_domain_key(token)
        except BoundaryError as error:
            logger.warning(
                "the boundary did not forget domain key %s (%s): a PKCS#11 token may still hold it",
                key.domain_key_id.hex(),
                type(error).__name__,
            )
    return deleted
