"""The health of connected external key stores, asked for before a real proxy."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.operations.external_key_scene import ExternalScene
from tests.support.xks_proxy import HEALTH

from strongroom.jobs.key_store_health import KeyStoreHealth
from strongroom.request_ids import RequestIds


class Watched:
    def __init__(self, external: ExternalScene) -> None:
        self.external = external
        road = external.road
        self.health = KeyStoreHealth(road.rooms, road.audit, RequestIds(), external.backend, 0.05)

    def check(self) -> None:
        self.external.road.wait(self.health.check_all())

    def told(self) -> list[str]:
        """The health that each event so far tells."""
        records = self.external.road.audit.records
        events = [one for one in records if one["eventName"] == "KmsHealthCheck"]
        assert all(one["eventType"] == "AwsServiceEvent" for one in events)
        return [one["serviceEventDetails"]["health"] for one in events]


@pytest.fixture
def watched(external: ExternalScene) -> Watched:
    return Watched(external)


def fleet(*statuses: str) -> dict[str, Any]:
    machines = [
        {"id": str(number), "model": "tests", "healthStatus": status}
        for number, status in enumerate(statuses)
    ]
    return HEALTH | {"ekmFleetDetails": machines}


def test_connected_store_is_asked_in_the_name_of_the_check_and_no_other_is(watched: Watched) -> None:
    external = watched.external
    store_id = external.connected()
    external.proxy.requests.clear()
    watched.check()
    ((what, request),) = external.proxy.requests
    assert what == "health"
    assert request["requestMetadata"]["kmsOperation"] == "KmsHealthCheck"
    assert set(request["requestMetadata"]) == {"kmsOperation", "kmsRequestId"}
    assert watched.told() == []
    external.disconnect(store_id)
    external.proxy.requests.clear()
    watched.check()
    assert external.proxy.requests == []


def test_ill_proxy_is_told_of_once_and_again_when_it_is_well_and_stays_connected(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    external = watched.external
    store_id = external.connected()
    external.proxy.mode = "html"
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watched.check()
    assert watched.told() == ["invalid response"]
    assert f"The external key store {store_id}: its proxy cannot serve requests" in caplog.text
    assert external.entry(store_id)["ConnectionState"] == "CONNECTED"
    assert "ConnectionErrorCode" not in external.entry(store_id)
    external.proxy.mode = "honest"
    watched.check()
    watched.check()
    assert watched.told() == ["invalid response", "ACTIVE"]


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (("ACTIVE", "ACTIVE"), []),
        (("ACTIVE", "DEGRADED"), ["DEGRADED"]),
        (("ACTIVE", "UNAVAILABLE"), ["DEGRADED"]),
        (("UNAVAILABLE", "UNAVAILABLE"), ["UNAVAILABLE"]),
    ],
)
def test_key_managers_behind_a_proxy_are_told_of_as_it_tells(
    watched: Watched, statuses: tuple[str, ...], told: list[str]
) -> None:
    watched.external.connected()
    watched.external.proxy.health = fleet(*statuses)
    watched.check()
    assert watched.told() == told


def test_change_that_could_not_be_recorded_is_told_in_the_next_round(watched: Watched) -> None:
    watched.external.connected()
    watched.external.proxy.errors = {"health": "InternalException"}
    watched.external.road.audit.accepting = False
    watched.check()
    watched.external.road.audit.accepting = True
    watched.check()
    assert watched.told() == ["InternalException"]


def test_rounds_go_on_until_stopped(watched: Watched) -> None:
    external = watched.external
    external.connected()
    external.proxy.requests.clear()

    async def some_rounds() -> None:
        stopped = asyncio.Event()
        running = asyncio.create_task(watched.health.run_until(stopped))
        async with asyncio.timeout(20):
            while len(external.proxy.requests) < 2:
                await asyncio.sleep(0.01)
        stopped.set()
        await asyncio.wait_for(running, 20)

    external.road.wait(some_rounds())
