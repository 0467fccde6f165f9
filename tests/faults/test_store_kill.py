"""A writing process is killed at random moments: what it acknowledged is there, and nothing is half done.

Killing proves that commits are whole and that acknowledgements come after them. It does not prove
that they were flushed: for that the power must be cut (docs/decisions/0005-store.md).
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import sqlite3
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.support.store_records import CREATED_AT, REGION, FixedClock, new_alias, new_key, new_material

from strongroom.resources.identifiers import KeyId, MaterialId
from strongroom.store.opening import open_store, prepare_database
from strongroom.store.stamps import Stamps, new_stamp_words

ROUNDS = 10
ACK_BYTES = 8


def key_id_of(round_number: int, number: int) -> KeyId:
    return KeyId(f"{round_number:08x}-{number:04x}-4000-8000-000000000000")


def write_until_killed(path: Path, round_number: int, acks: int) -> None:
    """Inserts keys; updates each once (a second material and tag with it); acknowledges each step."""
    store = open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)

    async def main() -> None:
        for number in count():
            key = new_key(key_id_of(round_number, number), tags={"step": "1"})
            await store.insert_key(key)
            os.write(acks, (2 * number + 1).to_bytes(ACK_BYTES, "big"))
            second = new_material(b"second", 2)
            materials = {**key.materials, second.material_id: second}
            await store.update_key(
                replace(key, materials=materials, current_material_id=second.material_id, tags={"step": "2"})
            )
            await store.insert_alias(new_alias(f"alias/{key.key_id}", key))
            os.write(acks, (2 * number + 2).to_bytes(ACK_BYTES, "big"))

    asyncio.run(main())


def kill_at_a_random_moment(path: Path, round_number: int) -> int:
    """The number of the last step that was acknowledged."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(readable)
            write_until_killed(path, round_number, writable)
        finally:
            os._exit(1)
    os.close(writable)
    try:
        ready, _, _ = select.select([readable], [], [], 30)
        assert ready, "the writer did not begin"
        time.sleep(random.uniform(0.0, 0.15))
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    received = b""
    while chunk := os.read(readable, 65536):
        received += chunk
    os.close(readable)
    return int.from_bytes(received[-ACK_BYTES:], "big")


def test_writer_killed_ten_times_loses_nothing_acknowledged_and_leaves_nothing_half_done(
    tmp_path: Path,
) -> None:
    """INVARIANT S1."""
    path = tmp_path / "data" / "strongroom.db"
    prepare_database(path, ballast_bytes=0)
    acknowledged = [kill_at_a_random_moment(path, number) for number in range(ROUNDS)]
    assert sum(acknowledged) > ROUNDS

    store = open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)

    async def versions_of(round_number: int) -> list[int]:
        versions: list[int] = []
        for number in count():
            key = await store.find_key(REGION, key_id_of(round_number, number))
            if key is None:
                return versions
            whole = (len(key.materials), dict(key.tags), key.current_material_id)
            assert whole == (key.version, {"step": str(key.version)}, MaterialId(f"{key.version:064x}"))
            versions.append(key.version)
        raise AssertionError("count ends")

    for round_number, last in enumerate(acknowledged):
        versions = asyncio.run(versions_of(round_number))
        # Every step that was acknowledged, and at most the one that was under way.
        assert last <= sum(versions) <= last + 1
        for number in range(last // 2):
            assert asyncio.run(store.count_aliases_of(REGION, key_id_of(round_number, number))) == 1
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
