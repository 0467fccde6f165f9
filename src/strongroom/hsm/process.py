"""The process of one HSM cluster: a PKCS#11 module runs here, and blocks nobody else.

Started by the supervisor as `python -I -m strongroom.hsm.process --control-fd N`. The control socket brings
what to load, the transport keys for passwords, and the client channels; when it ends, so does this process.
The main thread reads requests, others call the module (call_pool.py). When one does not come back in time,
this process ends, and the supervisor starts the next.
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
)
from strongroom.boundary.secret_transport import HANDED_BYTES, ReceivedTransportKey, TransportKeyUnknown
from strongroom.confinement.sandbox import end_with_parent, protect_memory
from strongroom.hsm.call_pool import STALLED_SECONDS, CallPool, Channel
from strongroom.hsm.cluster import Cluster, ClusterOptions, ClusterRefused
from strongroom.hsm.frames import FIELD_COUNTS, Opcode, Status

READ_BYTES: Final = 65536
WATCH_SECONDS: Final = 0.25
"""How often calls that are under way are looked at."""
EXIT_OVERDUE: Final = 4
"""The module did not come back."""


def log(line: str) -> None:
    """One line to standard error. Secrets: callers pass fixed words, numbers and type names only."""
    with contextlib.suppress(OSError):
        os.write(2, f"strongroom hsm: {line}\n".encode("utf-8", "replace"))


class Requests:
    """Answers requests for one cluster. Concurrency: any thread."""

    def __init__(self, cluster: Cluster, transport_key: ReceivedTransportKey) -> None:
        self._cluster = cluster
        self._transport_key = transport_key

    def answer(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        """The status and the body. `body` is well-formed (require_well_formed)."""
        count = FIELD_COUNTS[Opcode(opcode)]
        try:
            return Status.OK, self._run(opcode, *(parse_fields(body, count) if count else ()))
        except ClusterRefused as refused:
            return refused.status, b""
        except UnicodeDecodeError:
            return Status.REFUSED, b""
        except TransportKeyUnknown:
            return Status.TRANSPORT_KEY_UNKNOWN, b""
        except Exception as error:
            log(f"a request failed with {type(error).__name__}")
            return Status.FAILED, b""

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

    def __init__(self, control: socket.socket, pool: CallPool, transport_key: ReceivedTransportKey) -> None:
        self._control = control
        self._pool = pool
        self._transport_key = transport_key
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._channels: dict[int, Channel] = {}

    def run(self) -> int:
        """Serve; returns the exit code."""
        watch_milliseconds = int(WATCH_SECONDS * 1000)
        while True:
            # With nothing under way there is nothing to watch, and no reason to wake up.
            for fd, _ in self._poll.poll(watch_milliseconds if self._pool.under_way else None):
                if fd == self._control.fileno():
                    if not self._take_control_packet():
                        return 0
                elif fd in self._channels:
                    self._serve(self._channels[fd])
            if self._pool.is_overdue():
                log("the module did not come back from a call in time; the process ends")
                return EXIT_OVERDUE

    def _serve(self, channel: Channel) -> None:
        try:
            received = channel.stream.recv(READ_BYTES)
            if not received:
                self._drop(channel)
                return
            channel.unparsed = self._submit_frames(channel, channel.unparsed + received)
        except MalformedFrame:
            log("a client sent a malformed frame; channel closed")
            self._drop(channel)
        except OSError:
            self._drop(channel)

    def _submit_frames(self, channel: Channel, frames: bytes) -> bytes:
        position = 0
        while len(frames) - position >= HEAD_BYTES:
            length, call_id, opcode = HEAD.unpack_from(frames, position)
            if not LENGTH_COUNTS <= length <= FRAME_BYTES_MAX:
                raise MalformedFrame
            end = position + 4 + length
            if end > len(frames):
                break
            body = frames[position + HEAD_BYTES : end]
            require_well_formed(opcode, body)
            self._pool.submit(channel, call_id, opcode, body)
            position = end
        return frames[position:]

    def _drop(self, channel: Channel) -> None:
        fd = channel.stream.fileno()
        del self._channels[fd]
        self._poll.unregister(fd)
        channel.close()

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
            self._channels[streams[0].fileno()] = Channel(streams[0])
            self._poll.register(streams[0], select.POLLIN)
            return True
        if packet[:1] == b"K" and len(streams) == 1:
            take_transport_key(streams[0], self._transport_key)
        for stream in streams:
            stream.close()
        return True


def require_well_formed(opcode: int, body: bytes) -> None:
    """Raises MalformedFrame."""
    count = FIELD_COUNTS.get(opcode)  # type: ignore[call-overload]
    if count is None or (not count and body):
        raise MalformedFrame
    if count:
        parse_fields(body, count)


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
    options = ClusterOptions(
        module=lines["module"],
        token_label=lines["token_label"],
        user=lines["user"],
        init_arguments=lines["init_arguments"],
        threads=int(lines["threads"]),
    )
    return head, options, variables


def run(control_fd: int) -> int:
    """The whole life of the process; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # clients drain first; the control socket ends this process
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
    pool = CallPool(Requests(Cluster(options, log=log), transport_key).answer, options.threads)
    server = Server(control, pool, transport_key)
    gc.collect()
    gc.freeze()
    control.send(b"R")
    return server.run()


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
