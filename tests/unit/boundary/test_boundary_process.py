"""The boundary process itself: how it starts, what it refuses to start with, how channels end."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.support.running_boundary import ACCOUNT, Refused, RunningBoundary

from strongroom.boundary.dispatch import Dispatcher
from strongroom.boundary.messages import (
    HEAD,
    Opcode,
    Status,
    render_count,
    render_fields,
    render_frame,
    render_number,
)
from strongroom.boundary.process import Server
from strongroom.boundary.slow_work import SlowWork
from strongroom.boundary.software.module import SoftwareModule

RANDOM_32 = render_fields(render_number(32))


def read_frame(stream: socket.socket) -> tuple[int, int, bytes]:
    """(call id, status, body) of the next reply; EOFError at the end."""
    head = read_exactly(stream, HEAD.size)
    length, call_id, status = HEAD.unpack(head)
    return call_id, status, read_exactly(stream, length - 5)


def read_exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = stream.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def require_served(stream: socket.socket) -> None:
    stream.sendall(render_frame(77, Opcode.GENERATE_RANDOM, RANDOM_32))
    call_id, status, body = read_frame(stream)
    assert (call_id, status, len(body)) == (77, Status.OK, 32)


def test_start_with_a_new_key_file_gives_a_record_that_opens_again(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as first:
        record = first.seal_record
    with RunningBoundary(tmp_path / "key", record) as second:
        assert second.seal_record == record
    assert (tmp_path / "key").stat().st_size == 32


def test_start_over_an_existing_record_with_a_new_key_file_is_refused(tmp_path: Path) -> None:
    """INVARIANT B4."""
    with RunningBoundary(tmp_path / "key") as first:
        record = first.seal_record
    with pytest.raises(Refused, match="put back the key file"):
        RunningBoundary(tmp_path / "new", record)
    assert (tmp_path / "new").read_bytes() == b""


def test_start_with_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").touch(0o644)
    with pytest.raises(Refused, match="set its mode to 0600"):
        RunningBoundary(tmp_path / "key")


@pytest.mark.parametrize("secret", [b"", b"two words", b"x" * 5000])
def test_start_with_an_unfit_root_secret_is_refused_without_showing_it(tmp_path: Path, secret: bytes) -> None:
    with pytest.raises(Refused, match="1 to 128 printable") as caught:
        RunningBoundary(tmp_path / "key", root_secret=secret)
    assert "two words" not in str(caught.value)


def test_start_with_a_root_secret_and_a_line_end_takes_the_line_end_off(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key", root_secret=b"secret\r\n") as boundary:
        stream = boundary.new_channel()
        stream.sendall(render_frame(1, Opcode.WRAP_ROOT_SECRET, render_fields(b"AKIA", ACCOUNT.encode())))
        assert read_frame(stream) == (1, Status.NO_ACTIVE_DOMAIN_KEY, b"aws-global")


def test_end_of_the_control_socket_ends_the_process(tmp_path: Path) -> None:
    boundary = RunningBoundary(tmp_path / "key")
    stream = boundary.new_channel()
    require_served(stream)
    logged = boundary.stop()
    assert boundary.process.returncode == 0
    assert logged == b""
    assert stream.recv(1) == b""


def test_termination_signals_leave_the_process_to_its_clients(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        stream = boundary.new_channel()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            boundary.process.send_signal(number)
        require_served(stream)


def test_process_names_itself_and_dumps_no_core(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        require_served(boundary.new_channel())
        pid = boundary.process.pid
        assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"strongroom: boundary")
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


def test_status_reports_every_protection(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        stream = boundary.new_channel()
        stream.sendall(render_frame(1, Opcode.STATUS, b""))
        _, status, body = read_frame(stream)
        assert status == Status.OK
        facts = dict(line.split("\t") for line in body.decode().splitlines())
        assert facts["module"] == "software"
        assert facts["protection: no core dumps"] == "held"
        assert len([name for name in facts if name.startswith("protection: ")]) == 8


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(bytes(9), id="length 0"),
        pytest.param(HEAD.pack(4, 1, Opcode.STATUS), id="length below 5"),
        pytest.param(HEAD.pack(65537, 1, Opcode.STATUS), id="length above the limit"),
        pytest.param(b"\xff" * 9, id="length 4 GiB"),
        pytest.param(render_frame(1, Opcode.STATUS, b"x"), id="a body where none belongs"),
        pytest.param(render_frame(1, Opcode.ENCRYPT, b""), id="no fields"),
        pytest.param(render_frame(1, Opcode.ENCRYPT, b"\xff\xff" * 4), id="fields beyond the body"),
        pytest.param(render_frame(1, Opcode.GENERATE_RANDOM, render_fields(b"\x01")), id="a short number"),
    ],
)
def test_malformed_frame_ends_its_own_channel_and_no_other(tmp_path: Path, garbage: bytes) -> None:
    """INVARIANT B6."""
    with RunningBoundary(tmp_path / "key") as boundary:
        bad, good = boundary.new_channel("bad"), boundary.new_channel("good")
        require_served(bad)
        bad.sendall(garbage)
        with pytest.raises((EOFError, ConnectionResetError)):
            read_frame(bad)
        require_served(good)
        assert boundary.stop() == b"strongroom boundary: client bad sent a malformed frame; channel closed\n"


def test_frame_that_arrives_in_pieces_of_every_length_is_served_whole(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        stream = boundary.new_channel()
        frame = render_frame(5, Opcode.GENERATE_RANDOM, RANDOM_32)
        for split in range(1, len(frame)):
            stream.sendall(frame[:split])
            time.sleep(0.002)
            stream.sendall(frame[split:])
            call_id, status, body = read_frame(stream)
            assert (call_id, status, len(body)) == (5, Status.OK, 32)


def test_channel_that_ends_inside_a_frame_of_every_length_hurts_nobody(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        good = boundary.new_channel()
        frame = render_frame(5, Opcode.GENERATE_RANDOM, RANDOM_32)
        for length in range(len(frame)):
            with boundary.new_channel() as short:
                short.sendall(frame[:length])
        require_served(good)
        assert boundary.stop() == b""


def test_unknown_control_packet_is_ignored(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        boundary.control.send(b"X")
        boundary.control.send(b"C" + b"no file came along")
        require_served(boundary.new_channel())


def test_client_that_takes_no_replies_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Its replies are kept while its own socket is full, and nothing more is read from it."""
    with RunningBoundary(tmp_path / "key") as boundary:
        slow, good = boundary.new_channel("slow"), boundary.new_channel("good")
        frame = render_frame(1, Opcode.GENERATE_RANDOM, render_fields(render_number(1024)))
        slow.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 * 1024 * 1024:  # far more than any buffer: it must stop being read
                sent += slow.send(frame * 1000)
        assert sent < 16 * 1024 * 1024
        for _ in range(20):
            require_served(good)
        resident_kib = int(Path(f"/proc/{boundary.process.pid}/statm").read_text().split()[1]) * 4
        assert resident_kib < 120_000
        slow.settimeout(10)
        for _ in range(sent // len(frame)):  # and when it reads again, nothing is lost
            assert read_frame(slow)[1] == Status.OK


def test_start_without_a_key_file_is_refused() -> None:
    with pytest.raises(Refused, match="no key file to make one with"):
        RunningBoundary(None, root_secret=None)


def test_only_the_job_runner_has_domain_keys_forgotten(tmp_path: Path) -> None:
    """With a PKCS#11 token that destroys them: not for a worker, which reads what the network sends."""
    with RunningBoundary(tmp_path / "seal.key") as boundary:
        made: list[bytes] = []
        with boundary.new_channel("worker 1") as worker, boundary.new_channel("jobs") as jobs:

            def ask(stream: socket.socket, opcode: Opcode, *fields: bytes) -> tuple[int, bytes]:
                stream.sendall(render_frame(1, opcode, render_fields(*fields)))
                return read_frame(stream)[1:]

            for generation in (1, 2):
                fields = b"eu-central-1", render_count(generation)
                made.append(ask(jobs, Opcode.CREATE_DOMAIN_KEY, *fields)[1][16:])
                ask(jobs, Opcode.LOAD_DOMAIN_KEY, made[-1], render_number(1))
            assert ask(worker, Opcode.FORGET_DOMAIN_KEY, made[0])[0] == Status.REFUSED
            assert ask(jobs, Opcode.FORGET_DOMAIN_KEY, made[1])[0] == Status.REFUSED
            assert ask(jobs, Opcode.FORGET_DOMAIN_KEY, made[0]) == (Status.OK, b"")


def test_client_that_takes_no_replies_for_too_long_loses_its_channel() -> None:
    control, supervisor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    dispatcher = Dispatcher(SoftwareModule(bytes(32), None), {}, lambda line: None)
    server = Server(control, dispatcher, SlowWork(lambda line: None), stalled_seconds=0.2)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        slow, theirs = socket.socketpair()
        socket.send_fds(supervisor, [b"Cslow"], [theirs.fileno()])
        theirs.close()
        slow.settimeout(0.1)
        frame = render_frame(1, Opcode.GENERATE_RANDOM, render_fields(render_number(1024)))
        started_at = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012  until it is dropped
            while time.monotonic() < started_at + 10:
                with contextlib.suppress(TimeoutError):
                    slow.send(frame * 100)
        assert time.monotonic() - started_at >= 0.2
        slow.close()
    finally:
        supervisor.close()
        thread.join(10)
        control.close()
    assert not thread.is_alive()
