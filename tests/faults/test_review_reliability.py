"""Faults that a reliability review found in a whole server, and that were mended."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.load import KmsConnection, serving_process
from tests.support.server import Server
from tests.support.strength import promised

WRITERS = 20
ANSWER_SECONDS_MAX = promised(15.0, among_others=40.0)
"""Twice and more what the boundary's own time limit allows."""


def in_threads(count: int, work: Callable[[int], None]) -> list[threading.Thread]:
    """Run `work(0)` to `work(count - 1)` at the same time."""
    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_one_key_changed_by_many_callers_at_once_every_change_is_made() -> None:
    """AWS makes such changes one after the other; none is an internal failure."""
    statuses: Counter[int] = Counter()
    with Server("--workers", "2") as server:
        with KmsConnection(server.port) as connection:
            key_id = connection.create_key()

        def change(index: int) -> None:
            with KmsConnection(server.port) as connection:
                for turn in range(10):
                    tags = [{"TagKey": f"tag-{index}", "TagValue": str(turn)}]
                    statuses[connection.call("TagResource", KeyId=key_id, Tags=tags).status] += 1

        for thread in in_threads(WRITERS, change):
            thread.join(60)
    assert statuses == {200: WRITERS * 10}


def test_seal_record_lost_while_there_are_keys_start_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    """Without its seal record the data is lost; a new one over it would lose the next data, too."""
    data = tmp_path / "data"
    with Server(data_dir=data) as server, KmsConnection(server.port) as connection:
        connection.create_key()
    (data / "seal.record").unlink()
    again = Server(data_dir=data)
    try:
        with pytest.raises(RuntimeError, match="seal record"):
            again.start()
    finally:
        again.stop()
    assert not (data / "seal.record").exists()


@pytest.mark.slow
def test_boundary_hung_with_a_full_channel_calls_are_still_answered_in_time() -> None:
    """More than WRITE_BUFFER_BYTES under way, then nothing pending, then one call more."""
    answered: list[int] = []
    plaintext = base64.b64encode(bytes(4096)).decode()
    with Server("--workers", "1") as server:
        with KmsConnection(server.port) as connection:
            key_id = connection.create_key()
        pid = serving_process(server, "boundary")

        def encrypt(_: int) -> None:
            with (
                contextlib.suppress(TimeoutError),
                KmsConnection(server.port, timeout_seconds=ANSWER_SECONDS_MAX) as connection,
            ):
                response = connection.call("Encrypt", KeyId=key_id, Plaintext=plaintext)
                answered.append(response.status)

        os.kill(pid, signal.SIGSTOP)
        try:
            for thread in in_threads(600, encrypt):
                thread.join(ANSWER_SECONDS_MAX)
            assert answered == [500] * 600
            answered.clear()
            in_threads(1, encrypt)[0].join(ANSWER_SECONDS_MAX)
            assert answered == [500]
        finally:
            os.kill(pid, signal.SIGCONT)


def test_standard_output_closed_server_starts_and_stops(tmp_path: Path) -> None:
    """`strongroom dev >&-`, as some service managers start programs."""
    server = Server(data_dir=tmp_path / "data")
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *server.command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=server.environment,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "data" / "seal.record").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert b"Traceback" not in said
    assert process.returncode == 0


@pytest.mark.slow
def test_stop_while_the_audit_writer_hangs_says_what_was_lost_and_fails() -> None:
    """Records that were not confirmed are lost with the worker: a sentence and a bad exit, no traceback."""
    server = Server("--workers", "1")
    with server:
        with KmsConnection(server.port) as connection:
            connection.create_key()
            pid = serving_process(server, "audit")
            os.kill(pid, signal.SIGSTOP)
            connection.call("GenerateRandom", NumberOfBytes=8)
        exit_code = server.stop()
    assert b"Traceback" not in server.logged
    assert exit_code != 0
