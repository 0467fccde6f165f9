"""Planted secrets of the boundary: not in what it logs, answers, or shows of itself, nor in a core dump."""

from __future__ import annotations

import base64
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, RunningBoundary

import strongroom
from strongroom.boundary.messages import FIELD_COUNTS, Opcode, render_count, render_fields, render_frame

ROOT_SECRET = b"PlantedRootSecretAccessKey0123456789abcd"
SOURCE = str(Path(strongroom.__file__).parent.parent)


def traces_of(secret: bytes) -> list[bytes]:
    """The secret and its halves, raw, in hex and in base64: what a leak would look like."""
    half = len(secret) // 2
    pieces = [secret, secret[:half], secret[half:]]
    hexed = [piece.hex().encode() for piece in pieces]
    encoded = [base64.b64encode(secret[offset:])[4:-6] for offset in range(3)]
    return pieces + hexed + encoded


def exchange(stream: socket.socket, frame: bytes) -> bytes:
    stream.sendall(frame)
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        chunk = stream.recv(65536)
        if not chunk:
            break
        data += chunk
    return data


def ask_everything(boundary: RunningBoundary) -> bytes:
    """All replies to a sound use of the boundary and to every opcode with unsound fields."""
    stream = boundary.new_channel()
    replies = b""
    for region in (REGION, "aws-global"):
        created = exchange(
            stream, render_frame(1, Opcode.CREATE_DOMAIN_KEY, render_fields(region.encode(), render_count(1)))
        )
        token = created[9 + 16 :]
        replies += created
        replies += exchange(
            stream, render_frame(2, Opcode.LOAD_DOMAIN_KEY, render_fields(token, b"\x00\x01"))
        )
    fields = (
        ACCOUNT.encode(),
        REGION.encode(),
        KEY_ID.encode(),
        b"SYMMETRIC_DEFAULT",
        b"ENCRYPT_DECRYPT",
        b"AWS_KMS",
    )
    replies += exchange(stream, render_frame(3, Opcode.GENERATE_KEY, render_fields(*fields)))
    replies += exchange(
        stream, render_frame(4, Opcode.WRAP_ROOT_SECRET, render_fields(b"AKIA", ACCOUNT.encode()))
    )
    replies += exchange(stream, render_frame(5, Opcode.STATUS, b""))
    for opcode, count in FIELD_COUNTS.items():
        for field in (b"", b"\xff" * 40, b"\x00\x01", bytes(300)):
            with boundary.new_channel("odd") as odd:
                replies += exchange(odd, render_frame(6, opcode, render_fields(*[field] * count)))
    return replies


def test_planted_root_secret_and_key_file_are_in_no_reply_log_or_record(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key", root_secret=ROOT_SECRET) as boundary:
        replies = ask_everything(boundary)
        pid = boundary.process.pid
        shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))
        record = boundary.seal_record
        logged = boundary.stop()
    assert len(replies) > 1000
    for secret in (ROOT_SECRET, (tmp_path / "key").read_bytes()):
        for trace in traces_of(secret):
            for place in (replies, shown, record, logged):
                assert trace not in place


def test_planted_root_secret_is_in_the_boundary_itself(tmp_path: Path) -> None:
    """The search above would find it: here it must."""
    if os.geteuid() != 0:
        pytest.skip("only root may read a process that is not dumpable")
    with RunningBoundary(tmp_path / "key", root_secret=ROOT_SECRET) as boundary:
        ask_everything(boundary)
        assert find_in_memory(boundary.process.pid, ROOT_SECRET) > 0


def find_in_memory(pid: int, needle: bytes) -> int:
    """How many writable areas of a process hold the needle."""
    found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            found += needle in content
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_memory_of_a_protected_process_is_closed_to_its_own_user(tmp_path: Path) -> None:
    """Not dumpable: even a process of the same user may not look. Root may, whatever we do."""
    script = textwrap.dedent(f"""
        import ctypes, os, sys
        sys.path.insert(0, {SOURCE!r})
        from strongroom.confinement import sandbox

        def look(pid):
            try: open(f"/proc/{{pid}}/mem", "rb").close()
            except PermissionError: return "refused"
            return "allowed"

        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # changing users took it away
        ready, done = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.read(done[0], 1); sandbox.protect_memory(); os.write(ready[1], b"1"); os.read(done[0], 1)
            os._exit(0)
        before = look(child)
        os.write(done[1], b"1"); os.read(ready[0], 1)
        after = look(child)
        os.write(done[1], b"1"); os.waitpid(child, 0)
        print(before, after)
    """)
    finished = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, timeout=20, check=False, cwd=tmp_path
    )
    assert finished.stdout == b"allowed refused\n", finished.stderr


def test_crash_of_the_boundary_leaves_no_core_dump(tmp_path: Path) -> None:
    """RLIMIT_CORE is 0 inside even when the caller's is not."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with RunningBoundary(tmp_path / "key", root_secret=ROOT_SECRET) as boundary:
            assert resource.prlimit(boundary.process.pid, resource.RLIMIT_CORE) == (0, 0)
            boundary.process.send_signal(signal.SIGABRT)
            boundary.process.wait(10)
            status = boundary.process.returncode
            assert status == -signal.SIGABRT
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_unexpected_end_of_the_process_is_logged_by_its_kind_alone() -> None:
    """Whatever ends the process, only the kind of error is told (INVARIANT B5)."""
    script = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); from strongroom.boundary import process\n"
        "process.main(['--control-fd', '999'])"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, timeout=20, check=False
    )
    assert finished.returncode == 3
    assert finished.stderr == b"strongroom boundary: ended by an unexpected OSError\n"
