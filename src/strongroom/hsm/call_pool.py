"""The threads in which calls of the module run, each watched by a deadline.

The main thread reads requests and watches; it never calls the module. A module that does not come back cannot
be interrupted: the process ends, and the next one begins anew.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.boundary.messages import render_frame
from strongroom.hsm.frames import LOGINS, Status

CALL_SECONDS_MAX: Final = 5.0
"""Callers give up after as long (client.py)."""
LOGIN_SECONDS_MAX: Final = 120.0
STALLED_SECONDS: Final = 5.0
"""A client that takes no reply for so long loses its channel."""

Answer = Callable[[int, bytes], tuple[int, bytes]]


class Channel:
    """A client's socket. Concurrency: one thread reads; replies take turns."""

    def __init__(self, stream: socket.socket) -> None:
        """Owns the stream."""
        stream.settimeout(STALLED_SECONDS)
        self.stream = stream
        self.unparsed = b""
        self._sending = threading.Lock()

    def reply(self, frame: bytes) -> None:
        """Send a whole frame; a client that does not take it is cut off."""
        try:
            with self._sending:
                self.stream.sendall(frame)
        except OSError:  # a timeout, too
            self.cut()

    def cut(self) -> None:
        """Whoever waits for this socket sees its end."""
        try:
            self.stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    def close(self) -> None:
        """Close, once nobody is sending: another file may get its number."""
        self.cut()
        with self._sending:
            self.stream.close()


@dataclass(frozen=True, slots=True)
class _Request:
    channel: Channel
    call_id: int
    opcode: int
    body: bytes
    came_at: float


@dataclass(slots=True)
class _Worker:
    """Concurrency: its thread writes, the main thread reads."""

    answered: int = 0
    deadline_at: float | None = field(default=None)


class CallPool:
    """Answers requests in up to so many threads. Concurrency: `submit` and the rest in the main thread."""

    def __init__(self, answer: Answer, threads_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`answer` gets opcode and body, in any of the threads, and gives status and body."""
        self._answer = answer
        self._threads_max = threads_max
        self._clock = clock
        self._waiting: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._submitted = 0

    def submit(self, channel: Channel, call_id: int, opcode: int, body: bytes) -> None:
        """Have a request answered."""
        # As many threads as there ever were requests at once: an idle cluster has one.
        if len(self._workers) < self._threads_max and self.under_way >= len(self._workers):
            worker = _Worker()
            self._workers.append(worker)
            threading.Thread(target=self._work, args=(worker,), daemon=True).start()
        self._submitted += 1
        self._waiting.put(_Request(channel, call_id, opcode, body, self._clock()))

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return self._submitted - sum(worker.answered for worker in self._workers)

    def is_overdue(self) -> bool:
        """Whether a call of the module has missed its deadline."""
        now = self._clock()
        deadlines = [worker.deadline_at for worker in self._workers]
        return any(deadline_at is not None and deadline_at <= now for deadline_at in deadlines)

    def _work(self, worker: _Worker) -> None:
        while True:
            request = self._waiting.get()
            now = self._clock()
            is_login = request.opcode in LOGINS
            if not is_login and now - request.came_at > CALL_SECONDS_MAX:
                status, body = int(Status.FAILED), b""  # nobody waits for it any more
            else:
                worker.deadline_at = now + (LOGIN_SECONDS_MAX if is_login else CALL_SECONDS_MAX)
                status, body = self._answer(request.opcode, request.body)
                worker.deadline_at = None
            worker.answered += 1
            request.channel.reply(render_frame(request.call_id, status, body))
