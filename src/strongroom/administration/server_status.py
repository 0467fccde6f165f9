"""`strongroom status`: the server's processes, and what the boundary says of itself."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from strongroom import __version__
from strongroom.administration.messages import ProcessLine, ServerStatus
from strongroom.boundary.interface import BoundaryUnavailable

BoundaryFacts: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]

_decoder = msgspec.json.Decoder(list[ProcessLine])


@dataclass(frozen=True, slots=True)
class StatusSource:
    """Where the status comes from. Secrets: none."""

    mode: str
    boundary_facts: BoundaryFacts
    processes: Callable[[], Awaitable[bytes]]
    """What runs, as the supervisor tells it: an array of ProcessLine in JSON. Raises OSError."""


async def describe_server(source: StatusSource, is_recording: bool) -> ServerStatus:
    """The status now. Nothing is changed by asking."""
    facts: Mapping[str, str] = {}
    with contextlib.suppress(BoundaryUnavailable):
        facts = await source.boundary_facts()
    processes = _decoder.decode(await source.processes())
    return ServerStatus(
        version=__version__,
        python=platform.python_version(),
        mode=source.mode,
        processes=[processes[0], *sorted(processes[1:], key=lambda line: line.name)],
        boundary=dict(facts),
        is_recording=is_recording,
    )
