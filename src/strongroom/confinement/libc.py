"""The kernel's interfaces that Python has no function for, called directly: no library has to be there."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

from strongroom.confinement.system_calls import ARCHITECTURES, Architecture

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_KEEPCAPS: Final = 8
PR_SET_NO_NEW_PRIVS: Final = 38

libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """The host does not allow a protection; the text says what would help."""


def prctl(option: int, value: int) -> None:
    """Raises OSError."""
    zero = ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system_call(number: int, *arguments: object) -> int:
    """Its result. Raises OSError."""
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def architecture() -> Architecture:
    """How this machine numbers its calls. Raises NotAllowed."""
    found = ARCHITECTURES.get(os.uname().machine)
    if found is None or sys.maxsize < 2**32:
        raise NotAllowed("no list of system calls for this machine type")
    return found
