"""Who opened the seal, and which slots came and went, in the audit trail of real servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.seal_commands import PASSPHRASE, make_seal, run_strongroom
from tests.support.sealed_server import SealedServer
from tests.support.server import Server

SECONDS_MAX = 30.0
FURTHER = "another passphrase altogether"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _records(data: Path, name: str) -> list[dict[str, Any]]:
    """The serviceEventDetails of every such event, also while the server writes."""
    return [
        json.loads(line)["serviceEventDetails"]
        for segment in sorted((data / "audit").glob("*.jsonl"))
        for line in segment.read_bytes().splitlines()
        if f'"eventName":"{name}"'.encode() in line
    ]


def _kept_slots(data: Path) -> list[dict[str, Any]]:
    """Which slots the job runner has noted as told of."""
    with contextlib.closing(sqlite3.connect(f"file:{data}/strongroom.db?mode=ro", uri=True)) as database:
        (text,) = database.execute("SELECT value FROM settings WHERE name = 'seal_slots'").fetchone()
    slots: list[dict[str, Any]] = json.loads(text)["slots"]
    return slots


def _wait_for(data: Path, name: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _wait(lambda: _records(data, name), lambda seen: len(seen) >= count)
    return found


def _wait(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def _kinds(slots: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(slot["number"], slot["kind"]) for slot in slots]


def _seal(data: Path, *arguments: str, **secrets: str) -> None:
    flags = {f"--{name.replace('_', '-')}": secret for name, secret in secrets.items()}
    done = run_strongroom("seal", *arguments, "--data-dir", data, secrets=flags)
    assert done.returncode == 0, done.stderr


def test_opening_by_an_operator_and_slots_that_come_and_go_are_on_record(data: Path) -> None:
    shares = list(make_seal(data, "--shares", "2of3", secrets={"--passphrase-fd": PASSPHRASE}))
    with SealedServer(data_dir=data) as server:
        server.wait_for("The seal is closed")
        server.wait_for_front()
        wrong = run_strongroom(
            "seal", "unseal", "--data-dir", data, secrets={"--passphrase-fd": "not the passphrase"}
        )
        assert wrong.returncode == 255
        _seal(data, "unseal", share_fd=shares[0])
        _seal(data, "unseal", share_fd=shares[2])
        server.wait_for("Ready.")
        (opened,) = _wait_for(data, "OpenSeal", 1)
        assert (opened["openedBy"], opened["slot"], opened["attemptsRefused"]) == (
            "operator",
            "2, shamir",
            1,
        )
        (first,) = _wait_for(data, "ChangeSealSlots", 1)
        assert first["seenFirst"] is True
        assert _kinds(first["slots"]) == _kinds(first["added"]) == [(1, "passphrase"), (2, "shamir")]

        _seal(data, "add-slot", passphrase_fd=PASSPHRASE, new_passphrase_fd=FURTHER)
        changed = _wait_for(data, "ChangeSealSlots", 2)[1]
        assert (_kinds(changed["added"]), changed["removed"]) == ([(3, "passphrase")], [])

        # Killed between record and note, it would tell of the same change again.
        _wait(lambda: _kept_slots(data), lambda kept: kept == changed["slots"])
        os.kill(server.pid_of("strongroom: jobs"), signal.SIGKILL)
        again = _wait_for(data, "OpenSeal", 2)  # of the same opening, by another job runner
        assert again == [opened, opened]
        server.wait_for_spare()
        time.sleep(0.5)  # the root key is left to it
        os.kill(server.boundary(), signal.SIGKILL)  # the spare goes on: nobody opened anything
        server.client(retries=8).create_key()
        time.sleep(6.0)
        assert len(_records(data, "OpenSeal")) == 2
        assert len(_records(data, "ChangeSealSlots")) == 2
        assert server.stop() == 0

    _seal(data, "remove-slot", "1", passphrase_fd=FURTHER)  # while no server runs
    with SealedServer(data_dir=data) as server:
        server.wait_for("The seal is closed")
        _seal(data, "unseal", passphrase_fd=FURTHER)
        server.wait_for("Ready.")
        opened = _wait_for(data, "OpenSeal", 3)[2]
        assert (opened["slot"], opened["attemptsRefused"]) == ("2, passphrase", 0)
        changed = _wait_for(data, "ChangeSealSlots", 3)[2]
        assert (_kinds(changed["removed"]), changed["added"]) == ([(1, "passphrase")], [])
        assert changed["rootKeyIds"] == first["rootKeyIds"]
    verified = run_strongroom("audit", "verify", "--data-dir", data)
    assert "The audit trail holds" in verified.stdout
    trail = b"".join(segment.read_bytes() for segment in (data / "audit").iterdir())
    for secret in (*shares, PASSPHRASE, FURTHER, "not the passphrase"):
        assert secret.encode() not in trail


def test_opening_by_key_file_and_a_record_that_is_gone_are_on_record(data: Path) -> None:
    with Server(data_dir=data) as server:
        (opened,) = _wait_for(data, "OpenSeal", 1)
        assert (opened["openedBy"], opened["slot"]) == ("settings", "1, key file")
        _wait_for(data, "ChangeSealSlots", 1)
        os.kill(server.pid_of("strongroom: boundary"), signal.SIGKILL)
        _wait_for(data, "OpenSeal", 2)  # it has opened the key file again
        kept = (data / "seal.record").read_bytes()
        (data / "seal.record").rename(data / "elsewhere")
        gone = _wait_for(data, "ChangeSealSlots", 2)[1]
        assert (gone["record"], gone["slots"], _kinds(gone["removed"])) == ("missing", [], [(1, "key file")])
        _wait(lambda: bytes(server.logged), lambda said: b"is missing: bring it back from a backup" in said)
        (data / "seal.record").write_bytes(kept)
        back = _wait_for(data, "ChangeSealSlots", 3)[2]
        assert (back["record"], _kinds(back["added"])) == ("sound", [(1, "key file")])
