"""Writes: one thread of this process, one transaction and one flush to disk for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from strongroom.store.engine import Database, DiskFull, checkpoint, translated
from strongroom.store.interface import StoreError, StoreUnavailable
from strongroom.store.reader import Reader
from strongroom.store.stamps import Stamps

T = TypeVar("T")

Changed = list[str]
"""The identities a transaction changed, entered by it as it goes."""
EVERYTHING = "*"
"""The identity that stands for all."""

_ATTEMPTS = 3
"""How often a change may release the ballast; another process may take it back in between."""


def _new_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")


class Writer:
    """Runs write transactions one after the other, in a thread of its own.

    Concurrency: called from the event loop; waiting writes keep their order. A write that began is
    finished, and its stamps put, also when nobody waits for it any more.
    """

    def __init__(self, database: Database, stamps: Stamps) -> None:
        self._database = database
        self._stamps = stamps
        self._ballast = database.ballast
        self._connection: Connection | None = None
        self._reader = Reader(database)
        self._thread = _new_thread()

    async def add(self, work: Callable[[Connection, Changed], T]) -> T:
        """A transaction that adds rows: refused when only the ballast is left (INVARIANT S5)."""
        return await self._in_thread(lambda: self._add(work))

    async def change(self, work: Callable[[Connection, Changed], T], *, erase: bool = False) -> T:
        """A transaction that changes or removes rows. `erase`: leave no older copy in the log."""
        return await self._in_thread(lambda: self._change(work, erase))

    async def read(self, ask: Callable[[Connection], T]) -> T:
        """A long read that should not hold the event loop up; it takes no write lock."""
        return await self._in_thread(lambda: self._reader.read(ask))

    def renew_thread(self) -> None:
        """Finish the waiting writes and end the thread; the next write begins another. Holds the loop up."""
        self.close()
        self._thread = _new_thread()

    def close(self) -> None:
        """Finish the waiting writes, then end the thread."""
        if not self._database.is_of_this_process():
            return
        with suppress(RuntimeError):  # closed before
            self._thread.submit(self._reader.close)
            self._thread.submit(self._discard)
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._database.require_usable()
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:
            raise StoreUnavailable("the store is closed") from None
        return await future

    def _add(self, work: Callable[[Connection, Changed], T]) -> T:
        try:
            self._ballast.hold()
        except OSError as error:
            raise StoreUnavailable(f"no room is left for new rows: {error.strerror}") from None
        return self._transact(work)

    def _change(self, work: Callable[[Connection, Changed], T], erase: bool) -> T:
        try:
            result = self._transact(work)
        except DiskFull:
            result = self._change_with_ballast(work)
        if erase:
            # The write is done whatever becomes of this; a later checkpoint empties the log as well.
            self._empty_log()
        return result

    def _change_with_ballast(self, work: Callable[[Connection, Changed], T]) -> T:
        """Emptying the log gives back what it took, so the ballast is there again for the next change."""
        for attempt in range(_ATTEMPTS):
            self._ballast.release()
            self._empty_log()
            try:
                return self._transact(work)
            except DiskFull:
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                with suppress(OSError):
                    self._ballast.hold()
        raise AssertionError("the last attempt returns or raises")

    def _empty_log(self) -> None:
        with suppress(StoreError):
            if self._connection is None:
                self._connection = self._database.open_writer()
            checkpoint(self._connection)

    def _transact(self, work: Callable[[Connection, Changed], T]) -> T:
        changed: Changed = []
        try:
            self._database.require_usable()
            if self._connection is None:
                self._connection = self._database.open_writer()
            with translated(), self._connection.begin():
                return work(self._connection, changed)
        except StoreUnavailable:
            # Also after a flush that failed: what the connection believes of the file is not to be trusted.
            self._discard()
            raise
        finally:
            # INVARIANT S2: after the commit, before the write returns. Also after a failed commit,
            # of which nobody can say whether it will be found on disk.
            self._stamp(changed)

    def _stamp(self, changed: Changed) -> None:
        for identity in changed:
            if identity == EVERYTHING:
                self._stamps.touch_all()
            else:
                self._stamps.touch(identity)

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(StoreError), translated():
                connection.close()
