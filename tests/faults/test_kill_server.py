"""kill -9 of the whole server under load: nothing acknowledged is lost, and the audit chain holds.

Each client thread owns its keys, so it knows the state that each must have after the restart: that of
its last acknowledged call, or of the one call that was under way when the server died.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.load import KmsConnection
from tests.support.server import STRONGROOM, Server
from tests.support.strength import count, promised

ROUNDS = count("KILL_ROUNDS", few=8, many=25)
CLIENTS = 6
KEYS_MAX = 8
ALIASES_MAX = 30
"""Of one client, and of one key: what a round checks must not grow with the rounds."""
LOAD_SECONDS = (0.05, 0.4)
KEPT = base64.b64encode(b"kept").decode()
RESTART_SECONDS_MAX = promised(2.0, among_others=20.0)
RESTART_RATIO_MAX = 1.5
"""Of the first start, with no data: on a machine on which that takes long, a restart may too."""


@dataclass
class KeyLedger:
    """What one key must look like after a restart."""

    key_id: str
    states: set[str] = field(default_factory=lambda: {"Enabled"})
    descriptions: set[str] = field(default_factory=lambda: {""})
    aliases: dict[str, bool] = field(default_factory=dict)
    """Acknowledged aliases: True is there, False is gone."""
    aliases_named: int = 0
    """Also those whose creation nobody acknowledged: such a name is not tried again."""
    blobs: list[bytes] = field(default_factory=list)


@dataclass
class Ledger:
    """All that the server acknowledged to one client."""

    keys: list[KeyLedger] = field(default_factory=list)
    request_ids: set[str] = field(default_factory=set)
    """Of acknowledged changes."""


class Refused(Exception):
    """An answer that is none of success."""


class Kms:
    """One connection, and answers as they are: raw HTTP costs a tenth of a client library."""

    def __init__(self, server: Server) -> None:
        self.connection = KmsConnection(server.port)

    def call(self, operation: str, **members: object) -> tuple[dict[str, Any], str]:
        """Answer and request id. Raises: Refused, OSError when the connection ends."""
        response = self.connection.call(operation, **members)
        if response.status != 200:
            raise Refused(f"{operation}: {response.status} {response.body.decode()}")
        return response.json if response.body else {}, response.fields["x-amzn-requestid"]


class Client(threading.Thread):
    """Works until the server dies, noting what was acknowledged."""

    def __init__(self, server: Server, ledger: Ledger, seed: int, killing: threading.Event) -> None:
        super().__init__(daemon=True)
        self.kms = Kms(server)
        self.ledger = ledger
        self.random = random.Random(seed)
        self.killing = killing
        self.unexpected: list[str] = []

    def run(self) -> None:
        try:
            while True:
                self.work()
        except Refused as error:
            if ": 5" not in str(error) or not self.killing.is_set():
                self.unexpected.append(str(error))
        except OSError as error:
            if not self.killing.is_set():
                self.unexpected.append(repr(error))

    def change(self, operation: str, **members: object) -> dict[str, Any]:
        answer, request_id = self.kms.call(operation, **members)
        self.ledger.request_ids.add(request_id)
        return answer

    def work(self) -> None:
        if len(self.ledger.keys) < KEYS_MAX and (not self.ledger.keys or self.random.random() < 0.1):
            made = self.change("CreateKey")
            self.ledger.keys.append(KeyLedger(made["KeyMetadata"]["KeyId"]))
        key = self.random.choice(self.ledger.keys)
        what = self.random.choice(("seal", "disable", "describe", "alias", "unalias"))
        if what == "seal" and key.states == {"Enabled"}:
            sealed, _ = self.kms.call("Encrypt", KeyId=key.key_id, Plaintext=KEPT)
            key.blobs.append(sealed["CiphertextBlob"])
        elif what == "disable":
            self.flip(key)
        elif what == "describe":
            text = str(self.random.random())
            key.descriptions.add(text)
            self.change("UpdateKeyDescription", KeyId=key.key_id, Description=text)
            key.descriptions = {text}
        elif what == "alias" and key.aliases_named < ALIASES_MAX:
            name = f"alias/{key.key_id}-{key.aliases_named}"
            key.aliases_named += 1
            self.change("CreateAlias", AliasName=name, TargetKeyId=key.key_id)
            key.aliases[name] = True
        elif what == "unalias":
            for name in [name for name, there in key.aliases.items() if there][:1]:
                del key.aliases[name]  # unknown until acknowledged
                self.change("DeleteAlias", AliasName=name)
                key.aliases[name] = False

    def flip(self, key: KeyLedger) -> None:
        after = "Disabled" if key.states == {"Enabled"} else "Enabled"
        key.states.add(after)
        self.change("DisableKey" if after == "Disabled" else "EnableKey", KeyId=key.key_id)
        key.states = {after}


def check_ledger(kms: Kms, ledger: Ledger) -> None:
    """Every acknowledged fact holds after the restart; what was under way is settled either way."""
    for key in ledger.keys:
        metadata = kms.call("DescribeKey", KeyId=key.key_id)[0]["KeyMetadata"]
        assert metadata["KeyState"] in key.states
        assert metadata["Description"] in key.descriptions
        key.states, key.descriptions = {metadata["KeyState"]}, {metadata["Description"]}
        if key.aliases:
            aliases = kms.call("ListAliases", KeyId=key.key_id)[0]["Aliases"]
            listed = {alias["AliasName"] for alias in aliases}
            for name, there in key.aliases.items():
                assert (name in listed) is there, name
        if metadata["KeyState"] == "Enabled":
            for blob in key.blobs[-3:]:
                assert kms.call("Decrypt", CiphertextBlob=blob)[0]["Plaintext"] == KEPT


def kill_one_round(server: Server, ledgers: list[Ledger], seed: int) -> None:
    """Load it, kill all of it at some moment, and see every client end for that reason alone."""
    killing = threading.Event()
    clients = [Client(server, ledger, seed + at, killing) for at, ledger in enumerate(ledgers)]
    for client in clients:
        client.start()
    time.sleep(random.uniform(*LOAD_SECONDS))
    killing.set()
    server.kill()
    for client in clients:
        client.join(30)
        assert not client.is_alive()
        assert client.unexpected == []


def count_records(data_dir: Path) -> Counter[str]:
    """How often each request is in the audit trail."""
    counted: Counter[str] = Counter()
    for segment in sorted((data_dir / "audit").glob("*.jsonl")):
        counted.update(
            record["requestID"]
            for record in map(json.loads, segment.read_text().rstrip("\0").splitlines())
            if "requestID" in record
        )
    return counted


@pytest.mark.slow
def test_kill_of_the_whole_server_under_load_loses_nothing_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every acknowledged change holds after the restart, and has exactly one record."""
    data_dir = tmp_path / "data"
    ledgers = [Ledger() for _ in range(CLIENTS)]
    restart_seconds = []
    for round_number in range(ROUNDS + 1):
        started_at = time.monotonic()
        with Server("--workers", "2", data_dir=data_dir) as server:
            restart_seconds.append(time.monotonic() - started_at)
            kms = Kms(server)
            for ledger in ledgers:
                check_ledger(kms, ledger)
            if round_number < ROUNDS:
                kill_one_round(server, ledgers, round_number * 100)
    changes = sum(len(ledger.request_ids) for ledger in ledgers)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{ROUNDS} kills, {changes} acknowledged changes; ready again after "
            f"{statistics.median(restart_seconds):.2f} s (median), {max(restart_seconds):.2f} s (most)\n"
        )
    assert changes > ROUNDS
    first, *restarts = restart_seconds
    assert statistics.median(restarts) <= max(RESTART_SECONDS_MAX, RESTART_RATIO_MAX * first)
    verified = subprocess.run(
        [STRONGROOM, "audit", "verify", "--data-dir", str(data_dir)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    recorded = count_records(data_dir)
    for ledger in ledgers:
        for request_id in ledger.request_ids:
            assert recorded[request_id] == 1, request_id
    with contextlib.closing(sqlite3.connect(data_dir / "strongroom.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
