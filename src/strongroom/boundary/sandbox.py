"""What the boundary process gives up: privileges, core dumps, swap, files, network, new programs.

Each protection is tried by itself and reported; one that the host does not allow is named in the status
with what to change, and never silently missing. Linux only; kernel interfaces are called directly, so that
no library has to be present for them.

Sources: prctl(2), seccomp(2), landlock(7), mlockall(2).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import stat
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.boundary.system_calls import ARCHITECTURES, FILES, NETWORK, Architecture, CallTable

FILES_MAX: Final = 256
"""Open files of the process: one for each client channel, and a few."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_KEEPCAPS: Final = 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_SIGKILL: Final = 9

_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4
_MLOCK_ONFAULT: Final = 1
_MAP_NORESERVE: Final = 0x4000

_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_ADD_RULE: Final = 445
_LANDLOCK_RESTRICT_SELF: Final = 446
_PATH_BENEATH: Final = 1
_EXECUTE: Final = 1
_READS: Final = 0b1100
"""READ_FILE, READ_DIR."""
_FILE_RIGHTS: Final = 0b110 | 1 << 14
"""WRITE_FILE, READ_FILE, TRUNCATE: the others are of directories."""
_LANDLOCK_CREATE_RULESET_VERSION: Final = 1

_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_FILTER_FLAG_TSYNC: Final = 1
_ALLOW: Final = 0x7FFF0000
_FAIL_EPERM: Final = 0x00050001
_KILL_PROCESS: Final = 0x80000000
_LOAD_WORD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_BITS: Final = 0x45
_RETURN: Final = 0x06
_OFFSET_OF_NUMBER: Final = 0
_OFFSET_OF_ARCHITECTURE: Final = 4
_OFFSET_OF_THIRD_ARGUMENT: Final = 32


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


_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def protect_memory() -> tuple[Protection, ...]:
    """Keep secrets that will come out of dumps, debuggers and swap. Call before any secret is read."""
    return (
        attempt("no new privileges", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
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
    _prctl(_PR_SET_DUMPABLE, 0)


def keep_capabilities() -> None:
    """Have the next change of user leave the permitted capabilities."""
    _prctl(_PR_SET_KEEPCAPS, 1)


class NotAllowed(Exception):
    """The host does not allow a protection; the text says what would help."""


def attempt(name: str, protect: Callable[[], object]) -> Protection:
    """Try one protection, and say how that went."""
    try:
        protect()
    except NotAllowed as reason:
        return Protection(name, False, str(reason))
    except (OSError, ValueError, AttributeError) as error:
        return Protection(name, False, getattr(error, "strerror", None) or type(error).__name__)
    return Protection(name, True)


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _syscall(number: int, *arguments: object) -> int:
    _libc.syscall.restype = ctypes.c_long
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _architecture() -> Architecture:
    architecture = ARCHITECTURES.get(os.uname().machine)
    if architecture is None or sys.maxsize < 2**32:
        raise NotAllowed("no list of system calls for this machine type")
    return architecture


def _lock_memory() -> None:
    # MCL_FUTURE under a limit would make malloc fail later, so find out first whether the limit counts:
    # CAP_IPC_LOCK as /proc shows it means nothing inside a user namespace.
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if not can_lock_memory():
        raise NotAllowed(
            f"memory may be swapped, for RLIMIT_MEMLOCK is {limit // 1024} KiB: set it to unlimited"
            " (LimitMEMLOCK=infinity), or turn swap off"
        )
    if _libc.mlockall(ctypes.c_int(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def can_lock_memory() -> bool:
    """Whether this process, as it is now, may lock all its memory."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return limit == resource.RLIM_INFINITY or _can_lock_beyond(limit)


def unlock_memory() -> None:
    """Have memory swapped again, that which comes as well."""
    _libc.munlockall()


def _can_lock_beyond(limit_bytes: int) -> bool:
    size = (limit_bytes // mmap.PAGESIZE + 1) * mmap.PAGESIZE
    try:
        area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    except (OSError, ValueError, OverflowError):
        return False
    first_byte = ctypes.c_char.from_buffer(area)
    try:
        address = ctypes.c_void_p(ctypes.addressof(first_byte))
        _syscall(_architecture().mlock2, address, ctypes.c_size_t(size), ctypes.c_uint(_MLOCK_ONFAULT))
    except (OSError, NotAllowed):
        return False
    finally:
        del first_byte
        area.close()
    return True


def _forbid_files(doors: OpenDoors | None = None) -> None:
    try:
        abi = _syscall(
            _LANDLOCK_CREATE_RULESET,
            None,
            ctypes.c_size_t(0),
            ctypes.c_uint(_LANDLOCK_CREATE_RULESET_VERSION),
        )
    except OSError:
        raise NotAllowed("the kernel has no Landlock: Linux 5.13 or later with landlock in lsm=") from None
    # Every right this kernel knows is handled, and no rule grants one but those for `doors`.
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    files, network, scope = (1 << rights) - 1, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0
    if doors is not None and doors.network:
        network = scope = 0
    words = (files,) if abi < 4 else (files, network) if abi < 6 else (files, network, scope)
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = _syscall(
        _LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)
    )
    try:
        if doors is not None:
            for paths, granted in ((doors.writable, files & ~_EXECUTE), (doors.readable, _READS)):
                for path in paths:
                    _grant(ruleset, path, granted)
        _syscall(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    """Let files at or beneath `path` be used. One that is not there is granted nothing."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _FILE_RIGHTS
        # struct landlock_path_beneath_attr is packed.
        rule = struct.pack("=Qi", rights, fd)
        _syscall(
            _LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0)
        )
    finally:
        os.close(fd)


def _forbid_calls(doors: OpenDoors | None = None) -> None:
    architecture = _architecture()
    groups = () if doors is None else (FILES, NETWORK) if doors.network else (FILES,)
    code = ctypes.create_string_buffer(_render_filter(architecture, groups))
    # struct sock_fprog: a 16-bit count, padding, a pointer
    program = struct.pack("@HP", (len(code) - 1) // 8, ctypes.addressof(code))
    refused = _syscall(
        architecture.seccomp,
        ctypes.c_uint(_SECCOMP_SET_MODE_FILTER),
        ctypes.c_uint(_SECCOMP_FILTER_FLAG_TSYNC),
        program,
    )
    if refused:
        raise NotAllowed("a thread could not be put under the filter")


def _render_filter(architecture: Architecture, groups: Sequence[CallTable] = ()) -> bytes:
    """A classic BPF program: calls on the list pass, all others fail with EPERM."""
    steps = [
        (_LOAD_WORD, 0, 0, _OFFSET_OF_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture.audit_number),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER),
    ]
    for number in architecture.allowed(*groups):
        steps += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in architecture.memory():
        steps += [
            (_JUMP_IF_EQUAL, 0, 4, number),
            (_LOAD_WORD, 0, 0, _OFFSET_OF_THIRD_ARGUMENT),
            (_JUMP_IF_BITS, 0, 1, mmap.PROT_EXEC),
            (_RETURN, 0, 0, _FAIL_EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]
    steps.append((_RETURN, 0, 0, _FAIL_EPERM))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
