"""`strongroom audit verify` beside a running server, after one that stopped or was killed, and on damage."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.load import load_on
from tests.support.server import STRONGROOM, Server

HOLDS = re.compile(r"The audit trail holds: ([0-9]+) records in [0-9]+ blocks\.\n")

OF_THE_SERVER = 2
"""A first start records who opened the seal, and its slots."""


def verify(data_dir: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [STRONGROOM, "audit", "verify", "--data-dir", str(data_dir)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def count_verified(data_dir: Path) -> int:
    """How many records there are, by a verify that must succeed."""
    exit_code, told, refused = verify(data_dir)
    found = HOLDS.match(told)
    assert (exit_code, refused) == (0, "")
    assert found is not None, told
    return int(found.group(1))


def count_signed(data_dir: Path) -> int:
    """Records of the trail's own signatures: one at the stop, and one every minute."""
    segments = (data_dir / "audit").glob("*.jsonl")
    return sum(path.read_bytes().count(b'"eventName":"SignAuditCheckpoint"') for path in segments)


def wait_for_more_than(count: int, data_dir: Path) -> None:
    """Each look on the way succeeds, and none finds fewer records than the one before."""
    deadline = time.monotonic() + 20
    while (found := count_verified(data_dir)) <= count:
        assert found == count
        assert time.monotonic() < deadline, "no records come"


@pytest.mark.slow
def test_verify_holds_while_the_server_writes_after_it_stopped_and_after_a_kill(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Server("--workers", "2", data_dir=data_dir) as server:
        while count_verified(data_dir) < OF_THE_SERVER:
            time.sleep(0.1)
        with load_on(server, 4) as load:
            for _ in range(3):
                wait_for_more_than(count_verified(data_dir), data_dir)
    assert load.faults == []
    stopped = count_verified(data_dir)
    made = OF_THE_SERVER + len(load.callers)  # each caller's key was made before
    assert stopped - count_signed(data_dir) == made + len(load.outcomes)
    with Server("--workers", "2", data_dir=data_dir) as server, load_on(server, 4):
        time.sleep(0.5)
        server.kill()
    assert count_verified(data_dir) > stopped
    segment = data_dir / "audit" / "00000001.jsonl"
    sound = segment.read_bytes()
    segment.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
    exit_code, told, refused = verify(data_dir)
    assert (exit_code, told) == (1, "")
    assert refused.startswith(f"strongroom: The audit trail in {data_dir / 'audit'} does not hold: Block 1 ")
    segment.write_bytes(sound[:2000])
    exit_code, _, refused = verify(data_dir)
    assert exit_code == 1
    assert "Records are missing at the end" in refused


def test_verify_without_a_trail_fails_with_a_sentence_and_makes_nothing(tmp_path: Path) -> None:
    exit_code, told, refused = verify(tmp_path / "missing")
    assert exit_code in (1, 255)
    assert told == ""
    assert f"no audit trail in {tmp_path / 'missing' / 'audit'}" in refused
    assert "Traceback" not in refused
    assert list(tmp_path.iterdir()) == []
