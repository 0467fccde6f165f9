"""`strongroom status`: the server's processes, and what the boundary says of itself."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from strongroom import __version__
from strongroom.administration.messages import ProcessLine, ServerStatus
from strongroom.boundary.interface import BoundaryUnavailable

BoundaryFacts: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]

_PROCESSES = Path("/proc")
_TITLE = "strongroom: "


@dataclass(frozen=True, slots=True)
class StatusSource:
    """Where the status comes from. Secrets: none."""

    mode: str
    boundary_facts: BoundaryFacts
    supervisor_pid: int


async def describe_server(source: StatusSource, is_recording: bool) -> ServerStatus:
    """The status now. Nothing is changed by asking."""
    facts: Mapping[str, str] = {}
    with contextlib.suppress(BoundaryUnavailable):
        facts = await source.boundary_facts()
    return ServerStatus(
        version=__version__,
        python=platform.python_version(),
        mode=source.mode,
        processes=list(_processes(source.supervisor_pid)),
        boundary=dict(facts),
        is_recording=is_recording,
    )


def _processes(supervisor_pid: int) -> Iterator[ProcessLine]:
    """The supervisor and its children, by name."""
    found = []
    for name in os.listdir(_PROCESSES):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, KeyError):  # it has ended meanwhile
            fields = _status_of(name)
            if int(name) == supervisor_pid or int(fields["PPid"]) == supervisor_pid:
                found.append(
                    ProcessLine(
                        _title_of(name),
                        int(name),
                        int(fields["Uid"].split()[0]),
                        int(fields["VmRSS"].split()[0]),
                    )
                )
    yield from sorted(found, key=lambda line: (line.process_id != supervisor_pid, line.name))


def _status_of(process: str) -> dict[str, str]:
    lines = (_PROCESSES / process / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _title_of(process: str) -> str:
    title = (_PROCESSES / process / "cmdline").read_bytes().rstrip(b"\0").decode("utf-8", "replace")
    return title.removeprefix(_TITLE)
