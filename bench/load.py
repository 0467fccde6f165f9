"""A load of prebuilt HTTP requests over keep-alive connections, and what came of it.

In a process of its own, so that its time is not the server's:

    python bench/load.py --port 8080 --connections 16 --seconds 3 < requests

where `requests` is each request's length (4 bytes, big-endian) and bytes. Prints one JSON object.
From Python: `run_load(...)` in this process, `run_load_process(...)` in another.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import ssl
import struct
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load measured. `failed` counts requests whose connection broke before the answer."""

    count: int
    non_200: int
    failed: int
    seconds: float
    p50_us: float
    p99_us: float
    answers_by_10_us: dict[str, int] = field(default_factory=dict)
    """How many answers took how many times 10 microseconds: what several loads together had."""

    @property
    def requests_per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


class Connection:
    """One connection with at most one request outstanding; kept alive if the server does."""

    __slots__ = ("buffer", "closes", "expected_bytes", "sent_ns", "socket")

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.connect(host, port, tls)

    def connect(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        raw = socket.create_connection((host, port), timeout=10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw if tls is None else tls.wrap_socket(raw, server_hostname=host)
        self.buffer = b""
        self.closes = False
        """Whether the server ends the connection after the answer (the peer in the bench does)."""
        self.expected_bytes = 0
        self.sent_ns = 0

    def send(self, request: bytes) -> None:
        self.socket.settimeout(10)  # a request may be larger than the socket's buffer
        self.sent_ns = time.perf_counter_ns()
        self.socket.sendall(request)
        self.socket.settimeout(0)

    def receive(self) -> int | None:
        """The status of the answer once it is complete. Raises: ConnectionError."""
        while True:
            try:
                data = self.socket.recv(262_144)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            if not data:
                raise ConnectionError("closed before the answer was complete")
            self.buffer = self.buffer + data if self.buffer else data
            if not self.expected_bytes:
                head_end = self.buffer.find(b"\r\n\r\n")
                if head_end < 0:
                    continue
                head = self.buffer[:head_end].lower()
                at = head.find(b"\r\ncontent-length:")
                length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
                self.expected_bytes = head_end + 4 + length
                self.closes = head.startswith(b"http/1.0") or b"\r\nconnection: close" in head
            if len(self.buffer) >= self.expected_bytes:
                status = int(self.buffer[9:12])
                self.buffer, self.expected_bytes = b"", 0
                return status


def run_load(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 16,
    seconds: float | None = None,
    count: int | None = None,
    tls: ssl.SSLContext | None = None,
    spin: bool = False,
) -> LoadResult:
    """Send `requests` in turn over `connections` connections for `seconds`, or `count` in all.

    `spin`: never sleep. Waking a client that sleeps costs the server's processor time; a fast server keeps
    its client awake and does not pay it, a slower one does. To compare what the servers themselves
    cost, the client must be awake for both.
    """
    if (seconds is None) == (count is None):
        raise ValueError("give either seconds or count")
    selector = selectors.EpollSelector()
    pool = [Connection(host, port, tls) for _ in range(connections)]
    for connection in pool:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies_ns = array("Q")
    sent = non_200 = failed = outstanding = 0
    limit = count if count is not None else sys.maxsize
    started = time.perf_counter()
    deadline = started + (seconds if seconds is not None else 3600.0)
    for connection in pool[:limit]:
        connection.send(requests[sent % len(requests)])
        sent += 1
        outstanding += 1
    while outstanding:
        ready = selector.select(timeout=0 if spin else 10.0)
        if not ready:
            if spin and time.perf_counter() < deadline + 10:
                continue
            failed += outstanding
            break
        more = time.perf_counter() < deadline
        for key, _ in ready:
            connection = key.data
            try:
                status = connection.receive()
                if status is None:
                    continue
                latencies_ns.append(time.perf_counter_ns() - connection.sent_ns)
                non_200 += status != 200
                outstanding -= 1
                if connection.closes:
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    connection.connect(host, port, tls)
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                if more and sent < limit:
                    connection.send(requests[sent % len(requests)])
                    sent += 1
                    outstanding += 1
            except OSError:
                failed += 1
                outstanding -= 1
                selector.unregister(connection.socket)
                connection.socket.close()
    elapsed = time.perf_counter() - started
    for connection in pool:
        connection.socket.close()
    selector.close()
    ordered = sorted(latencies_ns)
    return LoadResult(
        len(ordered),
        non_200,
        failed,
        elapsed,
        _percentile_us(ordered, 0.50),
        _percentile_us(ordered, 0.99),
        dict(Counter(str(one // 10_000) for one in ordered)),
    )


def _percentile_us(ordered_ns: list[int], share: float) -> float:
    return ordered_ns[min(len(ordered_ns) - 1, int(len(ordered_ns) * share))] / 1000 if ordered_ns else 0.0


def run_load_process(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 16,
    seconds: float | None = None,
    count: int | None = None,
    ca_file: Path | None = None,
    spin: bool = False,
) -> LoadResult:
    """The same in a process of its own. Raises: subprocess.CalledProcessError."""
    command = [sys.executable, str(Path(__file__).resolve()), "--host", host, "--port", str(port)]
    command += ["--connections", str(connections)]
    command += ["--seconds", str(seconds)] if seconds is not None else ["--count", str(count)]
    command += ["--ca-file", str(ca_file)] if ca_file is not None else []
    command += ["--spin"] if spin else []
    packed = b"".join(struct.pack(">I", len(request)) + request for request in requests)
    output = subprocess.run(command, input=packed, stdout=subprocess.PIPE, check=True).stdout
    return LoadResult(**json.loads(output))


def processor_seconds(pid: int) -> float:
    """User and system time a process has used so far, threads that ended included. Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _unpack(packed: bytes) -> list[bytes]:
    requests, at = [], 0
    while at < len(packed):
        (length,) = struct.unpack_from(">I", packed, at)
        requests.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int)
    parser.add_argument("--spin", action="store_true", help="never sleep while waiting for answers")
    parser.add_argument("--ca-file", type=Path, help="speak TLS and trust this authority")
    options = parser.parse_args()
    tls = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else None
    result = run_load(
        options.host,
        options.port,
        _unpack(sys.stdin.buffer.read()),
        connections=options.connections,
        seconds=options.seconds,
        count=options.count,
        tls=tls,
        spin=options.spin,
    )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
