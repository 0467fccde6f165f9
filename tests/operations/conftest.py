"""The road, shared by the tests of one process; each test makes its own keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.operations.external_key_scene import ExternalScene
from tests.operations.key_store_scene import Scene
from tests.support.proxy_scene import ProxyScene
from tests.support.road import Road
from tests.support.xks_proxy import XksProxy


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with Road(tmp_path_factory.mktemp("road")) as road:
        yield road


@pytest.fixture
def own_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A road that a test may break, move in time, or empty."""
    with Road(tmp_path_factory.mktemp("own-road")) as road:
        yield road


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A road of its own whose custom key stores have a double behind them."""
    scene = Scene(tmp_path)
    with scene.road:
        yield scene


@pytest.fixture
def external(tmp_path: Path) -> Iterator[ExternalScene]:
    """A road of its own before a real external key store proxy."""
    with XksProxy(tmp_path) as proxy:
        scene = ExternalScene(tmp_path, proxy)
        with scene.road:
            yield scene
            scene.backend.close()


@pytest.fixture
def proxied(road: Road) -> ProxyScene:
    return ProxyScene(road)


@pytest.fixture
def own_proxied(own_road: Road) -> ProxyScene:
    """On a road that may be broken."""
    return ProxyScene(own_road)
