"""kill -9 in the middle of a re-wrapping: of the job runner, then of the whole server. Nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.support.server import REGION, Server
from tests.support.strength import count

KEYS = count("REWRAPPED_KEYS", few=60, many=200)
MOVED_SECONDS = 90_000
"""Past the next rotation."""
DONE_SECONDS_MAX = 60.0 + KEYS / 5
"""A pass rests far longer than it works."""


def split(database: Path) -> tuple[int, int]:
    """How many tokens of key material the newest domain key wraps, and how many an older one."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (newest,) = connection.execute(
            "SELECT domain_key_id FROM domain_keys WHERE region = ? ORDER BY generation DESC LIMIT 1",
            (REGION,),
        ).fetchone()
        moved, everything = connection.execute(
            "SELECT sum(substr(exported_token, 3, 16) = ?), count(*) FROM key_materials", (newest,)
        ).fetchone()
    return moved, everything - moved


def wait_until_midway(database: Path) -> None:
    """Some tokens have moved, and some have not."""
    deadline = time.monotonic() + DONE_SECONDS_MAX
    while time.monotonic() < deadline:
        moved, left = split(database)
        if moved and left and moved < KEYS:
            return
        time.sleep(0.002)
    raise TimeoutError("the re-wrapping was never seen midway")


def wait_until_done(database: Path) -> None:
    deadline = time.monotonic() + DONE_SECONDS_MAX
    while split(database)[1]:
        assert time.monotonic() < deadline, "tokens were left under an older domain key"
        time.sleep(0.05)


def move_clock(server: Server) -> None:
    """Nobody waits for the answer: who answers is killed."""
    with contextlib.suppress(OSError, HTTPException):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/_strongroom/clock", b'{"advance_seconds": %d}' % MOVED_SECONDS)
        connection.getresponse().read()
        connection.close()


def kill_workers_and_jobs(server: Server) -> None:
    """The worker that moved the clock has made the domain key, the job runner re-wraps."""
    for title, pids in server.processes().items():
        if "worker" in title or "jobs" in title:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_rewrapping_killed_midway_goes_on_and_every_blob_opens(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    database = data_dir / "strongroom.db"
    with Server(data_dir=data_dir) as server, ThreadPoolExecutor(8) as callers:
        kms = server.client()

        def make(_: int) -> bytes:
            key_id = kms.create_key()["KeyMetadata"]["KeyId"]
            return bytes(kms.encrypt(KeyId=key_id, Plaintext=key_id.encode())["CiphertextBlob"])

        blobs = list(callers.map(make, range(KEYS)))
        for _ in range(2):
            moving = threading.Thread(target=move_clock, args=(server,))
            moving.start()
            wait_until_midway(database)
            kill_workers_and_jobs(server)
            moving.join()
            wait_until_done(database)
        moving = threading.Thread(target=move_clock, args=(server,))
        moving.start()
        wait_until_midway(database)
        server.kill()
        moving.join()
    moved, left = split(database)
    assert moved + left == KEYS
    with Server(data_dir=data_dir) as server, ThreadPoolExecutor(8) as callers:
        kms = server.client()

        def opens(blob: bytes) -> bool:
            opened = kms.decrypt(CiphertextBlob=blob)
            return bool(opened["KeyId"].encode().endswith(opened["Plaintext"]))

        assert all(callers.map(opens, blobs))
        wait_until_done(database)
        assert all(callers.map(opens, blobs))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        generations = connection.execute(
            "SELECT count(*), max(generation) FROM domain_keys WHERE region = ?", (REGION,)
        ).fetchone()
    assert generations == (4, 4)
