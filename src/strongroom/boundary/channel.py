"""A stream socket with many calls under way: one write a loop turn, replies straight to their callers.

A call that has no answer always ends: by EOF, by the time limit, or at once when there is no socket.
A transport, not add_reader: the two cost the same, and under uvloop a reader is called only once more when
the far end died with requests unread, so that the error behind its last replies would never be seen.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from strongroom.boundary.interface import BoundaryError, BoundaryUnavailable
from strongroom.boundary.messages import FRAME_BYTES_MAX, HEAD, HEAD_BYTES, LENGTH_COUNTS
from strongroom.reply import Reply

CALLS_MAX: Final = 4096
"""Calls under way on one client; more fail at once, so that a hung boundary cannot fill memory."""
WRITE_BUFFER_BYTES: Final = 1 << 20
"""Frames beyond it wait here, counted, until the transport has room again."""
TICKS_A_TIMEOUT: Final = 4


class Call(Reply[Any]):
    """One call: the reply its caller waits for, and what is needed to ask again."""

    __slots__ = ("attempts", "body", "opcode", "parse", "patience_seconds")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        opcode: int,
        body: bytes,
        parse: Callable[[bytes], Any] | None,
        patience_seconds: float | None = None,
    ) -> None:
        """`patience_seconds` is a time limit of this call's own, for what takes longer than all others."""
        Reply.__init__(self, loop)  # not super(): one is made for nearly every request
        self.opcode = opcode
        self.body = body
        self.parse = parse
        self.attempts = 1
        self.patience_seconds = patience_seconds


class _Link(asyncio.Protocol):
    """One socket of a channel; a link that was replaced has no say any more."""

    def __init__(self, channel: PipelinedChannel) -> None:
        self._channel = channel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.WriteTransport, transport)  # uvloop's is none by type
        stream.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._channel.use(self, stream)

    def data_received(self, data: bytes) -> None:
        self._channel.receive(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel.lose(self)

    def pause_writing(self) -> None:
        self._channel.pause(self, True)

    def resume_writing(self) -> None:
        self._channel.pause(self, False)


class PipelinedChannel:
    """The worker's end of a client channel.

    Concurrency: one event loop, its own thread. A reply runs its caller on inside the read, so callers may
    send again from there.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_seconds: float,
        on_refusal: Callable[[Call, int, bytes], None],
    ) -> None:
        """`on_refusal` gets every reply whose status is not OK: the call, the status, the body."""
        self._loop = loop
        self._timeout_seconds = timeout_seconds
        self._on_refusal = on_refusal
        self._link: _Link | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._paused = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._last_call_id = 0
        self._pending: dict[int, Call] = {}
        self._slow: dict[int, tuple[Call, asyncio.TimerHandle]] = {}
        self._out: list[bytes] = []
        self._unparsed = b""
        self._ticks: deque[int] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_attached(self) -> bool:
        """Whether there is a socket; its far end may be gone already."""
        return self._link is not None

    def attach(self, stream: socket.socket) -> None:
        """Use a new socket from now on; calls under way on an older one fail."""
        self.detach()
        stream.setblocking(False)
        link = self._link = _Link(self)
        connecting = self._loop.create_task(self._connect(link, stream))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, link: _Link, stream: socket.socket) -> None:
        try:
            await self._loop.create_unix_connection(lambda: link, sock=stream)
        except OSError:
            stream.close()
            self.lose(link)

    def detach(self) -> None:
        """Close the socket; every unanswered call fails at once with BoundaryUnavailable."""
        transport, self._transport, self._link = self._transport, None, None
        if transport is not None:
            transport.abort()
        self._out.clear()
        self._paused = False
        self._unparsed = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ticks.clear()
        pending, self._pending = self._pending, {}
        slow, self._slow = self._slow, {}
        for call, timer in slow.values():
            timer.cancel()
            pending[-id(call)] = call  # call ids are never negative
        for call in pending.values():
            self.fail(call, BoundaryUnavailable("the boundary process is gone"))

    def send(self, call: Call) -> None:
        """Put a call under way, or fail it at once where that cannot be."""
        pending, out = self._pending, self._out
        if self._link is None:
            self.fail(call, BoundaryUnavailable("the boundary process is not there"))
            return
        if (
            len(pending) + len(self._slow) >= CALLS_MAX or len(out) >= 2 * CALLS_MAX
        ):  # `out`: a frame is two pieces
            self.fail(call, BoundaryUnavailable("too many calls to the boundary are under way"))
            return
        self._last_call_id = call_id = (self._last_call_id + 1) & 0xFFFFFFFF
        if not out:
            self._loop.call_soon(self._flush)
        if call.patience_seconds is not None:
            timer = self._loop.call_later(call.patience_seconds, self._give_up, call_id)
            self._slow[call_id] = call, timer
        else:
            pending[call_id] = call
            if self._timer is None:
                self._start_timer()
        body = call.body
        out.append(HEAD.pack(LENGTH_COUNTS + len(body), call_id, call.opcode))
        out.append(body)

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or self._paused or not self._out or transport.is_closing():
            return  # what waits leaves when there is a transport with room
        frames = b"".join(self._out)
        self._out.clear()
        transport.write(frames)

    # what the link tells

    def use(self, link: _Link, transport: asyncio.WriteTransport) -> None:
        """The socket of `link` can be used."""
        if link is not self._link:
            transport.abort()
            return
        self._transport = transport
        self._flush()

    def lose(self, link: _Link) -> None:
        """The socket of `link` has ended."""
        if link is self._link:
            self.detach()

    def pause(self, link: _Link, paused: bool) -> None:
        """The socket of `link` is full, or has room again."""
        if link is self._link:
            self._paused = paused
            self._flush()

    def receive(self, link: _Link, received: bytes) -> None:
        """Give the replies in `received` to their callers."""
        if link is not self._link:
            return
        frames = self._unparsed + received if self._unparsed else received
        position, end = 0, len(frames)
        pending = self._pending
        unpack = HEAD.unpack_from
        while end - position >= HEAD_BYTES:
            length, call_id, status = unpack(frames, position)
            end_of_frame = position + 4 + length
            if end_of_frame > end:
                if length > FRAME_BYTES_MAX:
                    self.detach()
                    return
                break
            call = pending.pop(call_id, None) or self._take_slow(call_id)
            body = frames[position + HEAD_BYTES : end_of_frame]
            position = end_of_frame
            if call is not None:  # else its caller has given up
                try:
                    if status == 0:
                        call.resolve(body if call.parse is None else call.parse(body))
                    else:
                        self._on_refusal(call, status, body)
                except Exception as error:  # one caller's failure must not cost the others their replies
                    self._report(error)
                    self.fail(call, BoundaryUnavailable("the reply could not be read"))
                if self._link is not link:
                    return
        self._unparsed = frames[position:]

    def _take_slow(self, call_id: int) -> Call | None:
        slow = self._slow.pop(call_id, None)
        if slow is None:
            return None
        call, timer = slow
        timer.cancel()
        return call

    def fail(self, call: Call, error: BoundaryError) -> None:
        """Fail one call; what its caller makes of that cannot hurt the others."""
        try:
            call.fail(error)
        except Exception as unexpected:
            self._report(unexpected)

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "a caller of the boundary failed on its reply", "exception": error}
        )

    # time limits

    def _give_up(self, call_id: int) -> None:
        call = self._take_slow(call_id)
        if call is not None:
            self.fail(call, BoundaryUnavailable("the boundary process did not answer"))

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._timeout_seconds / TICKS_A_TIMEOUT, self._tick)

    def _tick(self) -> None:
        """Fail what was under way a whole time limit ago: one timer for all, no clock reading for each."""
        self._ticks.append(self._last_call_id)
        if len(self._ticks) > TICKS_A_TIMEOUT:
            overdue_to = self._ticks.popleft()
            while self._pending:
                call_id = next(iter(self._pending))
                if (overdue_to - call_id) & 0xFFFFFFFF > 0x7FFFFFFF:
                    break
                self.fail(
                    self._pending.pop(call_id), BoundaryUnavailable("the boundary process did not answer")
                )
        if self._link is None:
            return
        if self._pending:
            self._start_timer()
        else:
            self._timer = None
            self._ticks.clear()
