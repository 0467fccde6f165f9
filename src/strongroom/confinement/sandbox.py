"""What the boundary process gives up: privileges, core dumps, swap, files, network, new programs.

Each protection is tried by itself and reported; one that the host does not allow is named in the status
with what to change, and never silently missing. Linux only. What other processes give up: confined.py.

Sources: prctl(2), mlockall(2).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.confinement import landlock, seccomp
from strongroom.confinement.libc import (
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    NotAllowed,
    architecture,
    libc,
    prctl,
    system_call,
)
from strongroom.confinement.system_calls import FILES, NETWORK, NO_NEW_CODE

FILES_MAX: Final = 256
"""Open files of the process: one for each client channel, and a few."""

_SIGKILL: Final = 9

_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4
_MLOCK_ONFAULT: Final = 1
_MAP_NORESERVE: Final = 0x4000


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing the process gave up, or could not."""

    name: str
    held: bool
    detail: str = ""
    """Why it is not held and what would help; empty when it is."""

    def __str__(self) -> str:
        return "held" if self.held else f"not held: {self.detail}"


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """What a PKCS#11 module still needs after the start: its token's files, and the network of some."""

    writable: tuple[str, ...]
    """Directories (or files) with all that is beneath them."""
    readable: tuple[str, ...]
    network: bool


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    prctl(PR_SET_PDEATHSIG, _SIGKILL)


def protect_memory() -> tuple[Protection, ...]:
    """Keep secrets that will come out of dumps, debuggers and swap. Call before any secret is read."""
    return (
        attempt("no new privileges", lambda: prctl(PR_SET_NO_NEW_PRIVS, 1)),
        attempt("no debugger", forbid_debuggers),
        attempt("no core dumps", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))),
        attempt("memory locked", _lock_memory),
    )


def close_doors(
    start_threads: Callable[[], object] = lambda: None, doors: OpenDoors | None = None
) -> tuple[Protection, ...]:
    """Give up files, network and new programs. Call when all that must be read or imported has been.

    Afterwards open, socket, connect, exec, fork, ptrace and executable memory fail with EPERM or EACCES, in
    this thread and in those of `start_threads`. These start when Landlock, which binds a thread and its
    descendants, is in force, and before seccomp, which binds all threads and forbids new ones.
    `doors` stay open: the files that they name, and nothing else.
    """
    few_files = attempt(
        "few open files", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX,) * 2)
    )
    name = "no file system (Landlock)" if doors is None else "no files but the token's (Landlock)"
    no_files = attempt(name, lambda: _forbid_files(doors))
    start_threads()
    no_calls = attempt("no other system calls (seccomp)", lambda: _forbid_calls(doors))
    return (few_files, no_files, no_calls)


def forbid_debuggers() -> None:
    """Nobody traces this process or dumps its memory, root excepted."""
    prctl(PR_SET_DUMPABLE, 0)


def keep_capabilities() -> None:
    """Have the next change of user leave the permitted capabilities."""
    prctl(PR_SET_KEEPCAPS, 1)


def attempt(name: str, protect: Callable[[], object]) -> Protection:
    """Try one protection, and say how that went."""
    try:
        protect()
    except NotAllowed as reason:
        return Protection(name, False, str(reason))
    except (OSError, ValueError, AttributeError) as error:
        return Protection(name, False, getattr(error, "strerror", None) or type(error).__name__)
    return Protection(name, True)


def _lock_memory() -> None:
    # MCL_FUTURE under a limit would make malloc fail later, so find out first whether the limit counts:
    # CAP_IPC_LOCK as /proc shows it means nothing inside a user namespace.
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if not can_lock_memory():
        raise NotAllowed(
            f"memory may be swapped, for RLIMIT_MEMLOCK is {limit // 1024} KiB: set it to unlimited"
            " (LimitMEMLOCK=infinity), or turn swap off"
        )
    if libc.mlockall(ctypes.c_int(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def can_lock_memory() -> bool:
    """Whether this process, as it is now, may lock all its memory."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return limit == resource.RLIM_INFINITY or _can_lock_beyond(limit)


def unlock_memory() -> None:
    """Have memory swapped again, that which comes as well."""
    libc.munlockall()


def _can_lock_beyond(limit_bytes: int) -> bool:
    size = (limit_bytes // mmap.PAGESIZE + 1) * mmap.PAGESIZE
    try:
        area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    except (OSError, ValueError, OverflowError):
        return False
    first_byte = ctypes.c_char.from_buffer(area)
    try:
        address = ctypes.c_void_p(ctypes.addressof(first_byte))
        system_call(architecture().mlock2, address, ctypes.c_size_t(size), ctypes.c_uint(_MLOCK_ONFAULT))
    except (OSError, NotAllowed):
        return False
    finally:
        del first_byte
        area.close()
    return True


def _forbid_files(doors: OpenDoors | None = None) -> None:
    if doors is None:
        landlock.restrict(())
        return
    grants = [landlock.Grant(path, landlock.EVERYTHING) for path in doors.writable]
    grants += [landlock.Grant(path, landlock.READ) for path in doors.readable]
    landlock.restrict(grants, network=doors.network)


def _forbid_calls(doors: OpenDoors | None = None) -> None:
    groups = () if doors is None else (FILES, NETWORK) if doors.network else (FILES,)
    seccomp.restrict(groups, (NO_NEW_CODE,))
