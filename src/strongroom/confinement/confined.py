"""What the audit writer gives up, and the processes that read the network: all but the files they are given.

A protection that the host lacks is told of; one that it has and that cannot be had ends the process, which
would else serve without.

Sources: landlock(7), seccomp(2), prctl(2).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.confinement import landlock, seccomp
from strongroom.confinement.libc import PR_SET_NO_NEW_PRIVS, NotAllowed, prctl
from strongroom.confinement.sandbox import Protection, forbid_debuggers
from strongroom.confinement.system_calls import (
    CODE_FROM_FILES,
    DESCRIPTOR_SETTINGS,
    EVENT_LOOP,
    FILES,
    INTERNET_SOCKETS,
    NO_NEW_CODE,
    POLLING,
    RINGS,
    SOCKET_PAIRS,
    THREADS,
    USING_FILES,
)

_THREADS_END_SECONDS: Final = 2.0


class ConfinementFailed(Exception):
    """The host could confine this process, and it did not come to pass. One sentence."""

    exit_code = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What a process that reads the network keeps: no file is made, named or removed by it."""

    files: tuple[str, ...]
    """Files that are there: read and written."""
    readable: tuple[str, ...]
    """Files, and directories with all beneath them."""
    ports: tuple[int, ...]
    """TCP ports of other hosts that it connects to."""


def forgo_rings() -> None:
    """Have no io_uring from now on. Call before the event loop is made, for it would use one to the end.

    Raises: ConfinementFailed.
    """
    _hold("no new privileges", lambda: prctl(PR_SET_NO_NEW_PRIVS, 1))
    _hold("no io_uring", lambda: seccomp.forbid(RINGS))


def confine_server(limits: ServerLimits) -> tuple[Protection, ...]:
    """Confine this process, its threads to come included. Call with one thread, before the first request.

    No program is started from then on, no other process reached, no port opened, no Unix socket connected.
    Raises: ConfinementFailed.
    """
    grants = [landlock.Grant(path, landlock.READ_AND_WRITE) for path in limits.files]
    grants += [landlock.Grant(path, landlock.READ) for path in limits.readable]
    rules = (*CODE_FROM_FILES, *THREADS, INTERNET_SOCKETS, SOCKET_PAIRS, DESCRIPTOR_SETTINGS)
    return (
        *_without_privileges(),
        _hold("no files but its own (Landlock)", lambda: _restrict_files(grants, limits.ports)),
        _hold("no connections but to named ports (Landlock)", _require_network),
        _hold("no signals to others (Landlock)", _require_scopes),
        _hold("no other system calls (seccomp)", lambda: seccomp.restrict((USING_FILES, EVENT_LOOP), rules)),
    )


def confine_writer(directory: str) -> tuple[Protection, ...]:
    """Confine this process to what is below `directory`, where it makes and removes files; no network.

    Raises: ConfinementFailed.
    """
    grants = [landlock.Grant(directory, landlock.EVERYTHING)]
    grants += [landlock.Grant(path, landlock.READ) for path in own_program()]
    return (
        *_without_privileges(),
        _hold("no files but its own (Landlock)", lambda: _restrict_files(grants, ())),
        _hold("no signals to others (Landlock)", _require_scopes),
        _hold(
            "no other system calls (seccomp)",
            lambda: seccomp.restrict((FILES, POLLING), (NO_NEW_CODE, DESCRIPTOR_SETTINGS)),
        ),
    )


def own_program() -> tuple[str, ...]:
    """Where Python and this package are: a module may be imported late, and a traceback shows its source."""
    installed = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return (os.path.dirname(os.__file__), *installed, package)


def render_report(protections: tuple[Protection, ...]) -> bytes:
    """For the supervisor. Shape: lines NAME TAB STATE."""
    return "\n".join(f"{protection.name}\t{protection}" for protection in protections).encode()


def _without_privileges() -> tuple[Protection, ...]:
    return (
        _hold("no new privileges", lambda: prctl(PR_SET_NO_NEW_PRIVS, 1)),
        _hold("no debugger", forbid_debuggers),
        _hold("no core dumps", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))),
    )


def _hold(name: str, protect: Callable[[], object]) -> Protection:
    try:
        protect()
    except NotAllowed as reason:
        return Protection(name, False, str(reason))
    except (OSError, ValueError) as error:
        reason_text = getattr(error, "strerror", None) or type(error).__name__
        raise ConfinementFailed(f"A process could not be confined, {name}: {reason_text}.") from None
    return Protection(name, True)


def _restrict_files(grants: list[landlock.Grant], ports: tuple[int, ...]) -> None:
    landlock.find_version()
    _require_one_thread()
    landlock.restrict(grants, ports=ports)


def _require_one_thread() -> None:
    """Landlock binds the thread that asks for it and those that it starts. Raises: ConfinementFailed."""
    deadline = time.monotonic() + _THREADS_END_SECONDS
    while len(os.listdir("/proc/self/task")) != 1:  # one that was waited for may be on its last steps
        if time.monotonic() > deadline:
            raise ConfinementFailed("A process could not be confined: it has threads already.")
        time.sleep(0.001)


def _require_network() -> None:
    if landlock.find_version() < landlock.NETWORK_SINCE:
        raise NotAllowed("the kernel's Landlock knows no ports: Linux 6.7 or later")


def _require_scopes() -> None:
    if landlock.find_version() < landlock.SCOPES_SINCE:
        raise NotAllowed("the kernel's Landlock knows no signals: Linux 6.12 or later")
