"""The file, its rights and its version; migrations; what a fork may not do."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.support.store_records import CREATED_AT, FixedClock, new_key

import strongroom.store
from strongroom.store.engine import driver_connection
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import DatabaseRefused, open_database, open_store, prepare_database
from strongroom.store.schema import METADATA, SCHEMA_REVISION
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

MIGRATIONS = Path(strongroom.store.__file__).parent / "migrations"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "100%" / "data base?" / "strongroom.db"


def open_one(path: Path) -> SqlStore:
    return open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    opened = open_one(path)
    yield opened
    opened.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_open_store_makes_files_for_their_owner_alone(path: Path, store: SqlStore) -> None:
    asyncio.run(store.insert_key(new_key()))
    files = list(path.parent.iterdir())
    assert {file.name for file in files} >= {"strongroom.db", "strongroom.db-wal", "strongroom.db-shm"}
    assert {mode_of(file) for file in files} == {0o600}
    assert mode_of(path.parent) == 0o700


def test_open_store_of_a_file_others_may_read_takes_the_right_away(path: Path) -> None:
    prepare_database(path)
    path.chmod(0o664)
    open_one(path).close()
    assert mode_of(path) == 0o600


def test_open_store_in_a_directory_all_may_write_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(DatabaseRefused, match="every user"):
        open_one(directory / "strongroom.db")


def test_open_store_through_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    prepare_database(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        open_one(link)


def test_open_store_of_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        open_one(tmp_path)


def test_connections_flush_check_references_and_erase(path: Path, store: SqlStore) -> None:
    """INVARIANT S1."""
    for connection in (open_database(path).open_reader(), open_database(path).open_writer()):
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "trusted_schema")
        values = [driver_connection(connection).execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
        connection.close()
        assert values == ["wal", 2, 1, 1, 0]


def test_reading_connection_cannot_write(path: Path, store: SqlStore) -> None:
    connection = open_database(path).open_reader()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        driver_connection(connection).execute("DELETE FROM settings")
    connection.close()


def test_schema_in_code_and_migrated_schema_are_equal(path: Path, store: SqlStore) -> None:
    connection = open_database(path).open_reader()
    with connection.begin():
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, METADATA)
    connection.close()
    assert differences == []


def test_schema_created_by_code_and_by_migrations_have_the_same_tables_and_indexes(
    path: Path, store: SqlStore, tmp_path: Path
) -> None:
    """Autogenerate does not compare primary keys; SQLite's own catalogue does."""
    bare = tmp_path / "bare.db"
    bare.touch(0o600)
    connection = open_database(bare).open_writer()
    with connection.begin():
        METADATA.create_all(connection)
    connection.close()
    assert catalogue(bare) == catalogue(path) - {"alembic_version"}


def catalogue(path: Path) -> set[object]:
    with sqlite3.connect(path) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found: set[object] = set(names)
        for name in names - {"alembic_version"}:
            for pragma in ("table_info", "foreign_key_list"):
                found |= {(name, pragma, *row[2:]) for row in connection.execute(f"PRAGMA {pragma}({name})")}
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            found |= {(name, "primary key", row[1], row[5]) for row in columns}
            for index in connection.execute(f"PRAGMA index_list({name})").fetchall():
                parts = connection.execute(f"PRAGMA index_info({index[1]})").fetchall()
                found.add((name, "index", index[2], index[3], tuple(part[2] for part in parts)))
    connection.close()
    return found


def test_schema_revision_in_code_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [SCHEMA_REVISION]


def test_migrations_need_no_file_but_their_own(path: Path, store: SqlStore) -> None:
    assert Config().config_file_name is None
    assert not list(Path(strongroom.store.__file__).parent.rglob("*.ini"))


def test_open_store_of_a_current_database_does_not_import_alembic(path: Path) -> None:
    prepare_database(path)
    program = (
        "import sys; from pathlib import Path; from strongroom.store.opening import prepare_database\n"
        "prepare_database(Path(sys.argv[1])); print('alembic' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert printed.strip() == "False"


@pytest.mark.parametrize("found", ["0099", "9999"])
def test_open_store_of_a_newer_database_is_refused_and_changes_nothing(path: Path, found: str) -> None:
    prepare_database(path)
    set_version(path, found)
    before = path.read_bytes()
    with pytest.raises(DatabaseRefused, match=f"newer version.*{found}.*{SCHEMA_REVISION}"):
        open_one(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("found", ["ae1027a6acf", "", "٠٠٠١", "00001", "0001 "])
def test_open_store_of_a_database_with_a_strange_version_is_refused(path: Path, found: str) -> None:
    prepare_database(path)
    set_version(path, found)
    with pytest.raises(DatabaseRefused, match="another program"):
        open_one(path)


def set_version(path: Path, version: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()


def test_open_store_of_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(DatabaseRefused, match="another program"):
        open_one(path)


def test_open_store_of_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "strongroom.db"
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_one(path)
    assert path.read_bytes().startswith(b"not a database")


def test_migration_cut_off_in_the_middle_leaves_an_empty_database_that_opens(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True)
    path.touch(0o600)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from sqlalchemy import event; from sqlalchemy.engine import Engine\n"
        "from strongroom.store.opening import prepare_database\n"
        "@event.listens_for(Engine, 'after_cursor_execute')\n"
        "def stop(connection, cursor, statement, *rest):\n"
        "    if 'CREATE TABLE aliases' in statement: os._exit(9)\n"
        "prepare_database(Path(sys.argv[1]))"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, check=False, timeout=60
    )
    assert done.returncode == 9
    assert catalogue(path) == set()
    store = open_one(path)
    asyncio.run(store.insert_key(new_key()))
    store.close()


def test_open_store_by_six_processes_at_once_of_a_new_file_succeeds(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from strongroom.store.opening import prepare_database\n"
        "prepare_database(Path(sys.argv[1]))"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], env=environment) for _ in range(6)
    ]
    assert [process.wait(60) for process in processes] == [0] * 6


def test_store_used_in_a_forked_process_refuses_reads_and_writes(store: SqlStore) -> None:
    key = new_key()
    asyncio.run(store.insert_key(key))
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # without the guard it would wait for a thread that the fork left behind
        refused = 0
        for attempt in (store.find_key(key.region, key.key_id), store.insert_key(new_key()), store.ping()):
            try:
                asyncio.run(attempt)
            except StoreUnavailable as error:
                refused += "fork" in str(error)
        store.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert asyncio.run(store.find_key(key.region, key.key_id)) == key
