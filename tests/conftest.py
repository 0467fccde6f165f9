"""Fixtures that several folders share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One development server for each test process. Tests make their own keys and touch no others."""
    with Server() as running:
        yield running


@pytest.fixture
def kms(server: Server) -> Any:
    """A boto3 KMS client of the shared development server."""
    return server.client()
