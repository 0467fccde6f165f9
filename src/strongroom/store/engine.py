"""SQLite: how its connections are opened, and what its errors mean. All that is SQLite-only is here.

Write-ahead log with synchronous=FULL: a commit is on disk when it returns (INVARIANT S1); in a
rollback journal that would need EXTRA. Figures: docs/decisions/0005-store.md.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from strongroom.store.ballast import Ballast
from strongroom.store.interface import AlreadyExists, ConcurrentChange, StoreError, StoreUnavailable

READ_BUSY_TIMEOUT_MS = 1_000
"""Readers of a write-ahead log wait only while it is being recovered; the event loop waits with them."""
WRITE_BUSY_TIMEOUT_MS = 5_000
WAL_PAGES = 1_000
"""Pages (4 KiB) in the log at which a commit copies them to the database file."""
WAL_BYTES_KEPT = 16 * 1024 * 1024
"""A log that grew beyond this in a large transaction is cut back to it."""

_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # deleted tokens are overwritten in the file
    "PRAGMA temp_store=MEMORY",  # no rows in temporary files
    "PRAGMA trusted_schema=OFF",  # a planted view or trigger gets no functions with side effects
    "PRAGMA cell_size_check=ON",
    f"PRAGMA wal_autocheckpoint={WAL_PAGES}",
    f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}",
)


class DiskFull(StoreUnavailable):
    """Nothing was written: there is no room on the disk."""


class Database:
    """One SQLite file and the process that may use it.

    Raises: StoreUnavailable when the file cannot be opened, or by a process forked from the one
    that made this: a connection carried through a fork damages the database.
    """

    def __init__(self, path: Path, ballast: Ballast) -> None:
        self.path = path
        self.ballast = ballast
        self._process_id = os.getpid()
        self._closed = False
        self._held: Connection | None = None
        self._identity = self._stat_identity()
        self._engine = create_engine(
            "sqlite+pysqlite://", creator=self._connect, poolclass=NullPool, hide_parameters=True
        )
        event.listen(self._engine, "begin", _begin)

    def open_reader(self) -> Connection:
        """A connection that cannot write. Each transaction on it sees one snapshot, taken anew."""
        return self._open("BEGIN", READ_BUSY_TIMEOUT_MS, "PRAGMA query_only=ON")

    def open_writer(self) -> Connection:
        """A connection whose transactions hold the write lock from their beginning."""
        return self._open("BEGIN IMMEDIATE", WRITE_BUSY_TIMEOUT_MS)

    def open_migrator(self) -> Connection:
        """A writer that may rebuild tables others refer to; it checks the references afterwards."""
        return self._open("BEGIN IMMEDIATE", WRITE_BUSY_TIMEOUT_MS, "PRAGMA foreign_keys=OFF")

    def hold_files(self) -> tuple[Path, ...]:
        """Have all files there that connections use, and keep them until `close` by a connection more.

        SQLite removes the log when the last connection ends, and a confined process could make no other.
        Concurrency: the thread that will close this. Raises StoreUnavailable.
        """
        self._held = self.open_reader()
        with translated(), self._held.begin():
            self._held.exec_driver_sql("SELECT count(*) FROM sqlite_master").first()
        log, index = (self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))
        if not log.exists() or not index.exists():
            raise StoreUnavailable("the write-ahead log is not there")
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # as SQLite would at the first commit, and cannot then
        finally:
            os.close(directory)
        return (self.path, log, index, self.ballast.path)

    def close(self) -> None:
        """No connection is opened any more."""
        self._closed = True
        if self._held is not None:
            with suppress(StoreError), translated():
                self._held.close()
            self._held = None

    def is_of_this_process(self) -> bool:
        """Whether no fork lies between the opening and now."""
        return os.getpid() == self._process_id

    def require_usable(self) -> None:
        """Raises StoreUnavailable in a forked process, or when the file is not the one that was opened:
        what is written to a file that was moved away or replaced is lost."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not self.is_of_this_process():
            raise StoreUnavailable("this store was opened before a fork; open one in this process")
        if self._stat_identity() != self._identity:
            raise StoreUnavailable("the database file was moved away or replaced while the server ran")

    def _stat_identity(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except OSError as error:
            raise StoreUnavailable(f"the database file is not there: {error.strerror}") from None
        return status.st_dev, status.st_ino

    def _open(self, begin: str, busy_timeout_ms: int, *pragmas: str) -> Connection:
        self.require_usable()
        pragmas = (f"PRAGMA busy_timeout={busy_timeout_ms}", *pragmas)
        try:
            return self._open_once(begin, pragmas)
        except DiskFull:
            # Even reading needs a little room, for the index of the log. New rows take the ballast back.
            if not self.ballast.is_held():
                raise
            self.ballast.release()
        return self._open_once(begin, pragmas)

    def _open_once(self, begin: str, pragmas: tuple[str, ...]) -> Connection:
        with translated():
            connection = self._engine.connect().execution_options(begin=begin)
            for pragma in pragmas:
                driver_connection(connection).execute(pragma)
            return connection

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: never makes a file. isolation_level=None: only SQLAlchemy begins transactions.
        uri = f"file:{quote(str(self.path.absolute()))}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5, cached_statements=256)
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            if mode != "wal":
                raise StoreUnavailable("this file system cannot hold a write-ahead log")
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["begin"])


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """The connection underneath, for what must stand outside a transaction."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def checkpoint(connection: Connection) -> None:
    """Copy the log to the database file and empty it, so that it holds no deleted rows.

    Does what it can: while another process reads, the log stays until a later checkpoint.
    """
    with translated():
        driver_connection(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def has_broken_references(connection: Connection) -> bool:
    """Whether a row refers to one that is not there: what a migration without checks may leave."""
    return connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into the store's. Secrets: no row value reaches a message."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _refusal_of(error) from None


_SENTENCES = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "the database was locked for too long",
    "SQLITE_LOCKED": "the database was locked for too long",
    "SQLITE_READONLY": "the database is read-only",
    "SQLITE_CANTOPEN": "the database file cannot be opened",
    "SQLITE_IOERR": "the disk reported an input or output error",
    "SQLITE_CORRUPT": "the database file is damaged",
    "SQLITE_NOTADB": "the file is not a database",
}
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
_TAKEN = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")


def _refusal_of(error: SQLAlchemyError | sqlite3.Error) -> StoreError:
    origin: Any = error.orig if isinstance(error, DBAPIError) else error
    name: str = getattr(origin, "sqlite_errorname", type(origin).__name__)
    if name in _TAKEN:
        return AlreadyExists("a row of that identity is there")
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return ConcurrentChange("the row it belongs to is gone")
    primary = "_".join(name.split("_")[:2])
    sentence = f"{_SENTENCES.get(primary, 'the database refused')} ({name})"
    return DiskFull(sentence) if name in _NO_ROOM else StoreUnavailable(sentence)
