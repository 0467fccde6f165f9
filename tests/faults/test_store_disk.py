"""Full, read-only, vanished and damaged disks under the store."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.support.store_records import CREATED_AT, FixedClock, new_alias, new_key, new_keys

from strongroom.store.engine import DiskFull, driver_connection
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import open_database, open_store, prepare_database
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words
from strongroom.store.writer import Changed

FULL_DISK = Path(__file__).with_name("store_on_full_disk.py")
ON_SMALL_DISK = 'mount -t tmpfs -o size=24m,mode=0700 none "$1" && shift && exec "$@"'
run = asyncio.run


def own_mounts() -> list[str]:
    """How to start a program whose mounts nobody else sees."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_SMALL_DISK, "sh"]


def can_mount(directory: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        [*own_mounts(), str(directory), "true"], check=False, capture_output=True, timeout=30
    )
    return tried.returncode == 0


def open_one(path: Path) -> SqlStore:
    return open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "strongroom.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    opened = open_one(path)
    yield opened
    opened.close()


def test_full_disk_refuses_new_keys_and_still_disables_and_destroys(tmp_path: Path) -> None:
    """INVARIANT S5, on a real file system of 24 MiB; writes pass again as soon as there is room."""
    if not can_mount(tmp_path):
        pytest.skip("this host lets nobody mount a file system of his own")
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": ":".join([str(root), *filter(None, sys.path)])}
    done = subprocess.run(
        [*own_mounts(), str(tmp_path), sys.executable, str(FULL_DISK), str(tmp_path)],
        env=environment | {"PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "stored before the disk was full: True",
        "found: True",
        "refused key found: False",
        "disabled: {'Disabled'}",
        "ballast held after the changes: True",
        "new key refused: True",
        "found after opening on a full disk: True",
        "destroyed: True",
        "new key refused: True",
        "new key refused with space again: False",
        "ballast held again: True",
    ]


def test_insert_key_into_a_full_database_writes_nothing_and_the_next_write_passes(store: SqlStore) -> None:
    """SQLite's own limit of pages gives the error of a full disk, where nothing can be mounted."""
    big = new_key(policy="p" * 300_000)

    def allow_no_more_pages(connection: Connection, _: Changed) -> None:
        driver_connection(connection).execute("PRAGMA max_page_count = 1")

    run(store._writer.add(allow_no_more_pages))
    with pytest.raises(DiskFull):
        run(store.insert_key(big))
    assert run(store.find_key(big.region, big.key_id)) is None
    run(store.insert_key(big))  # over another connection, which has no such limit
    assert run(store.find_key(big.region, big.key_id)) == big


def test_moved_database_file_refuses_writes_and_reads(path: Path, store: SqlStore) -> None:
    """INVARIANT S1: what is written to a file without a name is lost."""
    key = new_key()
    run(store.insert_key(key))
    path.rename(path.with_name("away.db"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"moved away|not there"):
            run(store.update_key(key))
        with pytest.raises(StoreUnavailable, match=r"moved away|not there"):
            run(store.ping())
        shutil.copy(path.with_name("away.db"), path)
    path.with_name("away.db").rename(path)
    assert run(store.update_key(key)).version == 2


def test_locked_database_refuses_the_write_and_takes_the_next(path: Path, store: SqlStore) -> None:
    """A writer that never ends, in a process of its own, delays others for five seconds, not for ever."""
    key = new_key()
    run(store.insert_key(key))
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as locker:
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        with pytest.raises(StoreUnavailable, match="locked"):
            run(store.update_key(replace(key, description="not stored")))
        assert run(store.find_key(key.region, key.key_id)) == key
        locker.communicate(b"")
    assert run(store.update_key(key)).version == 2


def test_damaged_pages_raise_unavailable_and_never_give_another_record(path: Path, store: SqlStore) -> None:
    keys = list(new_keys(40))
    for key in keys:
        run(store.insert_key(key))
    store.close()
    content = bytearray(path.read_bytes())
    for offset in range(4096, len(content), 4096):
        content[offset : offset + 64] = b"\xff" * 64
    path.write_bytes(content)
    damaged = SqlStore(open_database(path, 0), Stamps(new_stamp_words()), FixedClock(CREATED_AT))
    for key in keys:
        with pytest.raises(StoreUnavailable):
            run(damaged.find_key(key.region, key.key_id))


def test_row_with_a_state_unknown_to_this_version_raises_unavailable(path: Path, store: SqlStore) -> None:
    key = new_key()
    run(store.insert_key(key))
    writer = open_database(path).open_writer()
    driver_connection(writer).execute("UPDATE keys SET key_state = 'Sealed'")
    writer.close()
    with pytest.raises(StoreUnavailable, match="could not be read"):
        run(store.find_key(key.region, key.key_id))


def test_destroy_key_leaves_no_token_in_the_files(path: Path, store: SqlStore) -> None:
    token = os.urandom(48)
    key = new_key(token=token)
    run(store.insert_key(key))
    run(store.insert_alias(new_alias("alias/mine", key)))
    key = run(store.update_key(replace(key, description="pending deletion")))
    assert run(store.find_key(key.region, key.key_id)) == key  # a reader is open
    files = list(path.parent.iterdir())
    assert any(token in file.read_bytes() for file in files)
    run(store.destroy_key(key))
    assert not any(token in file.read_bytes() for file in path.parent.iterdir())


def test_open_store_on_a_file_system_that_is_read_only_is_refused_with_a_sentence(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this host lets nobody mount a file system of his own")
    directory = tmp_path / "data"
    prepare_database(directory / "strongroom.db", ballast_bytes=0)
    program = (
        "import sys; from pathlib import Path; from strongroom.store.opening import prepare_database\n"
        "from strongroom.store.interface import StoreUnavailable\n"
        "try: prepare_database(Path(sys.argv[1]))\n"
        "except StoreUnavailable as error: print(error)"
    )
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1/strongroom.db"'
    done = subprocess.run(
        [*own_mounts()[:4], "sh", "-c", script, "sh", str(directory), sys.executable, program],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "the database file cannot be used: Read-only file system"
