"""A worker's end of the audit trail: gathers records into batches and knows which are written.

Concurrency: one event loop; nothing here may be called from another thread.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque

from strongroom.audit.chain import Link
from strongroom.audit.interface import AuditUnavailable
from strongroom.audit.messages import (
    ANSWER,
    ASK_END,
    CHAIN_END,
    END,
    INSTANCE_ID_BYTES,
    RECORD_BYTES_MAX,
    RECORD_START,
    WRITTEN,
    render_batch,
    render_greeting,
)
from strongroom.reply import Reply

FLUSH_SECONDS = 0.004
"""How long a record nobody waits for may stay in the worker; with the loop's coarse clock under 5 ms."""
GATHER_SECONDS = 0.001
"""How long a record that somebody waits for may wait for those of other requests on the road, where every
answer waits for the disk: a sync costs the same for one record and for sixteen."""
FLUSH_BYTES = 256 << 10
HELD_BYTES_MAX = 8 << 20
"""How much may wait for the writer's answer; beyond it requests are refused, never unrecorded."""
PROBE_SECONDS = 0.1
SILENCE_SECONDS_MAX = 4.0
"""A writer that has records before it and says nothing for so long counts as failing until it speaks."""
SILENCE_TICKS = 4

_DETACHED = "the audit writer is not there"
_FAILING = "the audit trail cannot be written"
_FULL = "the audit writer does not keep up"
_CLOSED = "the audit trail is closed"


class _Batch:
    """One frame that the writer has not yet confirmed."""

    __slots__ = ("frame", "id", "waiting")

    def __init__(self, batch_id: int, frame: bytes, waiting: list[Reply[None]]) -> None:
        self.id = batch_id
        self.frame = frame
        self.waiting = waiting


class AuditClient:
    """The audit trail as the road sees it (implements AuditTrail).

    INVARIANT A1: a record that was taken here reaches the chain exactly once. A batch is held until
    the writer confirms it, and goes again, under the same number, to the writer that follows one that
    died. Only when this worker itself is killed are the `soon` records of its last 5 ms lost.

    Memory: at most `held_bytes_max` and one batch more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        durable: bool,
        *,
        held_bytes_max: int = HELD_BYTES_MAX,
        probe_seconds: float = PROBE_SECONDS,
        silence_seconds_max: float = SILENCE_SECONDS_MAX,
    ) -> None:
        """Starts detached: nothing is accepted before `attach`."""
        self.durable = durable
        self.expected = 0
        self._loop = loop
        self._held_bytes_max = held_bytes_max
        self._probe_seconds = probe_seconds
        self._tick_seconds = silence_seconds_max / SILENCE_TICKS
        self._instance_id = os.urandom(INSTANCE_ID_BYTES)
        # The batch being gathered.
        self._records: list[bytes] = []
        self._record_bytes = 0
        self._waiting: list[Reply[None]] = []
        self._flush_handle: asyncio.Handle | None = None
        self._is_flush_soon = False
        # Batches not confirmed, oldest first, their ids without gaps; some are in flight.
        self._held: deque[_Batch] = deque()
        self._held_bytes = 0
        self._in_flight = 0
        self._next_id = 1
        self._refusal: str | None = _DETACHED
        # The channel.
        self._socket: socket.socket | None = None
        self._outgoing: deque[memoryview] = deque()
        self._incoming = b""
        self._probe_handle: asyncio.Handle | None = None
        self._tick_handle: asyncio.Handle | None = None
        self._silent_ticks = 0
        self._drained: asyncio.Future[None] | None = None
        self._asking: deque[Reply[Link]] = deque()
        """Who waits to hear where the chain ends, in the order in which they asked."""

    # what the road calls -----------------------------------------------------------------------

    def soon(self, record: bytes) -> None:
        """Take the record; it is in the chain within 5 ms while the writer keeps up.

        Raises AuditUnavailable: the record was not taken, so the request must fail.
        """
        if self._refusal is not None:
            raise AuditUnavailable(self._refusal)
        _require_record(record)
        self._records.append(record)
        self._record_bytes += len(record)
        if self._record_bytes >= FLUSH_BYTES:
            self._flush()
        elif self._flush_handle is None:
            self._flush_handle = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def durably(self, record: bytes) -> Reply[None]:
        """Complete when the record is in the chain and on disk.

        Raises, when awaited, AuditUnavailable: the request must be answered as failed. Its record may
        still come into the chain later, since what it tells of was done.
        """
        reply: Reply[None] = Reply(self._loop)
        try:
            if self._refusal is not None:
                raise AuditUnavailable(self._refusal)
            _require_record(record)
        except AuditUnavailable as error:
            reply.fail(error)
            return reply
        self._waiting.append(reply)
        self._records.append(record)
        self._record_bytes += len(record)
        if self._record_bytes >= FLUSH_BYTES:
            self._flush()
        elif not self._is_flush_soon:
            self._flush_when_gathered()
        return reply

    def _flush_when_gathered(self) -> None:
        """Sync once for all requests that are on the road: at once when there is none, or in a moment."""
        if self.durable and self.expected:
            if len(self._waiting) > 1:
                return  # the first one's moment is everybody's
            wait: asyncio.Handle = self._loop.call_later(GATHER_SECONDS, self._flush)
        else:
            self._is_flush_soon = True
            wait = self._loop.call_soon(self._flush)
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        self._flush_handle = wait

    def is_accepting(self) -> bool:
        """Whether records are taken now; /readyz asks."""
        return self._refusal is None

    def find_end(self) -> Reply[Link]:
        """Where the chain ends, on disk, by the writer's own word.

        Raises, when awaited, AuditUnavailable. Waits for as long as the writer is there and silent.
        """
        reply: Reply[Link] = Reply(self._loop)
        if self._socket is None or self._refusal == _CLOSED:
            reply.fail(AuditUnavailable(self._refusal or _DETACHED))
            return reply
        self._asking.append(reply)
        self._send(ASK_END)
        return reply

    async def close(self, timeout_seconds: float = 2.0) -> None:
        """Write out what was taken and let the channel go.

        Raises AuditUnavailable when the writer has not confirmed all of it in time.
        """
        self._flush()
        self._refusal = _CLOSED
        if self._held:
            drained = self._drained = self._loop.create_future()
            handle = self._loop.call_later(timeout_seconds, _finish, drained)
            await drained
            handle.cancel()
        unconfirmed = len(self._held)
        self._detach()
        self._refusal = _CLOSED
        if unconfirmed:
            raise AuditUnavailable(f"{unconfirmed} batches of records were not confirmed in time")

    # batches -----------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Make a batch of what was gathered, and send it."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
            self._is_flush_soon = False
        if not self._records:
            return
        frame = render_batch(self._next_id, self._records, durable=bool(self._waiting))
        batch = _Batch(self._next_id, frame, self._waiting)
        self._next_id += 1
        self._records, self._record_bytes, self._waiting = [], 0, []
        self._held.append(batch)
        self._held_bytes += len(frame)
        if self._socket is None or self._refusal == _FAILING:
            _fail([batch], self._refusal or _DETACHED)  # it is held, and goes out when its turn comes
            return
        if self._held_bytes > self._held_bytes_max and self._refusal is None:
            self._refusal = _FULL
        self._in_flight += 1
        self._send(frame)

    def _on_answer(self, batch_id: int, status: int) -> None:
        """The writer's word on one batch; the answers come in the order of the batches."""
        index = batch_id - self._held[0].id if self._held else -1
        if not 0 <= index < len(self._held) or (status == WRITTEN and index):
            self._detach()  # not an answer to anything we sent
            return
        self._in_flight -= 1
        self._silent_ticks = 0
        if status == WRITTEN:
            batch = self._held.popleft()
            self._held_bytes -= len(batch.frame)
            self._on_written()
            for reply in batch.waiting:
                reply.resolve(None)
            return
        if self._refusal != _CLOSED:
            self._refusal = _FAILING
        if self._in_flight == 0 and self._probe_handle is None:
            self._probe_handle = self._loop.call_later(self._probe_seconds, self._probe)
        _fail([self._held[index]], _FAILING)

    def _on_written(self) -> None:
        if self._in_flight == 0:
            # Either all are written, or this was the probe after a failure: the others follow.
            self._resend()
        if self._refusal == _FAILING or (
            self._refusal == _FULL and self._held_bytes <= self._held_bytes_max // 2
        ):
            self._refusal = None
        if not self._held and self._drained is not None:
            _finish(self._drained)

    def _probe(self) -> None:
        """Try whether the writer can write again, with the oldest batch alone."""
        self._probe_handle = None
        if self._socket is not None and self._held:
            self._in_flight = 1
            self._send(self._held[0].frame)

    def _tick(self) -> None:
        """Refuse while the writer is silent: nobody waits for ever for one that hangs."""
        self._tick_handle = None
        if self._socket is None or self._in_flight == 0:
            self._silent_ticks = 0
            return
        self._silent_ticks += 1
        if self._silent_ticks > SILENCE_TICKS:
            if self._refusal != _CLOSED:
                self._refusal = _FAILING
            _fail(list(self._held), _FAILING)  # held all the same: they are written when it wakes
        self._tick_handle = self._loop.call_later(self._tick_seconds, self._tick)

    def _resend(self) -> None:
        self._in_flight = len(self._held)
        for batch in list(self._held):
            self._send(batch.frame)

    # the channel -------------------------------------------------------------------------------

    def attach(self, connection: socket.socket) -> None:
        """Take a channel to the audit writer: the first, or one to the writer that follows a dead one.

        What no writer has confirmed is sent first. Owns `connection` from here on.
        """
        self._detach()
        connection.setblocking(False)
        self._socket = connection
        self._loop.add_reader(connection.fileno(), self._on_readable)
        if self._refusal != _CLOSED:
            self._refusal = None if self._held_bytes <= self._held_bytes_max else _FULL
        self._send(render_greeting(self._instance_id, self._held[0].id if self._held else self._next_id))
        self._resend()

    def _detach(self) -> None:
        connection, self._socket = self._socket, None
        if connection is None:
            return
        self._loop.remove_reader(connection.fileno())
        self._loop.remove_writer(connection.fileno())
        connection.close()
        self._outgoing.clear()
        self._incoming = b""
        self._in_flight = 0
        for handle in (self._probe_handle, self._tick_handle):
            if handle is not None:
                handle.cancel()
        self._probe_handle = self._tick_handle = None
        self._silent_ticks = 0
        if self._refusal != _CLOSED:
            self._refusal = _DETACHED
        gathered, self._waiting = self._waiting, []
        _fail(list(self._held), _DETACHED)
        for reply in gathered:
            reply.fail(AuditUnavailable(_DETACHED))
        while self._asking:
            self._asking.popleft().fail(AuditUnavailable(_DETACHED))

    def _send(self, frame: bytes) -> None:
        connection = self._socket
        if connection is None:
            return
        if self._tick_handle is None:
            self._tick_handle = self._loop.call_later(self._tick_seconds, self._tick)
        if self._outgoing:
            self._outgoing.append(memoryview(frame))
            return
        try:
            sent = connection.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._detach()
            return
        if sent < len(frame):
            self._outgoing.append(memoryview(frame)[sent:])
            self._loop.add_writer(connection.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        connection = self._socket
        try:
            while self._outgoing and connection is not None:
                rest = self._outgoing[0]
                sent = connection.send(rest)
                if sent < len(rest):
                    self._outgoing[0] = rest[sent:]
                    return
                self._outgoing.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._detach()
            return
        if connection is not None:
            self._loop.remove_writer(connection.fileno())

    def _on_readable(self) -> None:
        # Read until nothing is left: uvloop wakes a reader once, and never again, when the peer dies with
        # our bytes unread and an answer still under way.
        while (connection := self._socket) is not None:
            try:
                received = connection.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            if not received:
                self._detach()
                return
            self._take_answers(connection, self._incoming + received)

    def _take_answers(self, connection: socket.socket, received: bytes) -> None:
        position = 0
        while len(received) - position >= ANSWER.size:
            batch_id, status = ANSWER.unpack_from(received, position)
            if status == END:
                if len(received) - position < ANSWER.size + CHAIN_END.size:
                    break
                self._on_end(CHAIN_END.unpack_from(received, position + ANSWER.size))
                position += CHAIN_END.size
            else:
                self._on_answer(batch_id, status)
            position += ANSWER.size
            if self._socket is not connection:
                return
        self._incoming = received[position:]

    def _on_end(self, end: tuple[int, int, bytes]) -> None:
        if not self._asking:
            self._detach()  # not an answer to anything we sent
            return
        self._asking.popleft().resolve(Link(*end))


def _require_record(record: bytes) -> None:
    if len(record) > RECORD_BYTES_MAX or not record.startswith(RECORD_START) or b"\n" in record:
        raise AuditUnavailable("the record is not one line of the trail's form")


def _fail(batches: list[_Batch], reason: str) -> None:
    for batch in batches:
        waiting, batch.waiting = batch.waiting, []
        for reply in waiting:
            reply.fail(AuditUnavailable(reason))


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
