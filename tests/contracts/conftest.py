"""Each implementation of the boundary is one row of BOUNDARIES."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.support.boundary_contract import Run, Test
from tests.support.running_boundary import MemoryDomainKeyStore, RunningBoundary, attached_client

Start = Callable[[Path], AbstractContextManager[RunningBoundary]]

BOUNDARIES = [pytest.param(lambda tmp_path: RunningBoundary(tmp_path / "key"), id="software")]


@pytest.fixture(params=BOUNDARIES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a test against a boundary of its own."""
    start: Start = request.param

    def run_test(test: Test) -> None:
        async def body(running: RunningBoundary) -> None:
            client = attached_client(running, MemoryDomainKeyStore())
            try:
                await asyncio.wait_for(test(client), 30)
            finally:
                client.close()

        with start(tmp_path) as running:
            asyncio.run(body(running))

    return run_test
