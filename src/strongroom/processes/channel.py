"""The client's side of the control socket: how a worker or the job runner gets its channels."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from strongroom.processes.control import FilesLost, Packet, PacketRefused, receive_packet, send_packet


class ControlChannel:
    """Listens to the supervisor inside an event loop.

    `on_channel(name, stream)` is called with "boundary" or "audit" and a connected, non-blocking
    socket, at start and again whenever that service was restarted; the callee owns the socket, and
    closes the one it had before. When the supervisor is gone, `on_end` is called: by default the
    process ends at once, since nobody could restart a service for it.
    Concurrency: one event loop.
    """

    def __init__(
        self,
        control: socket.socket,
        on_channel: Callable[[str, socket.socket], None],
        on_end: Callable[[], None] = lambda: os._exit(1),
    ) -> None:
        self._control = control
        self._on_channel = on_channel
        self._on_end = on_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: deque[asyncio.Future[int]] = deque()

    def start(self) -> None:
        """Begin to listen. Call it in the running loop."""
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._control.fileno(), self._read)

    def send_ready(self, report: bytes = b"") -> None:
        """Tell the supervisor that requests are answered from here on, and what this process gave up."""
        try:
            send_packet(self._control, b"R", report)
        except OSError:
            self._finish()

    async def open_file(self, path: Path) -> int:
        """A file that may have been replaced since this process was confined, opened to be read.

        Whoever asks closes it. Raises OSError.
        """
        return await self._ask(b"F", os.fsencode(path))

    async def replace_file(self, path: Path, content: bytes) -> None:
        """Put a file in place whole, mode 0600; it is on disk then. The job runner's. Raises OSError."""
        await self._ask(b"W", os.fsencode(path) + b"\0" + content)

    async def describe_processes(self) -> bytes:
        """What runs, and what holds, as JSON. The job runner's. Raises OSError."""
        with open(await self._ask(b"T", b""), "rb") as stream:
            return stream.read()

    async def _ask(self, letter: bytes, payload: bytes) -> int:
        """The file that the answer brought, or -1. Raises OSError."""
        send_packet(self._control, letter, payload)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        return await answer

    def _take_answer(self, packet: Packet) -> None:
        answer = self._asked.popleft()
        error = int(packet.payload)
        if not error and not packet.files and packet.letter != b"W":
            error = errno.EMFILE
        if answer.done():  # nobody waits for it any more
            packet.close_files()
        elif error:
            answer.set_exception(OSError(error, os.strerror(error)))
        else:
            answer.set_result(packet.files[0] if packet.files else -1)

    def close(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.remove_reader(self._control.fileno())
            self._loop = None

    def _finish(self) -> None:
        self.close()
        self._on_end()

    def _read(self) -> None:
        # Until nothing is left: uvloop may not wake a reader twice for what came before the end.
        while self._loop is not None:
            try:
                packet = receive_packet(self._control)
            except BlockingIOError:
                return
            except FilesLost as lost:  # who asked is told; a channel that is lost is not to be had again
                packet = None if lost.packet.letter == b"C" else lost.packet
            except PacketRefused:
                packet = None
            if packet is None:
                self._finish()
            elif packet.letter == b"C" and len(packet.files) == 1:
                stream = socket.socket(fileno=packet.files[0])
                stream.setblocking(False)
                self._on_channel(packet.payload.decode("utf-8", "replace"), stream)
            elif packet.letter in (b"F", b"W", b"T") and self._asked:
                self._take_answer(packet)
            else:
                packet.close_files()
