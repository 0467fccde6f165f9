"""Each implementation of the boundary is one row of BOUNDARIES."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from tests.support.boundary_contract import Run, Test
from tests.support.running_boundary import MemoryDomainKeyStore, RunningBoundary, attached_client
from tests.support.softhsm import make_softhsm

from strongroom.boundary.interface import BoundaryRefused, KeySpecNotOffered

Start = Callable[[Path], AbstractContextManager[RunningBoundary]]

BOUNDARIES = [
    pytest.param(lambda tmp_path: RunningBoundary(tmp_path / "key"), id="software"),
    pytest.param(
        lambda tmp_path: RunningBoundary(tmp_path / "key", token=make_softhsm(tmp_path / "softhsm")),
        id="pkcs11",
    ),
]

REFUSED_BY_SOFTHSM = frozenset[str]()
"""Tests of what this token cannot do: there they end where it is refused by name."""


@pytest.fixture(params=BOUNDARIES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a test against a boundary of its own."""
    start: Start = request.param
    name = request.node.originalname
    is_refused = "pkcs11" in request.node.callspec.id and name in REFUSED_BY_SOFTHSM
    refusal = pytest.raises((BoundaryRefused, KeySpecNotOffered)) if is_refused else nullcontext()

    def run_test(test: Test) -> None:
        async def body(running: RunningBoundary) -> None:
            client = attached_client(running, MemoryDomainKeyStore())
            try:
                await asyncio.wait_for(test(client), 30)
            finally:
                client.close()

        with start(tmp_path) as running, refusal:
            asyncio.run(body(running))

    return run_test
