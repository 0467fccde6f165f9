"""INVARIANT S2 between real processes that share stamps made before the fork."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import CREATED_AT, FixedClock, new_access_key, new_key

from strongroom.aws.generated.enums import KeyState
from strongroom.resources.key import Key
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import CLOCK_WORD, Stamps, new_stamp_words

PROCESSES = multiprocessing.get_context("fork")
WAIT_SECONDS = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "strongroom.db"
    new_database(path)
    return path


@contextmanager
def opened(path: Path, stamps: Stamps) -> Iterator[SqlStore]:
    store = open_store(new_database(path), stamps, FixedClock(CREATED_AT), ballast_bytes=0)
    try:
        yield store
    finally:
        store.close()


def serve(path: Path, stamps: Stamps, commands: Connection) -> None:
    """A worker: does what it is told until it is told nothing more."""
    with opened(path, stamps) as store:
        while (command := commands.recv()) is not None:
            method, *arguments = command
            result: Any = asyncio.run(getattr(store, method)(*arguments))
            if isinstance(result, Key):  # a record's mappings are views, which do not travel
                result = (result.version, result.key_state)
            commands.send(result)


@contextmanager
def workers(path: Path, stamps: Stamps, count: int) -> Iterator[list[Connection]]:
    pipes = [PROCESSES.Pipe() for _ in range(count)]
    running = [PROCESSES.Process(target=serve, args=(path, stamps, theirs)) for _, theirs in pipes]
    for process in running:
        process.start()
    try:
        yield [ours for ours, _ in pipes]
    finally:
        for ours, _ in pipes:
            ours.send(None)
        for process in running:
            process.join(WAIT_SECONDS)
            if process.is_alive():
                process.kill()


def ask(worker: Connection, *command: object) -> Any:
    worker.send(command)
    assert worker.poll(WAIT_SECONDS), "the worker did not answer"
    return worker.recv()


def test_find_key_in_four_processes_right_after_another_disabled_it_gives_the_new_state(path: Path) -> None:
    """INVARIANT S2."""
    stamps = Stamps(new_stamp_words())
    key = new_key()
    with workers(path, stamps, 4) as team:
        ask(team[0], "insert_key", key)
        for round_number in range(40):
            for worker in team:  # all remember it
                assert ask(worker, "find_key", key.region, key.key_id)[0] == round_number + 1
            state = KeyState.DISABLED if round_number % 2 == 0 else KeyState.ENABLED
            changed = replace(key, key_state=state, version=round_number + 1)
            stored = ask(team[round_number % 4], "update_key", changed)
            assert stored == (round_number + 2, state)
            for worker in team:
                assert ask(worker, "find_key", key.region, key.key_id) == stored


def test_find_access_key_in_four_processes_right_after_it_was_made_inactive_gives_that(path: Path) -> None:
    """INVARIANT S2."""
    with workers(path, Stamps(new_stamp_words()), 4) as team:
        for round_number in range(20):
            access_key = new_access_key(active=round_number % 2 == 0)
            ask(team[round_number % 4], "put_access_key", access_key)
            for worker in team:
                assert ask(worker, "find_access_key", access_key.access_key_id) == access_key


def test_processes_without_common_stamps_answer_from_older_rows(path: Path) -> None:
    """That the two tests above can fail: each worker has stamps of its own."""
    key = new_key()
    with (
        workers(path, Stamps(new_stamp_words()), 1) as one,
        workers(path, Stamps(new_stamp_words()), 1) as two,
    ):
        ask(one[0], "insert_key", key)
        ask(two[0], "find_key", key.region, key.key_id)
        ask(one[0], "update_key", replace(key, key_state=KeyState.DISABLED))
        assert ask(two[0], "find_key", key.region, key.key_id) == (1, KeyState.ENABLED)


def hunt(path: Path, stamps: Stamps, key: Key, seconds: float, findings: Connection) -> None:
    """Reads without pause; reports what was older than the newest write that had returned before."""

    async def main() -> tuple[int, int]:
        reads = stale = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            returned = stamps.words[CLOCK_WORD]
            found = await store.find_key(key.region, key.key_id)
            assert found is not None
            reads += 1
            stale += found.version < returned
        return reads, stale

    with opened(path, stamps) as store:
        findings.send(asyncio.run(main()))


def test_find_key_in_a_race_with_a_writer_is_never_older_than_a_returned_write(path: Path) -> None:
    """INVARIANT S2: the word kept for the clock serves as the ledger of returned versions."""
    stamps = Stamps(new_stamp_words())
    key = new_key()
    with opened(path, stamps) as store:
        asyncio.run(store.insert_key(key))
    stamps.words[CLOCK_WORD] = 1
    ours, theirs = PROCESSES.Pipe(duplex=False)
    hunters = [PROCESSES.Process(target=hunt, args=(path, stamps, key, 2.0, theirs)) for _ in range(2)]
    for hunter in hunters:
        hunter.start()

    async def write_until_hunters_end(store: SqlStore) -> int:
        current = key
        while any(hunter.is_alive() for hunter in hunters):
            current = await store.update_key(current)
            stamps.words[CLOCK_WORD] = current.version
        return current.version

    with opened(path, stamps) as store:
        versions = asyncio.run(write_until_hunters_end(store))
    reports = [ours.recv() for _ in hunters]
    assert versions > 50
    assert all(reads > 1000 for reads, _ in reports)
    assert [stale for _, stale in reports] == [0, 0]
