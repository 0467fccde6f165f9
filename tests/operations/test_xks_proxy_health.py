"""GetHealthStatus of the external key store proxy, and whether it is ready."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

from tests.support.proxy_scene import ProxyScene

from strongroom.boundary.interface import Boundary
from strongroom.resources.identifiers import Region
from strongroom.xks_proxy.health import DeepHealth


def test_health_is_about_no_key_and_uses_none(proxied: ProxyScene) -> None:
    status, answer = proxied.ask("/health", {"awsPrincipalArn": None, "kmsKeyArn": None})
    assert status == 200
    assert answer["xksProxyFleetSize"] >= 1
    assert {"xksProxyVendor", "xksProxyModel", "ekmVendor"} < set(answer)
    (machine,) = answer["ekmFleetDetails"]
    assert machine["healthStatus"] == "ACTIVE"
    record = proxied.road.last_record
    assert (record["eventName"], record["resources"]) == ("GetHealthStatus", [])


def test_readiness_costs_the_boundary_no_more_however_often_it_is_asked(proxied: ProxyScene) -> None:
    """Anybody may ask, without a credential."""
    road = proxied.road

    class Counting:
        """The boundary, and how often its test key encrypted."""

        encrypted = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(road.boundary, name)

        async def xks_encrypt(self, *arguments: Any) -> bytes:
            self.encrypted += 1
            return await road.boundary.xks_encrypt(*arguments)

    boundary = Counting()
    rooms = replace(road.rooms, boundary=cast("Boundary", boundary))
    health = DeepHealth(rooms, road.audit, Region("eu-central-1"))

    async def ask_often() -> list[bool]:
        return [await health.is_ready() for _ in range(3)] + list(
            await asyncio.gather(*(health.is_ready() for _ in range(50)))
        )

    assert set(road.wait(ask_often())) == {True}
    assert boundary.encrypted == 1


def test_health_without_boundary_or_trail_is_an_error(own_proxied: ProxyScene) -> None:
    proxied, road = own_proxied, own_proxied.road
    road.audit.accepting = False
    assert proxied.refusal("/health") == "InternalException"
    road.audit.accepting = True
    assert proxied.ask("/health")[0] == 200
    road.restart_boundary()
    assert proxied.ask("/health")[0] == 200
    road.running_boundary.stop()
    assert proxied.refusal("/health") in ("DependencyTimeoutException", "InternalException")
