"""A user of the boundary's own: other processes of the server cannot trace it, signal it or open its files.

The supervisor runs as root for this, and says which user. Of root's capabilities the process keeps the one
that locked memory needs, and none other.

Sources: credentials(7), capabilities(7), prctl(2) (what a change of user takes back), mlock(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from strongroom.confinement.libc import NotAllowed
from strongroom.confinement.sandbox import (
    Protection,
    attempt,
    can_lock_memory,
    end_with_parent,
    forbid_debuggers,
    keep_capabilities,
    unlock_memory,
)

OWN_USER: Final = "a user of its own"
MEMORY_LOCKED: Final = "memory locked"

_CAP_KILL: Final = 5
_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7
_CAP_IPC_LOCK: Final = 14
_VERSION_3: Final = 0x20080522
_NEEDED: Final = {_CAP_SETUID: "CAP_SETUID", _CAP_SETGID: "CAP_SETGID", _CAP_KILL: "CAP_KILL"}
"""CAP_KILL is the supervisor's: without it, it could not end a boundary of another user."""

_libc = ctypes.CDLL(None, use_errno=True)


def become_own_user(uid_and_gid: str, protections: tuple[Protection, ...]) -> tuple[Protection, ...]:
    """The protections, with this one: "UID:GID" is whom to become, "" that the server has no such user.

    Call before any secret is read. Memory that was locked stays locked, or is told of otherwise.
    """
    own_user = attempt(OWN_USER, lambda: _become(uid_and_gid))
    if own_user.held and not can_lock_memory():
        unlock_memory()  # or the next allocation would fail
        unlocked = Protection(MEMORY_LOCKED, False, "the kernel does not lock memory for the boundary's user")
        protections = tuple(
            unlocked if one.name == MEMORY_LOCKED and one.held else one for one in protections
        )
    return (*protections, own_user)


def _become(uid_and_gid: str) -> None:
    if not uid_and_gid:
        raise NotAllowed("beside a PKCS#11 token, which has files to use, set boundary_user")
    if os.geteuid() != 0:
        raise NotAllowed("the server was not started as root, so the boundary runs as the same user")
    permitted = _permitted_capabilities()
    missing = [name for number, name in _NEEDED.items() if not permitted >> number & 1]
    if missing:
        raise NotAllowed(f"the server runs as root without {' and '.join(missing)}")
    uid, gid = (int(number) for number in uid_and_gid.split(":"))
    parent = os.getppid()
    keep_capabilities()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _set_capabilities(permitted & 1 << _CAP_IPC_LOCK)
    forbid_debuggers()  # a change of user takes both of these back
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def _permitted_capabilities() -> int:
    header = struct.pack("=Ii", _VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    if _libc.capget(header, data) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw)
    return int(low) | int(high) << 32


def _set_capabilities(capabilities: int) -> None:
    """Permitted and effective; none inheritable."""
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    header = struct.pack("=Ii", _VERSION_3, 0)
    if _libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
