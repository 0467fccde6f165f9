"""Landlock: the files that this thread, and those it starts from now on, may still use.

Source: landlock(7); include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.confinement.libc import NotAllowed, system_call

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULESET_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_NET_PORT: Final = 2
_CONNECT_TCP: Final = 2

_EXECUTE: Final = 1
READ: Final = 0b1100
"""READ_FILE, READ_DIR."""
READ_AND_WRITE: Final = 0b110 | 1 << 14
"""WRITE_FILE, READ_FILE, TRUNCATE: of files that are there. All other rights are of directories."""
EVERYTHING: Final = 0xFFFF & ~_EXECUTE
"""Files are made, changed and removed, and none is a program."""

NETWORK_SINCE: Final = 4
SCOPES_SINCE: Final = 6
"""The versions of Landlock from which it knows TCP ports, and signals and abstract sockets."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done with one file, or with all beneath a directory; with none that is not there."""

    path: str
    rights: int


def find_version() -> int:
    """The kernel's version of Landlock. Raises NotAllowed where it has none, or the host forbids it."""
    try:
        return system_call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_RULESET_VERSION))
    except OSError as error:
        if error.errno == errno.EPERM:
            raise NotAllowed("the host forbids Landlock: allow the calls landlock_* in its filter") from None
        raise NotAllowed("the kernel has no Landlock: Linux 5.13 or later with landlock in lsm=") from None


def restrict(grants: Sequence[Grant], *, ports: Sequence[int] = (), network: bool = False) -> None:
    """Leave `grants`, and TCP connections to `ports`; with `network` sockets as they were.

    Raises NotAllowed; OSError where the kernel has Landlock and it does not work.
    """
    version = find_version()
    # Every right this kernel knows is handled, and no rule grants one but those asked for.
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    net = 0b11 if version >= NETWORK_SINCE and not network else 0
    scopes = 0b11 if version >= SCOPES_SINCE and not network else 0
    words: tuple[int, ...] = (files,) if version < NETWORK_SINCE else (files, net)
    if version >= SCOPES_SINCE:
        words += (scopes,)
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = system_call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    try:
        for grant in grants:
            _add_path(ruleset, grant.path, grant.rights & files)
        if net:
            for port in ports:
                _add(ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port))
        system_call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _add_path(ruleset: int, path: str, rights: int) -> None:
    # O_PATH: closing another kind of descriptor would drop the locks that SQLite has on the file.
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= READ_AND_WRITE
        # struct landlock_path_beneath_attr is packed.
        _add(ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd))
    finally:
        os.close(fd)


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    system_call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), rule, ctypes.c_uint(0))
