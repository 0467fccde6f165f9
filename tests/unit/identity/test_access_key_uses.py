"""The last use of access keys: noted once a minute, written together, never lost to a failing store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from tests.unit.identity.sessions import ROLE, role_session, sign_with
from tests.unit.identity.signed_requests import (
    ACCESS_KEY_ID,
    Desk,
    FixedClock,
    header_signed,
    refusal_of,
    replace,
    result_of,
    sign,
    signed_at,
)

from strongroom.identity.access_key_uses import AccessKeyUses
from strongroom.identity.authenticate import StrictAuthenticator
from strongroom.resources.identifiers import AccessKeyId, Region
from strongroom.store.iam_interface import AccessKeyUse
from strongroom.store.interface import StoreUnavailable

USE = AccessKeyUse(ACCESS_KEY_ID, datetime(2026, 1, 1, tzinfo=UTC), Region("eu-central-1"), "kms")


class Kept:
    def __init__(self) -> None:
        self.batches: list[list[AccessKeyUse]] = []
        self.failing = False

    async def keep_access_key_uses(self, uses: Sequence[AccessKeyUse]) -> None:
        if self.failing:
            raise StoreUnavailable
        self.batches.append(list(uses))

    @property
    def uses(self) -> list[AccessKeyUse]:
        return [use for batch in self.batches for use in batch]


class CountedUses(AccessKeyUses):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[AccessKeyUse] = []

    def note(self, use: AccessKeyUse) -> None:
        self.notes.append(use)
        super().note(use)


def test_request_is_noted_by_the_services_clock_with_region_and_service() -> None:
    request = sign(service="sts", region="us-west-2")
    desk, uses, kept = Desk(signed_at(request)), AccessKeyUses(), Kept()
    service_clock = FixedClock(2_000_000_000)
    strict = StrictAuthenticator(
        desk.access_keys, desk.signing_keys, desk.clock, service_clock=service_clock, uses=uses
    )
    result_of(strict.authenticate(request))
    result_of(uses.flush(kept))
    assert kept.uses == [
        AccessKeyUse(ACCESS_KEY_ID, datetime.fromtimestamp(2_000_000_000, UTC), Region("us-west-2"), "sts")
    ]
    result_of(uses.flush(kept))
    assert len(kept.batches) == 1


def test_requests_of_one_minute_are_noted_once_short_and_long() -> None:
    desk, uses = Desk(1440938160), CountedUses()
    strict = StrictAuthenticator(desk.access_keys, desk.signing_keys, desk.clock, uses=uses)
    for second in range(130):
        stamp = datetime.fromtimestamp(1440938160 + second, UTC).strftime("%Y%m%dT%H%M%SZ").encode()
        desk.clock.at = 1440938160 + second
        request = header_signed([(b"host", b"h"), (b"x-amz-date", stamp)], b"host;x-amz-date", date=stamp)
        result_of(strict.authenticate(request))
        result_of(strict.authenticate(replace(request, target=b"//")))  # never the short way
    assert [use.used_at.minute for use in uses.notes] == [36, 37, 38]


def test_refused_requests_and_sessions_are_not_noted() -> None:
    request = sign()
    desk, uses = Desk(signed_at(request)), CountedUses()
    desk.access_keys.put(ROLE)
    strict = StrictAuthenticator(desk.access_keys, desk.signing_keys, desk.clock, uses=uses)
    refusal_of(strict, replace(request, body=b"forged"))
    result_of(strict.authenticate(sign_with(role_session(desk))))
    assert uses.notes == []


def test_flush_of_a_failing_store_loses_nothing_and_keeps_the_latest() -> None:
    uses, kept = AccessKeyUses(), Kept()
    uses.note(USE)
    kept.failing = True
    with pytest.raises(StoreUnavailable):
        result_of(uses.flush(kept))
    later = AccessKeyUse(ACCESS_KEY_ID, datetime(2026, 1, 2, tzinfo=UTC), USE.region, "sts")
    other = AccessKeyUse(AccessKeyId("AKIAOTHER"), USE.used_at, USE.region, "kms")
    uses.note(later)
    uses.note(other)
    kept.failing = False
    result_of(uses.flush(kept))
    assert kept.batches == [[later, other]]


def test_flush_until_stopped_writes_what_is_left() -> None:
    uses, kept = AccessKeyUses(), Kept()

    async def life() -> None:
        stopped = asyncio.Event()
        flushing = asyncio.create_task(uses.flush_until(kept, stopped))
        await asyncio.sleep(0)
        uses.note(USE)
        stopped.set()
        await asyncio.wait_for(flushing, 5)

    asyncio.run(life())
    assert kept.uses == [USE]
