"""The system calls that processes of the server need to serve, and nothing beyond: the seccomp allow-lists.

ALWAYS is all that the boundary has. None of it opens a file or socket, starts a program or thread, or
reaches into another process; and no other group starts a program or reaches into a process. Numbers are
those of the kernel's tables for x86_64 and aarch64 (arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h); None where an architecture lacks the call.
"""

from __future__ import annotations

import errno
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

    def numbers(self, *groups: CallTable) -> list[int]:
        """The numbers of all calls of `groups` that this machine type has."""
        return [
            number for table in groups for row in table.values() if (number := row[self.column]) is not None
        ]


@dataclass(frozen=True, slots=True)
class Check:
    """`argument & mask` is one of `values`. Shape: the lower 32 bits of the argument count, from 0."""

    argument: int
    mask: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Calls that pass with certain arguments: where every check of one of the alternatives holds."""

    calls: CallTable
    alternatives: tuple[tuple[Check, ...], ...]
    error: int = errno.EPERM


ARCHITECTURES: Final = {
    "x86_64": Architecture(audit_number=0xC000003E, seccomp=317, mlock2=325, column=0),
    "aarch64": Architecture(audit_number=0xC00000B7, seccomp=277, mlock2=284, column=1),
}

ALWAYS: Final[CallTable] = {
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

USING_FILES: Final[CallTable] = {
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
"""Reading and changing files that are there; Landlock says which."""

FILES: Final[CallTable] = {
    **USING_FILES,
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
}
"""And making, naming and removing them: for a module whose token is in files, and the audit writer."""

POLLING: Final[CallTable] = {"epoll_create1": (291, 20)}

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

EVENT_LOOP: Final[CallTable] = {
    "accept": (43, 202),
    "accept4": (288, 242),
    "listen": (50, 201),
    "connect": (42, 203),
    "setsockopt": (54, 208),
    "sendmmsg": (307, 269),
    "recvmmsg": (299, 243),
    "select": (23, None),
    "pselect6": (270, 72),
    "eventfd2": (290, 19),
    "pipe2": (293, 59),
    "sched_getaffinity": (204, 123),
    "clock_getres": (229, 114),
    "set_robust_list": (273, 99),
}
"""What an event loop and its threads need, and who hands OpenSSL what it read (renewed_files.py).

No bind: nobody opens a port.
"""

RINGS: Final[CallTable] = {"io_uring_setup": (425, 425)}
"""What passes a ring by is no system call, so no filter sees it."""

_PROT_WRITE, _PROT_EXEC, _MAP_ANONYMOUS = 2, 4, 0x20
_MEMORY: Final[CallTable] = {"mmap": (9, 222), "mprotect": (10, 226)}

NO_NEW_CODE: Final = Rule(_MEMORY, ((Check(2, _PROT_EXEC, (0,)),),))
"""No memory becomes executable."""

CODE_FROM_FILES: Final = (
    Rule({"mprotect": _MEMORY["mprotect"]}, NO_NEW_CODE.alternatives),
    Rule(
        {"mmap": _MEMORY["mmap"]},
        (*NO_NEW_CODE.alternatives, (Check(2, _PROT_WRITE, (0,)), Check(3, _MAP_ANONYMOUS, (0,)))),
    ),
)
"""Memory becomes executable only as a file that is mapped unwritable: a library that is loaded late."""

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_TYPES = 1, 2, 0xF
_CLONE_THREAD, _CLONE_NAMESPACES = 0x10000, 0x7E020080

INTERNET_SOCKETS: Final = Rule(
    {"socket": (41, 198)},
    ((Check(0, 0xFFFFFFFF, (_AF_INET, _AF_INET6)), Check(1, _SOCK_TYPES, (_SOCK_STREAM, _SOCK_DGRAM))),),
)
"""TCP and UDP. No Unix sockets: by one, whoever took a worker over would speak to the operator's socket."""

SOCKET_PAIRS: Final = Rule(
    {"socketpair": (53, 199)},
    ((Check(0, 0xFFFFFFFF, (_AF_UNIX,)), Check(1, _SOCK_TYPES, (_SOCK_STREAM,))),),
)
"""Streams, whose ends are joined for ever; a datagram socket could be connected elsewhere."""

THREADS: Final = (
    Rule(
        {"clone": (56, 220)},
        ((Check(0, _CLONE_THREAD, (_CLONE_THREAD,)), Check(0, _CLONE_NAMESPACES, (0,))),),
    ),
    # Its flags are where a filter cannot look: without it, the C library uses the older call.
    Rule({"clone3": (435, 435)}, (), errno.ENOSYS),
    Rule({"prctl": (157, 167)}, ((Check(0, 0xFFFFFFFF, (15,)),),)),  # PR_SET_NAME
)
"""Threads of this process; no processes."""

DESCRIPTOR_SETTINGS: Final = Rule(
    {"ioctl": (16, 29)}, ((Check(1, 0xFFFFFFFF, (0x5421, 0x5451, 0x5450, 0x541B, 0x5401)),),)
)
"""FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS; nothing that reaches a terminal's input."""
