"""The system calls that the boundary process needs to serve, and nothing beyond: the seccomp allow-list.

None of them opens a file or socket, starts a program or thread, or reaches into another process. Numbers
are those of the kernel's tables for x86_64 and aarch64 (arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h); None where an architecture lacks the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one machine type numbers its calls."""

    audit_number: int
    """AUDIT_ARCH_... of linux/audit.h: a filter must check it, for numbers differ between machine types."""
    seccomp: int
    mlock2: int
    column: int

    def allowed(self) -> list[int]:
        """The numbers of all calls that pass whatever their arguments."""
        return [number for row in _ALLOWED.values() if (number := row[self.column]) is not None]

    def memory(self) -> list[int]:
        """mmap and mprotect: they pass unless the memory would be executable."""
        return [row[self.column] for row in _MEMORY.values()]


ARCHITECTURES: Final = {
    "x86_64": Architecture(audit_number=0xC000003E, seccomp=317, mlock2=325, column=0),
    "aarch64": Architecture(audit_number=0xC00000B7, seccomp=277, mlock2=284, column=1),
}

_MEMORY: Final[dict[str, tuple[int, int]]] = {"mmap": (9, 222), "mprotect": (10, 226)}

_ALLOWED: Final[dict[str, tuple[int | None, int | None]]] = {
    # channels
    "read": (0, 63),
    "write": (1, 64),
    "writev": (20, 66),
    "close": (3, 57),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "shutdown": (48, 210),
    "getsockname": (51, 204),
    "getpeername": (52, 205),
    "getsockopt": (55, 209),
    "fstat": (5, 80),
    # waiting
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441),
    "poll": (7, None),
    "ppoll": (271, 73),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "restart_syscall": (219, 128),
    # memory
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # the language's own needs
    "futex": (202, 98),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "sigaltstack": (131, 132),
    # the end
    "exit": (60, 93),
    "exit_group": (231, 94),
}
