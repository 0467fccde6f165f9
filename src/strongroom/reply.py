"""Waiting for an answer without an asyncio task.

A request that crosses to another process waits for one frame. A task and a loop callback for each
would cost as much as the cryptography, so the coroutine of a request is driven by hand: `drive`
runs it until it waits, and the object it waits for runs it on when the answer is there. The same
coroutines run unchanged in an ordinary asyncio task (in tests, say), because `Reply` keeps the
protocol that tasks expect of a future. Measured: docs/decisions/0003-no-task-per-request.md.

Limits: code under `drive` has no current task, so asyncio.timeout, wait_for, locks that cancel and
anyio do not work there; `await` of an asyncio future (run_in_executor) does.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


class Reply(Generic[T]):
    """An answer that will come. Resolved once; whoever waits runs on at once, in the resolver's turn.

    Concurrency: one event loop, one waiter.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_done", "_error", "_loop", "_value")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[Any], object] | None = None
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._asyncio_future_blocking = False

    def resolve(self, value: T) -> None:
        """Give the answer. A second resolution is ignored."""
        if not self._done:
            self._done = True
            self._value = value
            callback, self._callback = self._callback, None
            if callback is not None:
                callback(self)

    def fail(self, error: BaseException) -> None:
        """Give the error instead."""
        if not self._done:
            self._done = True
            self._error = error
            callback, self._callback = self._callback, None
            if callback is not None:
                callback(self)

    def cancelled(self) -> bool:
        """Whether it was given up before there was an answer."""
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        """The error given instead of an answer, if any."""
        return self._error

    def done(self) -> bool:
        """Whether the answer is there."""
        return self._done

    def result(self) -> T:
        """The answer, or the error raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    # What asyncio.Task asks of a future it waits for.
    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        if context is not None:  # an asyncio task: it must be woken by the loop, never inside our turn

            def wake(reply: Any) -> None:
                self._loop.call_soon(callback, reply, context=context)

            self._callback = wake
        else:
            self._callback = callback
        if self._done:
            waiting, self._callback = self._callback, None
            waiting(self)

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        self._callback = None
        return 1

    def cancel(self, msg: object = None) -> bool:
        self.fail(asyncio.CancelledError())
        return True


Finish: TypeAlias = Callable[[T | None, BaseException | None], None]
"""What becomes of a driven coroutine: (result, None) or (None, error). Called exactly once."""


class _Driven(Generic[T]):
    """The rest of a coroutine that waits. A class and not a closure: a closure that names itself is a
    cycle, and every request would leave one for the garbage collector."""

    __slots__ = ("_coroutine", "_finish")

    def __init__(self, coroutine: Coroutine[Any, Any, T], finish: Finish[T]) -> None:
        self._coroutine = coroutine
        self._finish = finish

    def wait_for(self, waiting: Any) -> None:
        """Go on when `waiting` has its answer."""
        if not getattr(waiting, "_asyncio_future_blocking", False):
            self._coroutine.close()
            self._finish(None, RuntimeError(f"cannot wait for a {type(waiting).__name__} without a task"))
            return
        waiting._asyncio_future_blocking = False
        waiting.add_done_callback(self)

    def __call__(self, _: Any) -> None:
        try:
            waiting = self._coroutine.send(None)
        except StopIteration as stop:
            self._finish(stop.value, None)
        except BaseException as error:  # the caller decides; nothing is swallowed
            self._finish(None, error)
        else:
            self.wait_for(waiting)


def drive(coroutine: Coroutine[Any, Any, T], finish: Finish[T]) -> None:
    """Run `coroutine` now, and on as its answers come; call `finish(result, error)` exactly once."""
    try:
        waiting = coroutine.send(None)
    except StopIteration as stop:
        finish(stop.value, None)
    except BaseException as error:  # the caller decides; nothing is swallowed
        finish(None, error)
    else:
        _Driven(coroutine, finish).wait_for(waiting)
