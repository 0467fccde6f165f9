"""A copy of the database while a server runs, and what a copy holds: for backups."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from strongroom.resources.deletion import hash_of_all, parse_deletion
from strongroom.store.engine import driver_connection, translated
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import DatabaseRefused, open_database
from strongroom.store.schema import SCHEMA_REVISION

_LEDGER_SINCE = "0007"


class CopyFacts(NamedTuple):
    """What a copy says of itself."""

    schema_revision: str
    domain_key_ids: list[str]
    """Region and the id in hexadecimal, such as `eu-central-1/01ab...`, in ascending order."""
    keys: int
    deletions: int
    ledger_hash: str
    """Of the deletion ledger's line of that number, in hexadecimal."""


def copy_database(path: Path, target: Path) -> None:
    """Copy the database at `path` to the new file `target` (0600): one snapshot, also under load.

    It is on disk when this returns. Raises StoreUnavailable, OSError.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise StoreUnavailable(f"there is no database at {path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise DatabaseRefused(f"the database {path} is no file of this user: call this as the server's user")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    source = open_database(path).open_reader()
    try:
        with translated(), closing(sqlite3.connect(target, isolation_level=None)) as copy:
            driver_connection(source).backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()  # the copy is one file
    finally:
        source.close()
    with target.open("rb") as stream:
        os.fsync(stream.fileno())


def describe_copy(path: Path) -> CopyFacts:
    """Read a copy, which may be anybody's. Raises DatabaseRefused, StoreUnavailable."""
    with (
        translated(),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db,
    ):
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
            db.execute(f"PRAGMA {pragma}")
        if db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise DatabaseRefused("its database is damaged")
        if db.execute("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone():
            raise DatabaseRefused("its database has views or triggers, which a server never makes")
        if db.execute("PRAGMA foreign_key_check").fetchone():
            raise DatabaseRefused("the rows of its database do not fit together")
        (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        _require_known(revision)
        domain_keys = db.execute("SELECT region, domain_key_id FROM domain_keys ORDER BY 1, 2").fetchall()
        (keys,) = db.execute("SELECT count(*) FROM keys").fetchone()
        entries = []
        if revision >= _LEDGER_SINCE:
            rows = db.execute("SELECT sequence, entry FROM deletions ORDER BY sequence").fetchall()
            entries = [entry for _, entry in rows]
            if [sequence for sequence, _ in rows] != list(range(1, len(rows) + 1)):
                raise DatabaseRefused("deletions are missing in its database")
            for entry in entries:
                parse_deletion(entry)
    ids = [f"{region}/{bytes(identity).hex()}" for region, identity in domain_keys]
    return CopyFacts(revision, ids, keys, len(entries), hash_of_all(entries).hex())


def _require_known(revision: str) -> None:
    is_revision = isinstance(revision, str) and revision.isascii() and revision.isdigit()
    if not is_revision or len(revision) != len(SCHEMA_REVISION):
        raise DatabaseRefused("its database is of another program")
    if revision > SCHEMA_REVISION:
        raise DatabaseRefused(
            f"its database was written by a newer version of this server (its tables are at {revision}, this "
            f"server knows {SCHEMA_REVISION}): install that version"
        )
