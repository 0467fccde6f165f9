"""Keys that are slow to make: beside the loop, bounded, confined, and in nobody's way."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.support.running_boundary import (
    KEY_ID,
    MemoryDomainKeyStore,
    RunningBoundary,
    attached_client,
    binding,
    together,
)
from tests.support.strength import promised
from tests.unit.boundary.test_boundary_process import read_frame, require_served

from strongroom.boundary.client import BoundaryClient
from strongroom.boundary.interface import BoundaryBusy, BoundaryUnavailable, GeneratedKey
from strongroom.boundary.messages import (
    SLOW_KEY_SPECS,
    Opcode,
    Status,
    render_count,
    render_fields,
    render_frame,
)
from strongroom.boundary.slow_work import NICENESS, THREADS, WAITING_MAX, Deferred, SlowWork, Task
from strongroom.boundary.software.module import SLOW_SPECS

AAD = b"\x80"
NICENESS_MAX = 19
RSA_4096 = replace(binding(), key_spec="RSA_4096", key_usage="SIGN_VERIFY")
Test = Callable[[RunningBoundary], Coroutine[Any, Any, None]]


def run_with_boundary(tmp_path: Path, test: Test) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 120))


def test_encryptions_stay_fast_while_rsa_keys_are_made(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        made: list[GeneratedKey | BaseException] = []

        async def make_keys() -> None:
            made.extend(await together(client.generate_key(RSA_4096) for _ in range(6)))

        making = asyncio.create_task(make_keys())
        await asyncio.sleep(0.01)
        started_at = time.monotonic()
        seconds: list[float] = []
        while not making.done():
            sent_at = time.monotonic()
            await client.encrypt(token, KEY_ID, b"x", AAD)
            seconds.append(time.monotonic() - sent_at)
            await asyncio.sleep(0.005)
        took = time.monotonic() - started_at
        await making
        assert [type(key) for key in made] == [GeneratedKey] * 6
        assert took > 0.3  # else nothing was slow, and the test showed nothing
        assert len(seconds) >= 20
        seconds.sort()
        assert seconds[len(seconds) * 99 // 100] < promised(0.1, among_others=1.0)
        assert seconds[len(seconds) // 2] < promised(0.02, among_others=0.2)
        client.close()

    run_with_boundary(tmp_path, test)


def test_keys_beyond_the_bound_are_refused_as_busy_and_the_others_are_made(tmp_path: Path) -> None:
    spec = replace(binding(), key_spec="RSA_2048", key_usage="SIGN_VERIFY")

    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        await client.generate_key(binding())
        outcomes = await together(client.generate_key(spec) for _ in range(THREADS + WAITING_MAX + 20))
        made = sum(type(outcome) is GeneratedKey for outcome in outcomes)
        busy = sum(type(outcome) is BoundaryBusy for outcome in outcomes)
        assert made + busy == len(outcomes)
        assert made >= THREADS + WAITING_MAX
        assert busy >= 1
        assert type(await client.generate_key(spec)) is GeneratedKey  # and room again
        client.close()

    run_with_boundary(tmp_path, test)


def test_first_rsa_key_of_a_region_makes_its_domain_key_first(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        client = attached_client(boundary, store)
        key = await client.generate_key(replace(binding(), key_spec="RSA_2048", key_usage="SIGN_VERIFY"))
        assert store.inserts == 1
        await client.get_public_key(key.exported_token, KEY_ID)
        client.close()

    run_with_boundary(tmp_path, test)


def test_key_that_takes_longer_than_its_caller_waits_fails_that_call_only(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        hasty = BoundaryClient(asyncio.get_running_loop(), MemoryDomainKeyStore(), key_pair_seconds=0.01)
        hasty.attach(boundary.new_channel())
        await hasty.generate_random(1)
        token = (await client.generate_key(binding())).exported_token
        outcomes = await together([hasty.generate_key(RSA_4096)])
        assert [type(outcome) for outcome in outcomes] == [BoundaryUnavailable]
        assert await hasty.generate_random(8)
        assert await client.encrypt(token, KEY_ID, b"x", AAD)
        client.close()
        hasty.close()

    run_with_boundary(tmp_path, test)


def test_client_that_leaves_before_its_key_is_made_costs_the_others_nothing(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        good, leaving = boundary.new_channel(), boundary.new_channel()
        region = b"eu-central-1"
        good.sendall(render_frame(1, Opcode.CREATE_DOMAIN_KEY, render_fields(region, render_count(1))))
        _, status, created = read_frame(good)
        assert status == Status.OK
        good.sendall(render_frame(2, Opcode.LOAD_DOMAIN_KEY, render_fields(created[16:], b"\x00\x01")))
        assert read_frame(good)[1] == Status.OK
        fields = (b"1" * 12, region, KEY_ID.encode(), b"RSA_3072", b"SIGN_VERIFY", b"AWS_KMS")
        for call_id in range(6):
            leaving.sendall(render_frame(call_id, Opcode.GENERATE_KEY, render_fields(*fields)))
        require_served(good)
        leaving.close()
        require_served(good)
        good.sendall(render_frame(3, Opcode.GENERATE_KEY, render_fields(*fields)))
        good.settimeout(60)
        assert read_frame(good)[:2] == (3, Status.OK)
        require_served(good)
        assert boundary.stop() == b""


def test_every_thread_of_the_process_is_confined(tmp_path: Path) -> None:
    """INVARIANT B8, for the threads too; what Landlock does to them is tried in test_sandbox.py."""
    with RunningBoundary(tmp_path / "key") as boundary:
        require_served(boundary.new_channel())
        tasks = list(Path(f"/proc/{boundary.process.pid}/task").iterdir())
        assert len(tasks) == 1 + THREADS
        nicenesses = []
        for task in tasks:
            lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
            assert lines["NoNewPrivs"].strip() == "1"
            if lines["Seccomp"].strip() == "0":
                pytest.skip("this host does not allow a seccomp filter")
            assert lines["Seccomp"].strip() == "2"
            nicenesses.append(int((task / "stat").read_text().rpartition(")")[2].split()[16]))
        loop, *threads = sorted(nicenesses)
        assert loop == os.getpriority(os.PRIO_PROCESS, boundary.process.pid)
        assert threads == [min(loop + NICENESS, NICENESS_MAX)] * THREADS


@pytest.mark.parametrize("niceness", [3, NICENESS, NICENESS_MAX - 1])
def test_slow_work_of_a_process_with_a_lower_priority_still_gives_way_to_its_loop(niceness: int) -> None:
    """A thread of Linux has a niceness of its own, which the threads that it starts inherit."""
    seen: list[int] = []

    def loop() -> None:
        before = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(before, niceness))
        work = SlowWork(lambda line: None, threads=1)
        work.start()
        assert work.submit(task_of(lambda: str(os.getpriority(os.PRIO_PROCESS, 0)).encode()))
        (done,) = wait_for(work)
        seen.extend((os.getpriority(os.PRIO_PROCESS, 0), int(done.result or b"-1")))

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    (of_loop, of_work) = seen
    assert of_work == min(of_loop + NICENESS, NICENESS_MAX)


def test_specs_that_callers_wait_longer_for_are_those_that_are_made_beside_the_loop() -> None:
    assert SLOW_SPECS == SLOW_KEY_SPECS


def wait_for(work: SlowWork) -> list[Task]:
    poll = select.poll()
    poll.register(work.fileno(), select.POLLIN)
    assert poll.poll(10_000)
    return work.take_done()


def task_of(make: Callable[[], bytes], owner: object = None, wanted: bool = True) -> Task:
    return Task(Deferred(make, lambda result: result), owner, lambda: wanted)


def test_slow_work_gives_results_in_another_thread_and_wakes_the_loop() -> None:
    work = SlowWork(lambda line: None, threads=1)
    work.start()
    assert work.take_done() == []
    assert work.submit(task_of(lambda: str(threading.get_ident()).encode(), "owner"))
    (done,) = wait_for(work)
    assert done.owner == "owner"
    assert done.result is not None
    assert int(done.result) != threading.get_ident()
    assert work.take_done() == []


def test_slow_work_that_fails_has_no_result_and_logs_no_text() -> None:
    lines: list[str] = []
    work = SlowWork(lines.append, threads=1)
    work.start()

    def fail() -> bytes:
        raise RuntimeError("hunter2")

    assert work.submit(task_of(fail))
    (done,) = wait_for(work)
    assert done.result is None
    assert len(lines) == 1
    assert "RuntimeError" in lines[0]
    assert "hunter2" not in lines[0]


def test_slow_work_that_nobody_waits_for_is_not_begun() -> None:
    work = SlowWork(lambda line: None, threads=1)
    work.start()
    assert work.submit(task_of(lambda: b"made", wanted=False))
    (done,) = wait_for(work)
    assert done.result is None


def test_slow_work_beyond_the_bound_is_not_taken() -> None:
    work = SlowWork(lambda line: None, threads=1, waiting_max=2)
    work.start()
    reader, writer = os.pipe()
    taken = [work.submit(task_of(lambda: os.read(reader, 1))) for _ in range(5)]
    assert taken == [True, True, True, False, False]
    os.write(writer, b"123")
    done: list[Task] = []
    while len(done) < 3:
        done += wait_for(work)
    assert sorted(task.result or b"" for task in done) == [b"1", b"2", b"3"]
    assert work.submit(task_of(lambda: b"again"))
    assert wait_for(work)[0].result == b"again"
    os.close(reader)
    os.close(writer)
