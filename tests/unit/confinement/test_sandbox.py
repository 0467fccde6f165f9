"""What a process under the sandbox can no longer do, tried from inside by a child process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import strongroom
from strongroom.confinement.sandbox import Protection

_SOURCE = str(Path(strongroom.__file__).parent.parent)
_INSIDE = """
import ctypes, errno, json, mmap, os, resource, signal, socket, subprocess, sys, tempfile, threading
sys.path.insert(0, sys.argv[1])
from strongroom.confinement import sandbox

attempts = {
    "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "create": lambda: os.open(sys.argv[2] + "/new", os.O_RDWR | os.O_CREAT),
    "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink(sys.argv[2] + "/old"),
    "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "unix socket": lambda: socket.socketpair(),
    "exec": lambda: os.execv("/bin/true", ["/bin/true"]),
    "fork": lambda: os.fork() or os._exit(0),
    "thread": lambda: threading.Thread(target=lambda: None).start(),
    "kill": lambda: os.kill(os.getppid(), 0),
    "ptrace": lambda: check(libc.ptrace(16, os.getppid(), 0, 0)),
    "process_vm_readv": lambda: check(libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0)),
    "executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "core dumps on": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
    "dumpable": lambda: check(libc.prctl(4, 1, 0, 0, 0)),
}
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")

def outcome(attempt):
    try:
        attempt()
    except RuntimeError as error:  # how Python tells that a thread cannot start
        return "EPERM" if "start new thread" in str(error) else repr(error)
    except OSError as error:
        return errno.errorcode.get(error.errno, "?")
    except ValueError as error:  # how Python tells EPERM of setrlimit
        return "EPERM" if "not allowed" in str(error) else repr(error)
    return "allowed"

before = {name: outcome(attempts[name]) for name in ("open", "list", "executable memory")}
held = [*sandbox.protect_memory()]
limits = resource.getrlimit(resource.RLIMIT_CORE)
dumpable = libc.prctl(3, 0, 0, 0, 0)
in_a_thread, between = {}, {}
started, begin, finished = threading.Event(), threading.Event(), threading.Event()

def start_a_thread():
    threading.Thread(target=try_in_a_thread, daemon=True).start()
    started.wait()

def try_in_a_thread():
    between["open"] = outcome(attempts["open"])
    started.set()
    begin.wait()
    for name, attempt in attempts.items():
        in_a_thread[name] = outcome(attempt)
    finished.set()

held += sandbox.close_doors(start_a_thread)
begin.set()
finished.wait()
after = {name: outcome(attempt) for name, attempt in attempts.items()}
random_still_works = len(os.urandom(32))
os.write(1, json.dumps({
    "before": before, "after": after, "in a thread": in_a_thread, "between": between,
    "core": limits, "dumpable": dumpable, "random": random_still_works,
    "protections": {protection.name: protection.held for protection in held},
}).encode())
os._exit(0)
"""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("sandbox")
    (directory / "old").touch()
    finished = subprocess.run(
        [sys.executable, "-I", "-c", _INSIDE, _SOURCE, str(directory)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    assert (directory / "old").exists()
    assert not (directory / "new").exists()
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


def test_sandbox_always_holds_what_needs_no_support_of_the_host(inside: dict[str, Any]) -> None:
    protections = inside["protections"]
    assert protections["no new privileges"]
    assert protections["no debugger"]
    assert protections["no core dumps"]
    assert protections["few open files"]
    assert inside["core"] == [0, 0]
    assert inside["dumpable"] == 0


def test_sandbox_was_not_in_the_way_before(inside: dict[str, Any]) -> None:
    assert inside["before"] == {"open": "allowed", "list": "allowed", "executable memory": "allowed"}


@pytest.mark.parametrize(
    "name",
    [
        "open",
        "create",
        "list",
        "unlink",
        "socket",
        "unix socket",
        "exec",
        "fork",
        "thread",
        "kill",
        "ptrace",
        "process_vm_readv",
        "executable memory",
        "core dumps on",
        "dumpable",
    ],
)
def test_sandbox_after_the_doors_closed_refuses(inside: dict[str, Any], name: str) -> None:
    """INVARIANT B8."""
    if not inside["protections"]["no other system calls (seccomp)"]:
        pytest.skip("this host does not allow a seccomp filter")
    assert inside["after"][name] in ("EPERM", "EACCES")
    assert inside["in a thread"][name] in ("EPERM", "EACCES")


def test_sandbox_binds_a_thread_that_starts_between_the_locks_by_landlock_too(inside: dict[str, Any]) -> None:
    """What the thread tries before seccomp is there, Landlock alone refuses."""
    if not inside["protections"]["no file system (Landlock)"]:
        pytest.skip("this kernel has no Landlock")
    assert inside["between"] == {"open": "EACCES"}


def test_sandbox_with_landlock_alone_refuses_files(tmp_path: Path) -> None:
    """Either of the two locks holds by itself."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from strongroom.confinement import sandbox\n"
        "sandbox.protect_memory(); sandbox._forbid_files()\n"
        "try: open('/etc/hostname')\nexcept PermissionError: print('refused')"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-c", script, _SOURCE], capture_output=True, timeout=30, check=False
    )
    if b"NotAllowed" in finished.stderr:
        pytest.skip("this kernel has no Landlock")
    assert finished.stdout == b"refused\n", finished.stderr.decode()


def test_sandbox_under_a_memlock_limit_without_the_capability_says_so() -> None:
    """MCL_FUTURE under a limit would break malloc later, so it is not tried."""
    script = (
        "import ctypes, resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from strongroom.confinement import sandbox\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))\n"
        "ctypes.CDLL(None).prctl(24, 14, 0, 0, 0)  # drop CAP_IPC_LOCK from the bounding set\n"
        "import os\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print([str(p) for p in sandbox.protect_memory() if p.name == 'memory locked'][0])\n"
        "print(len(bytearray(50_000_000)))"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-c", script, _SOURCE], capture_output=True, timeout=30, check=False, text=True
    )
    said, allocated = finished.stdout.splitlines()
    assert said.startswith("not held: memory may be swapped, for RLIMIT_MEMLOCK is 64 KiB")
    assert allocated == "50000000"


def test_protection_text_says_why_it_is_not_held() -> None:
    assert str(Protection("x", True)) == "held"
    assert str(Protection("x", False, "because")) == "not held: because"


def test_this_test_process_is_not_sandboxed() -> None:
    """The attempts above must run in a child."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 256
