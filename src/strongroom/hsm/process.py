"""The process of one HSM cluster: a PKCS#11 module runs here, and blocks nobody else.

Started by the supervisor as `python -I -m strongroom.hsm.process --control-fd N`. The control socket brings
what to load, the transport keys for passwords, and the client channels; when it ends, so does this process.
One request is served at a time. A module that does not come back is ended with the process by SIGALRM.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from typing import Final, NoReturn

from setproctitle import setproctitle

from strongroom.boundary.control_socket import receive_packet
from strongroom.boundary.messages import (
    FRAME_BYTES_MAX,
    HEAD,
    HEAD_BYTES,
    LENGTH_COUNTS,
    MalformedFrame,
    parse_fields,
    parse_number,
    render_frame,
)
from strongroom.boundary.sandbox import end_with_parent, protect_memory
from strongroom.boundary.secret_transport import HANDED_BYTES, ReceivedTransportKey, TransportKeyUnknown
from strongroom.hsm.cluster import Cluster, ClusterOptions, ClusterRefused
from strongroom.hsm.frames import FIELD_COUNTS, Opcode, Status

READ_BYTES: Final = 65536
STALLED_SECONDS: Final = 5.0
"""A client that takes no reply for so long loses its channel."""
CALL_SECONDS_MAX: Final = 30
LOGIN_SECONDS_MAX: Final = 120
_LOGINS: Final = (Opcode.CONNECT, Opcode.RESUME, Opcode.CHECK)


def log(line: str) -> None:
    """One line to standard error. Secrets: callers pass fixed words, numbers and type names only."""
    with contextlib.suppress(OSError):
        os.write(2, f"strongroom hsm: {line}\n".encode("utf-8", "replace"))


class Requests:
    """Answers requests for one cluster. Concurrency: one thread."""

    def __init__(self, cluster: Cluster, transport_key: ReceivedTransportKey) -> None:
        self._cluster = cluster
        self._transport_key = transport_key

    def answer(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        """The status and the body. Raises MalformedFrame."""
        count = FIELD_COUNTS.get(opcode)  # type: ignore[call-overload]
        if count is None:
            raise MalformedFrame
        if not count and body:
            raise MalformedFrame
        fields = parse_fields(body, count) if count else []
        signal.alarm(LOGIN_SECONDS_MAX if opcode in _LOGINS else CALL_SECONDS_MAX)
        try:
            return Status.OK, self._run(opcode, *fields)
        except ClusterRefused as refused:
            return refused.status, b""
        except UnicodeDecodeError:
            return Status.REFUSED, b""
        except TransportKeyUnknown:
            return Status.TRANSPORT_KEY_UNKNOWN, b""
        except Exception as error:
            log(f"a request failed with {type(error).__name__}")
            return Status.FAILED, b""
        finally:
            signal.alarm(0)

    def _run(self, opcode: int, *fields: bytes) -> bytes:
        cluster = self._cluster
        if opcode == Opcode.WRAP:
            return cluster.wrap(fields[0].decode("ascii"), fields[1], fields[2])
        if opcode == Opcode.UNWRAP:
            return cluster.unwrap(fields[0].decode("ascii"), fields[1], fields[2])
        if opcode == Opcode.RANDOM:
            return cluster.random(parse_number(fields[0]))
        if opcode in (Opcode.CONNECT, Opcode.RESUME):
            pin = self._transport_key.open_sealed(fields[0].decode("ascii"), fields[1])
            (cluster.connect if opcode == Opcode.CONNECT else cluster.resume)(pin)
        elif opcode == Opcode.CREATE_KEY:
            cluster.create_key(fields[0].decode("ascii"))
        elif opcode == Opcode.DELETE_KEY:
            cluster.delete_key(fields[0].decode("ascii"))
        elif opcode == Opcode.DISCONNECT:
            cluster.disconnect()
        else:
            cluster.check()
        return b""


class Server:
    """Serves the client channels and the control socket until that ends."""

    def __init__(
        self, control: socket.socket, requests: Requests, transport_key: ReceivedTransportKey
    ) -> None:
        self._control = control
        self._requests = requests
        self._transport_key = transport_key
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._channels: dict[int, tuple[socket.socket, bytes]] = {}

    def run(self) -> None:
        """Serve."""
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._control.fileno():
                    if not self._take_control_packet():
                        return
                elif fd in self._channels:
                    self._serve(fd)

    def _serve(self, fd: int) -> None:
        stream, unparsed = self._channels[fd]
        try:
            received = stream.recv(READ_BYTES)
            if not received:
                self._drop(fd)
                return
            self._channels[fd] = stream, self._answer_frames(stream, unparsed + received)
        except MalformedFrame:
            log("a client sent a malformed frame; channel closed")
            self._drop(fd)
        except OSError:  # a timeout, too
            self._drop(fd)

    def _answer_frames(self, stream: socket.socket, frames: bytes) -> bytes:
        position = 0
        while len(frames) - position >= HEAD_BYTES:
            length, call_id, opcode = HEAD.unpack_from(frames, position)
            if not LENGTH_COUNTS <= length <= FRAME_BYTES_MAX:
                raise MalformedFrame
            end = position + 4 + length
            if end > len(frames):
                break
            status, body = self._requests.answer(opcode, frames[position + HEAD_BYTES : end])
            stream.sendall(render_frame(call_id, status, body))
            position = end
        return frames[position:]

    def _drop(self, fd: int) -> None:
        stream, _ = self._channels.pop(fd)
        self._poll.unregister(fd)
        stream.close()

    def _take_control_packet(self) -> bool:
        """False when the supervisor is gone."""
        try:
            packet, fds = receive_packet(self._control)
        except OSError:
            return False
        if not packet:
            return False
        streams = [socket.socket(fileno=fd) for fd in fds]
        if packet[:1] == b"C" and len(streams) == 1:
            stream = streams[0]
            stream.settimeout(STALLED_SECONDS)
            self._channels[stream.fileno()] = stream, b""
            self._poll.register(stream, select.POLLIN)
            return True
        if packet[:1] == b"K" and len(streams) == 1:
            take_transport_key(streams[0], self._transport_key)
        for stream in streams:
            stream.close()
        return True


def take_transport_key(stream: socket.socket, transport_key: ReceivedTransportKey) -> None:
    """Read the key that the boundary has written, or is about to; without one the old one stays."""
    stream.settimeout(STALLED_SECONDS)
    handed = b""
    with contextlib.suppress(OSError, ValueError):
        while len(handed) < HANDED_BYTES and (chunk := stream.recv(HANDED_BYTES - len(handed))):
            handed += chunk
        transport_key.take(handed)


def parse_start(packet: bytes) -> tuple[str, ClusterOptions, dict[str, str]]:
    """The cluster's name, what to load, and the variables for the module. Raises ValueError, KeyError."""
    head, separator, rest = packet[1:].decode("utf-8").partition("\n")
    if packet[:1] != b"I" or not separator:
        raise ValueError("not a start packet")
    lines = dict(line.split("\t", 1) for line in rest.split("\n"))
    variables = {
        name.removeprefix("environment."): value
        for name, value in lines.items()
        if name.startswith("environment.")
    }
    names = ("module", "token_label", "user", "init_arguments")
    return head, ClusterOptions(*(lines[name] for name in names)), variables


def run(control_fd: int) -> int:
    """The whole life of the process; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # clients drain first; the control socket ends this process
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    end_with_parent()
    protect_memory()
    control = socket.socket(fileno=control_fd)
    packet, fds = receive_packet(control)
    for fd in fds:
        os.close(fd)
    if not packet:
        return 0
    name, options, variables = parse_start(packet)
    setproctitle(f"strongroom: hsm {name}")
    os.environ.update(variables)
    transport_key = ReceivedTransportKey(name)
    server = Server(control, Requests(Cluster(options), transport_key), transport_key)
    gc.collect()
    gc.freeze()
    control.send(b"R")
    server.run()
    return 0


def main(arguments: list[str]) -> NoReturn:
    """`--control-fd N`."""
    if len(arguments) != 2 or arguments[0] != "--control-fd" or not arguments[1].isdecimal():
        log("usage: --control-fd N")
        os._exit(2)
    code = 3
    try:
        code = run(int(arguments[1]))
    except BaseException as error:
        log(f"ended by an unexpected {type(error).__name__}")
    os._exit(code)  # not through the module's own ending, which may hang


if __name__ == "__main__":
    main(sys.argv[1:])
