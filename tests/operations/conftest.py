"""The road, shared by the tests of one process; each test makes its own keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.road import Road


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with Road(tmp_path_factory.mktemp("road")) as road:
        yield road


@pytest.fixture
def own_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A road that a test may break, move in time, or empty."""
    with Road(tmp_path_factory.mktemp("own-road")) as road:
        yield road
