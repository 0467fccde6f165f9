"""A program that is confined as a process of the server is, and then tries what it must not be able to do.

    python confined_attempts.py worker|jobs|writer DATA_DIRECTORY SEAL_KEY_FILE ALLOWED_PORT FORBIDDEN_PORT

Prints JSON: what came of each attempt before and after, `allowed` or the name of an error.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import resource
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from strongroom.audit.trail import Trail
from strongroom.bootstrap import House
from strongroom.config import load_settings
from strongroom.confinement.confined import confine_writer
from strongroom.processes.contexts import SHARED_WORDS
from strongroom.serving import run_in_loop

_libc = ctypes.CDLL(None, use_errno=True)
_COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]
# Numbers on x86_64 and aarch64. The kernel looks at a filter before it looks at arguments.
_CALLS = {
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "move_mount": (429, 429), "fsopen": (430, 430), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "userfaultfd": (323, 282), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "unshare": (272, 97), "setns": (308, 268), "perf_event_open": (298, 241), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "memfd_create": (319, 279),
    "open_by_handle_at": (304, 265), "chroot": (161, 51), "reboot": (169, 142), "swapon": (167, 224),
    "setuid": (105, 146), "setresuid": (117, 147), "capset": (126, 91), "personality": (135, 92),
    "process_madvise": (440, 440), "vfork": (58, None), "openat2": (437, 437), "mknodat": (259, 33),
    "symlinkat": (266, 36), "linkat": (265, 37), "fchmodat": (268, 53), "fchownat": (260, 54),
    "kcmp": (312, 272), "quotactl": (179, 60), "syslog": (103, 116), "iopl": (172, None),
}  # fmt: skip


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def call(name: str) -> Callable[[], object]:
    number = _CALLS[name][_COLUMN]
    assert number is not None
    return lambda: checked(_libc.syscall(number, -1, 0, 0, 0, 0, 0))


def new_socket(family: int, kind: int = socket.SOCK_STREAM) -> Callable[[], object]:
    return lambda: socket.socket(family, kind).close()


def connect(port: int) -> None:
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(("127.0.0.1", port))


def bind() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


def fork() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def made_executable() -> None:
    area = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    checked(_libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), 5))


def read(path: Path | str) -> Callable[[], object]:
    return lambda: Path(path).read_bytes()


def write(path: Path) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def attempts_on_files(data: Path, seal_key: Path) -> dict[str, Callable[[], object]]:
    """What is of the seal, the anchor, backups and others of this host."""
    backup = data.parent / "backup"
    return {
        "read the seal key": read(seal_key),
        "write the seal key": write(seal_key),
        "read the seal record": read(data / "seal.record"),
        "write the seal record": write(data / "seal.record"),
        "read the anchor": read(data / "domain-keys.anchor"),
        "write the anchor": write(data / "domain-keys.anchor"),
        "read a backup": read(backup),
        "write a backup": write(backup),
        "list the data": lambda: os.listdir(data),
        "make a file": lambda: os.close(os.open(data / "new", os.O_RDWR | os.O_CREAT)),
        "remove a file": lambda: os.unlink(data / "removable"),
        "rename a file": lambda: os.rename(data / "removable", data / "other"),
        "make a directory": lambda: os.mkdir(data / "directory"),
        "read the host's passwords": read("/etc/passwd"),
        "read the environment of another": read(f"/proc/{os.getppid()}/environ"),
        "read its own memory": read("/proc/self/mem"),
        "change rights": lambda: os.chmod(data, 0o700),
    }


def attempts_on_system() -> dict[str, Callable[[], object]]:
    return {
        **{name: call(name) for name, row in _CALLS.items() if row[_COLUMN] is not None},
        "run a program": lambda: os.execv("/bin/true", ["/bin/true"]),  # noqa: S606
        "fork": fork,
        "trace its parent": lambda: checked(_libc.ptrace(16, os.getppid(), 0, 0)),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "unix socket": new_socket(socket.AF_UNIX),
        "unix datagrams": new_socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "pair of datagram sockets": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        "netlink socket": new_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "packet socket": new_socket(socket.AF_PACKET, socket.SOCK_RAW),
        "raw socket": new_socket(socket.AF_INET, socket.SOCK_RAW),
        "vsock socket": new_socket(socket.AF_VSOCK),
        "open a port": bind,
        "executable memory": executable_memory,
        "memory made executable": made_executable,
        "be dumpable": lambda: checked(_libc.prctl(4, 1, 0, 0, 0)),
        "core dumps": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
    }


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    except (ValueError, RuntimeError) as error:  # how Python tells EPERM of setrlimit, and of a thread
        return "EPERM" if "not allowed" in str(error) or "start new thread" in str(error) else repr(error)
    return "allowed"


def outcomes(attempts: dict[str, Callable[[], object]]) -> dict[str, str]:
    return {name: outcome(attempt) for name, attempt in attempts.items()}


def tell(**found: object) -> None:
    os.write(1, json.dumps(found).encode())
    os._exit(0)


async def try_as_server(
    kind: str, data: Path, seal_key: Path, allowed_port: int, forbidden_port: int
) -> None:
    settings = load_settings(
        "dev",
        flags={"data_directory": str(data), "xks_port": str(allowed_port)},
        environment={},
        file=None,
    )
    control, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = memoryview(mmap.mmap(-1, SHARED_WORDS * 8)).cast("Q")
    house = House(settings, words, control)
    audit = data / "audit"
    segment = next(audit.glob("*.jsonl"))
    forbidden = {
        **attempts_on_files(data, seal_key),
        **attempts_on_system(),
        "write the audit trail": write(segment),
        "connect elsewhere": lambda: connect(forbidden_port),
    }
    trail = {"list the audit trail": lambda: os.listdir(audit), "read the audit trail": read(segment)}
    if kind == "worker":
        forbidden |= trail
    harmless = ("read the seal key", "write the audit trail", "fork", "unix socket",
                "connect elsewhere", "executable memory", "open a port", "read the anchor",
                "read a backup", "signal its parent", "list the data")  # fmt: skip
    before = {name: outcome(forbidden[name]) for name in harmless}
    house.confine(reads=(audit,) if kind == "jobs" else ())

    def in_a_thread(attempts: dict[str, Callable[[], object]]) -> dict[str, str]:
        found: dict[str, str] = {}
        thread = threading.Thread(target=lambda: found.update(outcomes(attempts)))
        thread.start()
        thread.join()
        return found

    await house.store.put_setting("confined", "written")
    tell(
        before=before,
        after=outcomes(forbidden),
        thread=in_a_thread(forbidden),
        work={
            "setting": await house.store.find_setting("confined"),
            "ledger": outcome(lambda: os.close(os.open(data / "deletion.ledger", os.O_RDWR))),
            "name": outcome(lambda: socket.getaddrinfo("localhost", 443)),
            "connect": outcome(lambda: connect(allowed_port)),
            **(outcomes(trail) if kind == "jobs" else {}),
            "late module": outcome(lambda: __import__("wave")),
            "late library": outcome(lambda: __import__("_lzma")),
        },
        report=house.report.decode(),
    )


def try_as_writer(data: Path, seal_key: Path) -> None:
    directory = data.parent / "trail"
    directory.mkdir(mode=0o700)
    forbidden = {
        **attempts_on_files(data, seal_key),
        **attempts_on_system(),
        "internet socket": new_socket(socket.AF_INET),
        "socket pair": socket.socketpair,
        "thread": lambda: threading.Thread(target=lambda: None).start(),
        "read the database": read(data / "strongroom.db"),
        "read the server's audit trail": lambda: os.listdir(data / "audit"),
    }
    harmless = ("read the seal key", "fork", "unix socket", "internet socket", "thread", "read the database")
    before = {name: outcome(forbidden[name]) for name in harmless}
    protections = confine_writer(str(directory))
    trail = Trail(str(directory))
    trail.append(b"{}\n", 1, {b"00": 1})
    trail.sync()
    trail.save_head()
    tell(
        before=before,
        after=outcomes(forbidden),
        thread={},
        work={"trail": str(trail.is_synced), "files": str(len(os.listdir(directory)))},
        report="\n".join(f"{protection.name}\t{protection}" for protection in protections),
    )


def main() -> None:
    kind, data, seal_key, allowed_port, forbidden_port = sys.argv[1:]
    if kind == "writer":
        try_as_writer(Path(data), Path(seal_key))
    run_in_loop(try_as_server(kind, Path(data), Path(seal_key), int(allowed_port), int(forbidden_port)))


main()
