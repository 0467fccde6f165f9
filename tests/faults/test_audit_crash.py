"""The real audit writer, killed and starved: what was acknowledged is in the chain, exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.audit_writer import SOURCES, WriterProcess, read_names, record

from strongroom.audit.client import AuditClient
from strongroom.audit.interface import AuditUnavailable
from strongroom.audit.messages import ANSWER, render_batch, render_greeting
from strongroom.audit.verify import verify

ROUNDS = 20


@contextlib.asynccontextmanager
async def attached(writer: WriterProcess, count: int = 1) -> AsyncIterator[list[AuditClient]]:
    clients = [AuditClient(asyncio.get_running_loop(), False) for _ in range(count)]
    for client in clients:
        client.attach(writer.open_channel())
    yield clients


def test_writer_started_answers_ready_and_stops_clean_when_the_supervisor_closes(tmp_path: Path) -> None:
    with WriterProcess(tmp_path / "audit") as writer:
        assert writer.answer[:1] == b"R"
        assert writer.stop() == 0
    report = verify(tmp_path / "audit")
    assert report.is_sound
    assert report.records == 0


def test_writer_on_a_damaged_trail_says_so_and_exits(tmp_path: Path) -> None:
    with WriterProcess(tmp_path / "audit") as writer:
        writer.stop()
    (tmp_path / "audit" / "head").write_bytes(b"nonsense")
    with WriterProcess(tmp_path / "audit") as writer:
        assert writer.answer == b"EThe audit trail is damaged: the head file is damaged."
        assert writer.process.wait(10) == 1


def test_writer_ignores_signals_to_the_group_and_goes_with_the_control_socket(tmp_path: Path) -> None:
    with WriterProcess(tmp_path / "audit") as writer:
        for number in (1, 2, 15):
            os.kill(writer.process.pid, number)
        time.sleep(0.1)
        assert writer.process.poll() is None
        assert writer.stop() == 0


def test_writer_two_workers_interleaved_are_in_one_chain_each_in_order(tmp_path: Path) -> None:
    async def run() -> None:
        with WriterProcess(tmp_path / "audit") as writer:
            async with attached(writer, 2) as (first, second):
                for number in range(300):
                    first.soon(record(f"a-{number}"))
                    second.soon(record(f"b-{number}"))
                    if number % 10 == 0:
                        await asyncio.gather(
                            _wait(first, f"a-durable-{number}"), _wait(second, f"b-durable-{number}")
                        )
                await first.close()
                await second.close()
            assert writer.stop() == 0

    asyncio.run(run())
    report = verify(tmp_path / "audit")
    assert report.problem is None
    assert report.records == 660
    names = read_names(tmp_path / "audit")
    for worker in "ab":
        own = [name for name in names if name.startswith(worker)]
        expected: list[str] = []
        for number in range(300):
            expected.append(f"{worker}-{number}")
            if number % 10 == 0:
                expected.append(f"{worker}-durable-{number}")
        assert own == expected
    assert names != sorted(names), "the two are interleaved"


async def _wait(client: AuditClient, name: str) -> None:
    await client.durably(record(name))


@pytest.mark.parametrize("mode", ["durable", "batched"])
def test_writer_killed_under_load_every_acknowledged_record_is_there_once(tmp_path: Path, mode: str) -> None:
    """INVARIANT A1 and A5: 20 times kill -9 at an arbitrary moment."""
    directory = tmp_path / "audit"
    acknowledged: set[str] = set()
    accepted: set[str] = set()
    refused = 0

    async def load(client: AuditClient, worker: str, stop: asyncio.Event) -> None:
        nonlocal refused
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{worker}-{number}"
            try:
                if number % 3:
                    await client.durably(record(name, number % 700))
                    acknowledged.add(name)
                else:
                    client.soon(record(name, number % 700))
                    accepted.add(name)
                    await asyncio.sleep(0)
            except AuditUnavailable:
                refused += 1
                await asyncio.sleep(0.001)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        clients = [AuditClient(loop, False) for _ in range(2)]
        stop = asyncio.Event()
        tasks = [
            loop.create_task(load(client, f"{index}-{task}", stop))
            for index, client in enumerate(clients)
            for task in range(8)
        ]
        for round_number in range(ROUNDS):
            with WriterProcess(directory, mode) as writer:
                assert writer.answer[:1] == b"R", writer.answer
                for client in clients:
                    client.attach(writer.open_channel())
                await asyncio.sleep(0.05 + 0.013 * (round_number % 7))
                writer.kill()
                await asyncio.sleep(0.005)
        with WriterProcess(directory) as writer:
            assert writer.answer[:1] == b"R"
            for client in clients:
                client.attach(writer.open_channel())
            await asyncio.sleep(0.05)
            stop.set()
            await asyncio.gather(*tasks)
            for client in clients:
                await client.close(10)
            assert writer.stop() == 0

    asyncio.run(run())
    report = verify(directory)
    assert report.problem is None
    times = Counter(read_names(directory))
    assert {name for name, count in times.items() if count > 1} == set(), "written twice"
    assert acknowledged - set(times) == set(), "acknowledged and not there"
    assert accepted - set(times) == set(), "accepted and not there"
    assert len(acknowledged) > 500
    assert refused > 0, "the kills were noticed"


def test_writer_killed_after_writing_and_before_answering_writes_the_batch_once(tmp_path: Path) -> None:
    """INVARIANT A5: the respawned writer knows the batch by worker and number."""
    frame = render_batch(7, [record("once")], durable=True)
    for _ in range(3):
        with WriterProcess(tmp_path / "audit") as writer, writer.open_channel() as channel:
            channel.sendall(render_greeting(b"w" * 16, 7) + frame)
            assert channel.recv(9) == ANSWER.pack(7, 0)
            writer.kill()  # to the worker it is as if the answer had never come: it sends the batch again
    assert read_names(tmp_path / "audit") == ["once"]


def test_writer_batch_out_of_order_is_not_written(tmp_path: Path) -> None:
    with WriterProcess(tmp_path / "audit") as writer, writer.open_channel() as channel:
        channel.sendall(render_greeting(b"w" * 16, 1) + render_batch(2, [record("two")], durable=True))
        assert channel.recv(9) == ANSWER.pack(2, 1)
        channel.sendall(render_batch(1, [record("one")], durable=True))
        assert channel.recv(9) == ANSWER.pack(1, 0)
    assert read_names(tmp_path / "audit") == ["one"]


def test_writer_hostile_channel_is_closed_and_others_go_on(tmp_path: Path) -> None:
    """INVARIANT A4: a worker that was taken over harms its own channel only."""
    with WriterProcess(tmp_path / "audit") as writer:
        with writer.open_channel() as hostile, writer.open_channel() as channel:
            forged = record("good") + b'\n{"chain":1,"block":1}'
            hostile.sendall(render_greeting(b"h" * 16, 1) + render_batch(1, [forged], durable=True))
            assert hostile.recv(9) == b""
            channel.sendall(render_greeting(b"w" * 16, 1) + render_batch(1, [record("one")], durable=True))
            assert channel.recv(9) == ANSWER.pack(1, 0)
        assert writer.stop() == 0
    assert read_names(tmp_path / "audit") == ["one"]
    assert verify(tmp_path / "audit").is_sound


def test_writer_worker_that_reads_no_answers_does_not_stop_the_others(tmp_path: Path) -> None:
    with WriterProcess(tmp_path / "audit") as writer:
        with writer.open_channel() as deaf, writer.open_channel() as channel:
            deaf.settimeout(0.5)
            sent = 0
            with contextlib.suppress(TimeoutError):
                deaf.sendall(render_greeting(b"d" * 16, 1))
                for sent in range(1, 200_000):
                    deaf.sendall(render_batch(sent, [record("x")], durable=False))
            assert sent < 199_999, "a worker that reads nothing must come to be read no more"
            channel.settimeout(5)
            channel.sendall(render_greeting(b"w" * 16, 1) + render_batch(1, [record("one")], durable=True))
            assert channel.recv(9) == ANSWER.pack(1, 0)
        assert writer.stop() == 0
    assert verify(tmp_path / "audit").is_sound


def test_verify_while_the_writer_writes_finds_nothing_wrong(tmp_path: Path) -> None:
    async def run() -> None:
        with WriterProcess(tmp_path / "audit") as writer:
            async with attached(writer) as (client,):
                seen = []
                for number in range(60):
                    for part in range(50):
                        client.soon(record(f"{number}-{part}", 400))
                    await client.durably(record(f"{number}"))
                    report = await asyncio.to_thread(verify, tmp_path / "audit")
                    assert report.problem is None
                    assert report.is_live
                    seen.append(report.records)
                assert seen == sorted(seen)
                await client.close()

    asyncio.run(run())


def test_copy_made_while_the_writer_writes_holds_and_can_be_continued(tmp_path: Path) -> None:
    """By tar, the head file first: a copy that is made piece by piece while blocks are written over room."""
    directory = tmp_path / "audit"
    copies = [tmp_path / f"copy-{number}" for number in range(12)]
    acknowledged: list[str] = []
    before: list[int] = []

    async def load(client: AuditClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            name = str(len(acknowledged))
            await client.durably(record(name, 900))
            acknowledged.append(name)
            for part in range(20):
                client.soon(record(f"{name}-{part}", 900))

    async def run() -> None:
        with WriterProcess(directory) as writer:
            async with attached(writer) as (client,):
                stop = asyncio.Event()
                loading = asyncio.create_task(load(client, stop))
                for copy in copies:
                    await asyncio.sleep(0.1)
                    before.append(len(acknowledged))
                    await asyncio.to_thread(_copy_with_tar, directory, copy)
                stop.set()
                await loading
                await client.close()

    asyncio.run(run())
    assert before[-1] > before[0] > 0
    for copy in copies:
        report = verify(copy)
        assert report.problem is None, copy.name
        with WriterProcess(copy) as writer:
            assert writer.answer[:1] == b"R", writer.answer
            assert writer.stop() == 0
        after = verify(copy)
        assert (after.problem, after.unfinished_bytes) == (None, 0)
        assert after.records >= report.records


def _copy_with_tar(directory: Path, copy: Path) -> None:
    copy.mkdir()
    names = ["head", *(path.name for path in sorted(directory.glob("*.jsonl")))]
    packed = subprocess.run(["tar", "-cf", "-", *names], cwd=directory, stdout=subprocess.PIPE, check=False)
    assert packed.returncode in (0, 1), "1: a file changed while it was read"
    subprocess.run(["tar", "-xf", "-"], cwd=copy, input=packed.stdout, check=True)


WORKER = """
import asyncio, socket, sys
from strongroom.audit.client import AuditClient
from tests.support.audit_writer import record

async def run(descriptor, name, count):
    client = AuditClient(asyncio.get_running_loop(), False)
    client.attach(socket.socket(fileno=descriptor))
    for number in range(count):
        if number % 50:
            client.soon(record(f"{name}-{number}", 900))
        else:
            await client.durably(record(f"{name}-{number}", 900))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await client.close(20)

asyncio.run(run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""


def test_writer_four_worker_processes_soak_all_records_are_there_once(tmp_path: Path) -> None:
    count = 5000
    with WriterProcess(tmp_path / "audit") as writer:
        workers = []
        for name in "abcd":
            channel = writer.open_channel()
            workers.append(
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, str(channel.fileno()), name, str(count)],
                    pass_fds=[channel.fileno()],
                    env={**os.environ, "PYTHONPATH": f"{SOURCES}:{SOURCES.parent}"},
                )
            )
            channel.close()
        for worker in workers:
            assert worker.wait(60) == 0
        assert writer.stop() == 0
    report = verify(tmp_path / "audit")
    assert report.problem is None
    assert report.records == 4 * count
    assert set(Counter(read_names(tmp_path / "audit")).values()) == {1}


@pytest.mark.parametrize("arguments", [[], ["--control-fd"], ["--control-fd", "x"], ["--other", "3"]])
def test_writer_with_wrong_arguments_exits_with_usage(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "strongroom.audit.process", *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert result.returncode == 1
    assert b"usage" in result.stderr
