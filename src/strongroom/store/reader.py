"""Reads: one connection of the event loop's thread, and never a transaction left open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from strongroom.store.engine import Database, translated
from strongroom.store.interface import StoreError, StoreUnavailable

T = TypeVar("T")


class Reader:
    """Asks the database.

    INVARIANT S2: every read is a transaction of its own, begun after the stamps were noted and ended
    before the answer is given, so no read sees a snapshot older than itself.

    Concurrency: the thread of the first read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def read(self, ask: Callable[[Connection], T]) -> T:
        """What `ask` finds, in one snapshot. Raises StoreUnavailable."""
        self._database.require_usable()
        if self._connection is None:
            self._connection = self._database.open_reader()
        connection = self._connection
        try:
            with translated(), connection.begin():
                return ask(connection)
        except StoreError:
            self.close()
            raise
        except (ValueError, TypeError, OverflowError) as error:
            # A row that is no record: damaged, or written by a version that knows more.
            self.close()
            raise StoreUnavailable(f"a row could not be read ({type(error).__name__})") from None

    def close(self) -> None:
        """Give the connection back; the next read opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(StoreError), translated():
                connection.close()
