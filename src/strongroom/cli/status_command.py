"""`strongroom status`: what runs, what of its protections holds, and why the rest does not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom.cli.printable import printable

if TYPE_CHECKING:
    from strongroom.administration.messages import ServerStatus

_PROTECTION: Final = "protection: "
_HELD: Final = "held"


def add_to(commands_of: argparse._SubParsersAction[Any], add_data_directory: Callable[[Any], None]) -> None:
    """Add the command."""
    status = commands_of.add_parser(
        "status",
        help="what runs, what holds, and what the host did not allow",
        description="The processes of the running server, the protections of its boundary (held, or not held "
        "and what would help), its seal, self-tests and libraries. Nothing is changed.",
        allow_abbrev=False,
    )
    status.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    add_data_directory(status)
    status.set_defaults(command=show_status)


def show_status(data_directory: Path, as_json: bool) -> int:
    """`strongroom status`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import ServerStatus, ShowStatus

    status = ask(data_directory, ShowStatus())
    assert isinstance(status, ServerStatus)  # noqa: S101
    sys.stdout.write(_render_json(status) if as_json else "\n".join(_render_lines(status)) + "\n")
    return 0


def _render_json(status: ServerStatus) -> str:
    import msgspec

    return json.dumps(msgspec.to_builtins(status) | {"protections": _protections(status)}, indent=2) + "\n"


def _protections(status: ServerStatus) -> dict[str, str]:
    return {
        name.removeprefix(_PROTECTION): value
        for name, value in status.boundary.items()
        if name.startswith(_PROTECTION)
    }


def _render_confinement(status: ServerStatus) -> Iterator[str]:
    """Processes that gave up the same things stand together."""
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for process in status.processes:
        if process.protections:
            alike.setdefault(tuple(process.protections.items()), []).append(process.name)
    missing = sum(1 for protections in alike for _, value in protections if value != _HELD)
    yield "protections of the other processes" + (f" ({missing} not held)" if missing else " (all held)")
    for protections, names in alike.items():
        yield printable(f"  {', '.join(names)}")
        for name, value in protections:
            yield printable(f"    {name}: {value}")


def _render_lines(status: ServerStatus) -> Iterator[str]:
    yield f"strongroom {status.version} {status.mode}, Python {status.python}"
    yield f"audit trail: {'takes records' if status.is_recording else 'TAKES NO RECORDS'}"
    yield ""
    yield "processes"
    for process in status.processes:
        megabytes = process.resident_kilobytes / 1024
        yield printable(
            f"  {process.name:<16} pid {process.process_id:<8} user {process.user_id:<6} {megabytes:6.1f} MB"
        )
    yield ""
    yield from _render_confinement(status)
    yield ""
    if not status.boundary:
        yield "boundary: DOES NOT ANSWER; cryptographic requests fail. The server's log may say why."
        return
    yield "boundary"
    for name, value in status.boundary.items():
        if not name.startswith(_PROTECTION):
            yield printable(f"  {name}: {value}")
    yield ""
    protections = _protections(status)
    missing = sum(1 for value in protections.values() if value != _HELD)
    yield "protections of the boundary" + (f" ({missing} not held)" if missing else " (all held)")
    for name, value in protections.items():
        yield printable(f"  {name}: {value}")
