"""Core dumps, allowed on purpose: a process that leaves none must forbid them itself."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def unlimited_core_dumps() -> Iterator[None]:
    """What is started here may leave core dumps, unless it forbids them itself."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
