"""The client's side of the control socket: how a worker or the job runner gets its channels."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from strongroom.processes.control import PacketRefused, receive_packet, send_packet


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

    def start(self) -> None:
        """Begin to listen. Call it in the running loop."""
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._control.fileno(), self._read)

    def send_ready(self) -> None:
        """Tell the supervisor that requests are answered from here on."""
        try:
            send_packet(self._control, b"R")
        except OSError:
            self._finish()

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
            except PacketRefused:
                packet = None
            if packet is None:
                self._finish()
            elif packet.letter == b"C" and len(packet.files) == 1:
                stream = socket.socket(fileno=packet.files[0])
                stream.setblocking(False)
                self._on_channel(packet.payload.decode("utf-8", "replace"), stream)
            else:
                packet.close_files()
