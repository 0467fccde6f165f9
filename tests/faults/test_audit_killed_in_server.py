"""The audit writer, a worker, or the job runner dies, or the boundary hangs, under load in a whole server."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.support.load import (
    Caller,
    KmsConnection,
    Load,
    Outcome,
    all_served_again_seconds,
    first_success_seconds,
    load_on,
    render_milliseconds,
    round_trip,
    serving_process,
    wait_until_served,
)
from tests.support.server import STRONGROOM, Server
from tests.support.strength import count, promised

KILLS = count("KILLS", few=4, many=10)
CONNECTIONS = 6
RECOVERY_SECONDS_MEDIAN_MAX = promised(1.0, among_others=10.0)
ANSWER_SECONDS_MAX = promised(3.0, among_others=10.0)
HUNG_ANSWER_SECONDS_MAX = promised(8.0, among_others=13.0)
"""A call waits five seconds for the boundary, and the domain key may have to be asked for."""
CHANGES = ("UpdateKeyDescription", "DisableKey", "EnableKey")


def change_and_use(caller: Caller) -> None:
    """Mostly changes, whose record is on disk before their answer; some uses of the key."""
    if random.random() < 0.3:
        round_trip(caller)
        return
    # The same caller alone changes this key, so the last acknowledged text is what must be there.
    text = f"{random.getrandbits(64):x}"
    before = caller.kept.get("texts", {""})
    caller.kept["texts"] = before | {text}
    if caller.call("UpdateKeyDescription", KeyId=caller.key_id, Description=text) is not None:
        caller.kept["texts"] = {text}


def kill_under_load(server: Server, load: Load, kind: str) -> list[float]:
    """Kill a process of one kind again and again; the instants."""
    killed_at = []
    for _ in range(KILLS):
        time.sleep(random.uniform(0.6, 0.9))
        pid = serving_process(server, kind)
        killed_at.append(time.monotonic())
        os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    load.stop()
    return killed_at


def count_records(data_dir: Path) -> Counter[str]:
    """How often each request is in the trail."""
    counted: Counter[str] = Counter()
    for segment in sorted((data_dir / "audit").glob("*.jsonl")):
        for line in segment.read_bytes().rstrip(b"\0").splitlines():
            record = json.loads(line)
            if "requestID" in record:
                counted[record["requestID"]] += 1
    return counted


def check_trail(data_dir: Path) -> None:
    verified = subprocess.run(
        [STRONGROOM, "audit", "verify", "--data-dir", str(data_dir)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr


def check_records(data_dir: Path, acknowledged: list[Outcome]) -> None:
    """Every one of these answers has exactly one record, and no request has two."""
    counted = count_records(data_dir)
    assert [outcome for outcome in acknowledged if counted[outcome.request_id] != 1] == []
    assert set(counted.values()) == {1}


def check_descriptions(server: Server, load: Load) -> None:
    with KmsConnection(server.port) as connection:
        for caller in load.callers:
            response = connection.call("DescribeKey", KeyId=caller.key_id)
            assert response.status == 200
            assert response.json["KeyMetadata"]["Description"] in caller.kept.get("texts", {""})


def print_figures(
    capsys: pytest.CaptureFixture[str], what: str, load: Load, killed_at: list[float]
) -> list[float]:
    """Print how long recovery took; returns, for each kill, when every connection was served again."""
    outcomes = load.outcomes
    failed = [outcome for outcome in outcomes if outcome.status == 500]
    again = [all_served_again_seconds(load, at) for at in killed_at]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills of {what}: {len(outcomes)} calls, {len(failed)} answered 500, "
            f"{sum(outcome.status == 0 for outcome in outcomes)} connections ended"
            f"\n  first success after "
            f"{render_milliseconds([first_success_seconds(load, at) for at in killed_at])}"
            f"\n  every connection served after {render_milliseconds(again)}"
            f"\n  answers {render_milliseconds([outcome.seconds for outcome in outcomes])}\n"
        )
    return again


@pytest.mark.slow
def test_audit_writer_killed_under_load_loses_no_acknowledged_record_and_recovers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests fail or wait meanwhile; also the `soon` records of uses are all there, none twice."""
    data_dir = tmp_path / "data"
    with Server("--workers", "2", data_dir=data_dir) as server:
        with load_on(server, CONNECTIONS, change_and_use) as load:
            killed_at = kill_under_load(server, load, "audit")
        check_descriptions(server, load)
    again = print_figures(capsys, "the audit writer", load, killed_at)
    assert load.faults == []
    assert [outcome for outcome in load.outcomes if outcome.status == 500]
    assert not [outcome for outcome in load.outcomes if outcome.status == 0]
    assert max(outcome.seconds for outcome in load.outcomes) < ANSWER_SECONDS_MAX
    assert statistics.median(again) <= RECOVERY_SECONDS_MEDIAN_MAX
    check_trail(data_dir)
    check_records(data_dir, [outcome for outcome in load.outcomes if outcome.status == 200])


@pytest.mark.slow
def test_audit_writer_killed_in_durable_mode_every_answer_has_its_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    with Server("--workers", "2", "--audit", "durable", data_dir=data_dir) as server:
        with load_on(server, CONNECTIONS, change_and_use) as load:
            killed_at = kill_under_load(server, load, "audit")
        check_descriptions(server, load)
    print_figures(capsys, "the audit writer (durable)", load, killed_at)
    assert load.faults == []
    check_trail(data_dir)
    check_records(data_dir, [outcome for outcome in load.outcomes if outcome.status == 200])


@pytest.mark.slow
def test_worker_killed_under_load_loses_no_acknowledged_change_and_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its connections end; the records of uses it had for less than 5 ms may be lost, no change is."""
    data_dir = tmp_path / "data"
    with Server("--workers", "2", data_dir=data_dir) as server:
        with load_on(server, CONNECTIONS, change_and_use) as load:
            killed_at = kill_under_load(server, load, "worker")
        check_descriptions(server, load)
    again = print_figures(capsys, "a worker", load, killed_at)
    assert load.faults == []
    assert [outcome for outcome in load.outcomes if outcome.status == 0]
    assert statistics.median(again) <= RECOVERY_SECONDS_MEDIAN_MAX
    check_trail(data_dir)
    acknowledged = [
        outcome for outcome in load.outcomes if outcome.status == 200 and outcome.operation in CHANGES
    ]
    assert acknowledged
    check_records(data_dir, acknowledged)


@pytest.mark.slow
def test_job_runner_killed_under_load_costs_no_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    with Server("--workers", "2", data_dir=data_dir) as server:
        with load_on(server, CONNECTIONS, change_and_use) as load:
            killed_at = kill_under_load(server, load, "jobs")
        check_descriptions(server, load)
        assert serving_process(server, "jobs")
    print_figures(capsys, "the job runner", load, killed_at)
    assert load.faults == []
    assert {outcome.status for outcome in load.outcomes} == {200, 400}  # 400: forged ciphertexts
    check_trail(data_dir)
    check_records(data_dir, load.outcomes)


@pytest.mark.slow
def test_boundary_that_hangs_answers_with_an_error_in_time_and_serves_again_when_it_wakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server("--workers", "2", data_dir=tmp_path / "data") as server:
        with load_on(server, CONNECTIONS) as load:
            time.sleep(0.5)
            boundary = serving_process(server, "boundary")
            stopped_at = time.monotonic()
            os.kill(boundary, signal.SIGSTOP)
            try:
                time.sleep(6)
            finally:
                os.kill(boundary, signal.SIGCONT)
            woken_at = time.monotonic()
            time.sleep(1.5)
            load.stop()
            again_seconds = all_served_again_seconds(load, woken_at)
        wait_until_served(server, 30)
    met = [o for o in load.outcomes if stopped_at < o.ended_at and o.status not in (200, 400)]
    slowest_seconds = max(outcome.seconds for outcome in load.outcomes)
    with capsys.disabled():
        sys.stdout.write(
            f"\nboundary stopped for 6 s: {len(met)} calls answered {sorted({o.status for o in met})}"
            f" after {render_milliseconds([outcome.seconds for outcome in met])};"
            f" all served {again_seconds * 1000:.0f} ms after it woke\n"
        )
    assert load.faults == []
    assert met
    assert {outcome.status for outcome in met} == {500}
    assert slowest_seconds < HUNG_ANSWER_SECONDS_MAX
    assert again_seconds < RECOVERY_SECONDS_MEDIAN_MAX
