"""The system calls that the boundary process needs to serve, and nothing beyond: the seccomp allow-list.

None of them opens a file or socket, starts a program or thread, or reaches into another process. Numbers
are those of the kernel's tables for x86_64 and aarch64 (arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h); None where an architecture lacks the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

CallTable: TypeAlias = Mapping[str, tuple[int | None, int | None]]
"""Names, and numbers on x86_64 and aarch64."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one machine type numbers its calls."""

    audit_number: int
    """AUDIT_ARCH_... of linux/audit.h: a filter must check it, for numbers differ between machine types."""
    seccomp: int
    mlock2: int
    column: int

    def allowed(self, *groups: CallTable) -> list[int]:
        """The numbers of all calls that pass whatever their arguments, those of `groups` too."""
        return [
            number
            for table in (_ALLOWED, *groups)
            for row in table.values()
            if (number := row[self.column]) is not None
        ]

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

FILES: Final[CallTable] = {
    "open": (2, None),
    "openat": (257, 56),
    "stat": (4, None),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "getdents64": (217, 61),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "fchmod": (91, 52),
    "umask": (95, 166),
    "getcwd": (79, 17),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "dup": (32, 23),
    "uname": (63, 160),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
}
"""What a PKCS#11 module needs besides, whose token is in files; Landlock says in which."""

NETWORK: Final[CallTable] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "setsockopt": (54, 208),
    "sendmmsg": (307, 269),
    "recvmmsg": (299, 243),
    "select": (23, None),
    "pselect6": (270, 72),
    "ioctl": (16, 29),
}
"""What a PKCS#11 module needs besides, whose token is behind the network."""
