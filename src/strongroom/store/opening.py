"""Opening the database: the file and its rights, its version, and the way from an older one."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from importlib.resources import as_file, files
from pathlib import Path

from sqlalchemy import Connection, Text, inspect, select, table
from sqlalchemy import column as named_column

from strongroom.clock import Clock
from strongroom.store.ballast import BALLAST_BYTES, Ballast
from strongroom.store.engine import Database, has_broken_references, translated
from strongroom.store.interface import StoreError, StoreUnavailable
from strongroom.store.schema import DOMAIN_KEYS, SCHEMA_REVISION
from strongroom.store.sql_store import RECORDS_REMEMBERED_MAX, SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

_VERSION_TABLE = "alembic_version"
_VERSION = select(named_column("version_num", Text)).select_from(table(_VERSION_TABLE))


class DatabaseRefused(StoreUnavailable):
    """The file is not one that this version of the server may use; nothing was changed."""


def open_store(
    path: Path,
    stamps: Stamps,
    clock: Clock,
    *,
    records_remembered_max: int = RECORDS_REMEMBERED_MAX,
    ballast_bytes: int = BALLAST_BYTES,
) -> SqlStore:
    """The store in the database file at `path`, made or brought up to date where needed.

    Concurrency: in the process that will use it, after any fork. Any number of processes may open
    the same file at the same moment.
    Raises: StoreUnavailable; DatabaseRefused for a file that is not ours, or newer than this server.
    """
    prepare_database(path, ballast_bytes=ballast_bytes)
    return SqlStore(open_database(path, ballast_bytes), stamps, clock, records_remembered_max)


def open_store_to_look(path: Path, clock: Clock) -> SqlStore:
    """The store for a command that only reads, also beside a running server: nothing is made or changed.

    Its stamps are nobody else's, so it must not be kept: what it remembers it does not ask again.
    Raises: StoreUnavailable; DatabaseRefused where the tables are not those of this version.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise StoreUnavailable(f"there is no database at {path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise DatabaseRefused("the database is not a regular file")
    if os.geteuid() not in (0, status.st_uid):
        raise DatabaseRefused("the database file belongs to another user: call this as the server's user")
    database = _LookedAt(path, _NoBallast(path, 0))
    connection = database.open_reader()
    try:
        with translated(), connection.begin():
            found = _schema_revision(connection)
    finally:
        connection.close()
    if not _is_current(found):
        raise DatabaseRefused(
            f"the database was written by an older version of this server (its tables are at {found}, this "
            f"version knows {SCHEMA_REVISION}); start the server once to bring it up to date"
        )
    return SqlStore(database, Stamps(new_stamp_words()), clock)


class _NoBallast(Ballast):
    """The room is the server's, not ours to release."""

    def is_held(self) -> bool:
        return False


class _LookedAt(Database):
    """A database that this process does not write to."""

    def open_writer(self) -> Connection:
        """Raises StoreUnavailable."""
        raise StoreUnavailable("this database was opened to be read only")

    open_migrator = open_writer


def prepare_database(path: Path, *, ballast_bytes: int = BALLAST_BYTES) -> None:
    """Make the database file, or bring it up to date. Quick when there is nothing to do.

    For the supervisor, before it forks: no connection is left open. Raises as `open_store` does.
    """
    try:
        _require_private_file(path)
    except OSError as error:
        raise StoreUnavailable(f"the database file cannot be used: {error.strerror}") from None
    database = open_database(path, ballast_bytes)
    _require_current_schema(database)
    with suppress(OSError):  # a full disk can be read from; new rows are refused until there is room
        database.ballast.hold()


def open_database(path: Path, ballast_bytes: int = BALLAST_BYTES) -> Database:
    """The file at `path`, and the ballast beside it. It must exist: see prepare_database."""
    return Database(path, Ballast(path.with_name(f"{path.name}-ballast"), ballast_bytes))


def remove_log(path: Path) -> None:
    """Have all of the write-ahead log in the database file, and the log removed, when nobody else is there.

    SQLite does so when the last connection ends, but confined processes cannot remove it. A log that is left
    would be taken for that of whatever database is put in its place. Does what it can.
    """
    with suppress(StoreError, OSError):
        connection = open_database(path).open_reader()
        try:
            with translated(), connection.begin():
                _schema_revision(connection)
        finally:
            connection.close()


def load_domain_key_tokens(path: Path) -> list[bytes]:
    """What the boundary's root key must open of the database at `path`; nothing where there is none yet."""
    if not path.exists():
        return []
    connection = open_database(path).open_reader()
    try:
        with translated(), connection.begin():
            if DOMAIN_KEYS.name not in inspect(connection).get_table_names():
                return []
            return list(connection.scalars(select(DOMAIN_KEYS.c.token)))
    finally:
        connection.close()


def _require_private_file(path: Path) -> None:
    """The file, for its owner alone: 0600, in a directory that is 0700 if we make it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.stat(path.parent)
    if directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX:
        raise DatabaseRefused("the directory of the database can be written by every user of this host")
    # SQLite gives its log and index the rights of the database file. O_NOFOLLOW: no planted link.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DatabaseRefused("the database is not a regular file")
        if status.st_uid != os.geteuid():
            raise DatabaseRefused("the database file belongs to another user of this host")
        if stat.S_IMODE(status.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _require_current_schema(database: Database) -> None:
    connection = database.open_reader()
    try:
        with translated(), connection.begin():
            found = _schema_revision(connection)
    finally:
        connection.close()
    if _is_current(found):
        return
    connection = database.open_migrator()
    try:
        with translated(), connection.begin():
            # Again, inside the write lock: another process may have been first.
            if not _is_current(_schema_revision(connection)):
                _migrate(connection)
    finally:
        connection.close()


def _schema_revision(connection: Connection) -> str | None:
    """The revision of the tables, None in an empty database."""
    tables = inspect(connection).get_table_names()
    if _VERSION_TABLE in tables:
        return connection.execute(_VERSION).scalar_one_or_none()
    if tables:
        raise DatabaseRefused("the file is a database of another program")
    return None


def _is_current(revision: str | None) -> bool:
    """Raises DatabaseRefused when the tables are newer than this server."""
    if revision is None or revision == SCHEMA_REVISION:
        return revision is not None
    if not (revision.isascii() and revision.isdigit() and len(revision) == len(SCHEMA_REVISION)):
        raise DatabaseRefused("the file is a database of another program")
    if revision > SCHEMA_REVISION:
        raise DatabaseRefused(
            f"the database was written by a newer version of this server "
            f"(its tables are at {revision}, this server knows {SCHEMA_REVISION}); install that version"
        )
    return False


def _migrate(connection: Connection) -> None:
    # Alembic costs a third of a second to import: only when there is something to do.
    from alembic import command
    from alembic.config import Config

    with as_file(files("strongroom.store") / "migrations") as directory:
        config = Config()
        config.set_main_option("script_location", str(directory).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, SCHEMA_REVISION)
    if has_broken_references(connection):
        raise DatabaseRefused("the migrated tables do not fit together; the database was left as it was")
