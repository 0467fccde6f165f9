"""One road for all vectors of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.road import Road


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with Road(tmp_path_factory.mktemp("vectors")) as road:
        yield road
