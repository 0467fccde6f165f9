"""Work that takes longer than other requests may be delayed: done in two threads beside the loop.

Only the making of key material is done here (RSA keys: 50 ms to seconds, with the interpreter's lock
released). All else, the token and the reply too, is done in the loop's turn, so no object has two owners.
The threads start before the process gives up the right to start any, and are confined as it is; they run
at a lower priority, so that whoever waits for a quick answer has the processor first.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from strongroom.boundary.soundness import SelfTestFailed

THREADS: Final = 2
WAITING_MAX: Final = 16
"""Pieces of work that wait for a thread; more are refused, so that what is accepted ends in time."""
STACK_BYTES: Final = 1 << 20
NICENESS: Final = 10
"""How much lower the threads' priority is than the loop's: a service may itself run with another than 0."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A request whose answer comes later: `work` in any thread, then `finish` with its result in the loop."""

    work: Callable[[], bytes]
    finish: Callable[[bytes], bytes]


@dataclass(slots=True)
class Task:
    """One deferred request under way. `owner` is the server's; `is_wanted` is asked before the start."""

    deferred: Deferred
    owner: Any
    is_wanted: Callable[[], bool]
    result: bytes | None = None
    """None when the work failed or was not wanted any more. Secrets: key material, until it is finished."""
    failure: SelfTestFailed | None = None
    """A new key pair was found unfit: the loop raises this."""


class SlowWork:
    """The threads, the queue before them, and the descriptor that says when something is done.

    Concurrency: `submit` and `take_done` are the loop's; the threads share nothing but the two queues.
    """

    def __init__(
        self, log: Callable[[str], None], threads: int = THREADS, waiting_max: int = WAITING_MAX
    ) -> None:
        self._log = log
        self._threads = threads
        self._under_way_max = threads + waiting_max
        self._under_way = 0
        self._waiting: SimpleQueue[Task] = SimpleQueue()
        self._done: deque[Task] = deque()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable when `take_done` has something to give."""
        return self._event

    def start(self) -> None:
        """Start the threads; each runs when this returns. Call while threads may still be started."""
        ready: SimpleQueue[None] = SimpleQueue()
        before = threading.stack_size(STACK_BYTES)
        try:
            for _ in range(self._threads):
                threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        finally:
            threading.stack_size(before)
        for _ in range(self._threads):
            ready.get()

    def submit(self, task: Task) -> bool:
        """Put a task under way; False when as many as may wait do so."""
        if self._under_way >= self._under_way_max:
            return False
        self._under_way += 1
        self._waiting.put(task)
        return True

    def take_done(self) -> list[Task]:
        """The tasks that ended since the last call. Raises SelfTestFailed when one of them did."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event)
        done: list[Task] = []
        while self._done:
            done.append(self._done.popleft())
        self._under_way -= len(done)
        for task in done:
            if task.failure is not None:
                raise task.failure
        return done

    def _run(self, ready: SimpleQueue[None]) -> None:
        with contextlib.suppress(OSError):
            thread_id = threading.get_native_id()
            # The kernel cuts what is above 19 off.
            os.setpriority(os.PRIO_PROCESS, thread_id, os.getpriority(os.PRIO_PROCESS, thread_id) + NICENESS)
        ready.put(None)
        while True:
            self._do(self._waiting.get())

    def _do(self, task: Task) -> None:
        """Do one task. A function of its own, so that nothing of it stays in a waiting thread's frame."""
        try:
            if task.is_wanted():
                task.result = task.deferred.work()
        except SelfTestFailed as failure:
            task.failure = failure
        except Exception as error:
            self._log(f"slow work ended in an unexpected {type(error).__name__}; answered refused")
        self._done.append(task)
        os.eventfd_write(self._event, 1)
