"""A boundary that root started becomes a user of its own; what a host may deny is said, or demanded."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.running_boundary import Refused, RunningBoundary

from strongroom.processes.boundary_start import OWN_USER_ID

USER = f"{OWN_USER_ID}:{OWN_USER_ID}"
_CAP_KILL, _CAP_SETGID, _CAP_SETUID, _CAP_IPC_LOCK = 5, 6, 7, 14

_WITHOUT = """
import sys, runpy, ctypes, resource; sys.path.insert(0, sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
libc = ctypes.CDLL(None)
import struct
data = ctypes.create_string_buffer(24)
libc.capget(struct.pack("=Ii", 0x20080522, 0), data)
words = list(struct.unpack("=6I", data.raw))
for number in {numbers}:
    libc.prctl(24, number, 0, 0, 0)
    words[0] &= ~(1 << number)
    words[1] &= ~(1 << number)
libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *words))
runpy.run_module('strongroom.boundary.process', run_name='__main__')
"""


def without(*numbers: int) -> str:
    """A boundary that has not these capabilities, and may lock 64 KiB of memory."""
    return _WITHOUT.replace("{numbers}", repr(numbers))


def needs_root() -> bool:
    capabilities = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff")
    )
    effective = int(capabilities.split()[1], 16)
    return os.geteuid() == 0 and all(effective >> one & 1 for one in (_CAP_KILL, _CAP_SETGID, _CAP_SETUID))


root_only = pytest.mark.skipif(not needs_root(), reason="only root can become another user")


def status_of(boundary: RunningBoundary) -> dict[str, str]:
    lines = Path(f"/proc/{boundary.process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture
def boundary(tmp_path: Path) -> Iterator[RunningBoundary]:
    with RunningBoundary(tmp_path / "key", options={"user": USER}) as running:
        yield running


@root_only
def test_boundary_of_root_runs_as_nobody_else_and_without_roots_powers(boundary: RunningBoundary) -> None:
    assert boundary.facts()["protection: a user of its own"] == "held"
    status = status_of(boundary)
    assert status["Uid"].split() == [str(OWN_USER_ID)] * 4
    assert status["Gid"].split() == [str(OWN_USER_ID)] * 4
    assert status["Groups"] == ""
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) & ~(1 << _CAP_IPC_LOCK) == 0, kind


@root_only
def test_change_of_user_takes_no_protection_back(boundary: RunningBoundary) -> None:
    """Dumpable and the signal at the parent's end are what prctl(2) says a change of user resets."""
    limits = Path(f"/proc/{boundary.process.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if "core file size" in line).split()[4:6] == ["0", "0"]
    # /proc of a process that is not dumpable belongs to root, whoever's the process is
    assert os.stat(f"/proc/{boundary.process.pid}/mem").st_uid == 0
    facts = boundary.facts()
    if facts["protection: memory locked"] == "held":
        assert int(status_of(boundary)["VmLck"].split()[0]) > 0


@root_only
def test_boundary_of_another_user_ends_with_its_parent(tmp_path: Path) -> None:
    """INVARIANT P2: its parent is killed, and it is gone although its control socket is still open."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            running = RunningBoundary(tmp_path / "key", options={"user": USER})
            os.write(writer, str(running.process.pid).encode() + b"\n")
            # A child that keeps the control socket open when this process is gone.
            time.sleep(12 if os.fork() == 0 else 60)
        finally:
            os._exit(0)
    os.close(writer)
    pid = int(os.read(reader, 16))
    os.close(reader)
    assert Path(f"/proc/{pid}/status").read_text().count(str(OWN_USER_ID)) >= 4
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.01)
    pytest.fail("the boundary outlived its parent")


@root_only
def test_key_file_of_the_servers_user_is_taken_although_the_boundary_is_another(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key", options={"user": USER}) as first:
        record = first.seal_record
    assert (tmp_path / "key").stat().st_uid == os.geteuid()
    with RunningBoundary(tmp_path / "key", record, options={"user": USER}):
        pass
    os.chown(tmp_path / "key", OWN_USER_ID, OWN_USER_ID)
    with pytest.raises(Refused, match="change the file's owner"):
        RunningBoundary(tmp_path / "key", record, options={"user": USER})


@root_only
@pytest.mark.parametrize("capability", [_CAP_KILL, _CAP_SETGID, _CAP_SETUID])
def test_root_without_a_capability_says_which_it_lacks(tmp_path: Path, capability: int) -> None:
    name = {_CAP_KILL: "CAP_KILL", _CAP_SETGID: "CAP_SETGID", _CAP_SETUID: "CAP_SETUID"}[capability]
    with RunningBoundary(tmp_path / "key", options={"user": USER}, program=without(capability)) as boundary:
        said = boundary.facts()["protection: a user of its own"]
        assert said == f"not held: the server runs as root without {name}"
        assert status_of(boundary)["Uid"].split()[0] == "0"


@root_only
def test_demanded_user_that_cannot_be_had_refuses_to_start_before_anything_is_written(tmp_path: Path) -> None:
    options = {"user": USER, "boundary_user": "required"}
    with pytest.raises(
        Refused, match=r"boundary_user demands it.*without CAP_SETUID\. Nothing was changed\."
    ):
        RunningBoundary(tmp_path / "key", options=options, program=without(_CAP_SETUID))
    assert (tmp_path / "key").read_bytes() == b""


def test_demanded_lock_that_cannot_be_had_refuses_to_start_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"require_mlock demands it.*RLIMIT_MEMLOCK is 64 KiB"):
        RunningBoundary(
            tmp_path / "key", options={"require_mlock": "required"}, program=without(_CAP_IPC_LOCK)
        )
    assert (tmp_path / "key").read_bytes() == b""


def test_lock_that_is_only_wished_for_is_told_of_and_not_demanded(tmp_path: Path) -> None:
    options = {"require_mlock": "wished"}
    with RunningBoundary(tmp_path / "key", options=options, program=without(_CAP_IPC_LOCK)) as boundary:
        assert boundary.facts()["protection: memory locked"].startswith("not held: memory may be swapped")


def test_boundary_of_an_ordinary_user_says_why_it_has_none_of_its_own(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        assert boundary.facts()["protection: a user of its own"].startswith("not held: ")
