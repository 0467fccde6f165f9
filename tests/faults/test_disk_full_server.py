"""A whole server whose disk is full: it fails closed, loses nothing, and recovers without a restart."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.http_front import Response
from tests.support.load import KmsConnection
from tests.support.server import STRONGROOM, Server
from tests.support.strength import promised

RECOVERY_SECONDS_MAX = promised(5.0, among_others=30.0)
CALLS_UNTIL_FULL_MAX = 400
"""A file system gives out whole pages: the last one of each file still takes some records."""
INTERNAL = (500, "KMSInternalException")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB, of which the store keeps 8 back."""
    with mounted(tmp_path / "disk", "40m") as disk:
        yield disk


@contextlib.contextmanager
def mounted(disk: Path, size: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root: a full disk was NOT tested")
    disk.mkdir(mode=0o700)
    options = f"size={size},mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted: a full disk was NOT tested ({done.stderr!r})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take what is left, to the last byte."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for size in (1 << 16, 512, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, b"x" * size)
    os.close(descriptor)
    return filler


def outcome_of(response: Response) -> tuple[int, str]:
    return response.status, response.json.get("__type", "") if response.body else ""


class User:
    """One connection, with a key and a ciphertext from before the disk was full."""

    def __init__(self, connection: KmsConnection) -> None:
        self.connection = connection
        self.acknowledged: list[str] = []
        self.key_id = connection.create_key()
        self.blob = self.ask("Encrypt", KeyId=self.key_id, Plaintext="a2VwdA==").json["CiphertextBlob"]

    def ask(self, operation: str, **members: object) -> Response:
        response = self.connection.call(operation, **members)
        assert response.status == 200 or outcome_of(response) == INTERNAL, response.body
        if response.status == 200:
            self.acknowledged.append(response.fields["x-amzn-requestid"])
        return response

    def decrypt(self) -> bool:
        """Whether it was answered; a wrong answer fails."""
        response = self.ask("Decrypt", CiphertextBlob=self.blob)
        if response.status == 200:
            assert base64.b64decode(response.json["Plaintext"]) == b"kept"
        return response.status == 200

    def use_until_refused(self) -> int:
        """How many calls the rest of the disk still took."""
        for taken in range(CALLS_UNTIL_FULL_MAX):
            if not self.decrypt():
                return taken
        raise AssertionError("records are taken though the disk is full")

    def state(self) -> str:
        state: str = self.ask("DescribeKey", KeyId=self.key_id).json["KeyMetadata"]["KeyState"]
        return state

    def recover(self) -> float:
        """Seconds until both a use and a new key succeed again."""
        begun = time.monotonic()
        while time.monotonic() < begun + RECOVERY_SECONDS_MAX:
            if self.decrypt() and self.ask("CreateKey").status == 200:
                return time.monotonic() - begun
            time.sleep(0.02)
        raise AssertionError(f"not recovered within {RECOVERY_SECONDS_MAX} s")


def check_trail(data_dir: Path, acknowledged: list[str]) -> None:
    verified = subprocess.run(
        [STRONGROOM, "audit", "verify", "--data-dir", str(data_dir)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    recorded = [
        json.loads(line).get("requestID")
        for segment in sorted((data_dir / "audit").glob("*.jsonl"))
        for line in segment.read_text().rstrip("\0").splitlines()
    ]
    assert set(acknowledged) <= set(recorded)
    named = [request_id for request_id in recorded if request_id is not None]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("audit", ["durable", "batched"])
def test_full_disk_fails_closed_and_recovers_alone_when_there_is_room(
    small_disk: Path, audit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """T4. The trail has no room kept back: with it full nothing is answered, DisableKey included, for
    nothing is changed that could not be recorded."""
    data_dir = small_disk / "data"
    with (
        Server("--workers", "1", "--audit", audit, data_dir=data_dir) as server,
        KmsConnection(server.port) as connection,
    ):
        user = User(connection)
        filler = fill(small_disk)
        taken = user.use_until_refused()
        assert outcome_of(user.ask("CreateKey")) == INTERNAL
        assert outcome_of(user.ask("DisableKey", KeyId=user.key_id)) == INTERNAL
        refused = sum(not user.decrypt() for _ in range(20))
        filler.unlink()
        seconds = user.recover()
        assert user.state() == "Enabled", "what was refused was not done"
        assert user.ask("DisableKey", KeyId=user.key_id).status == 200
        assert user.state() == "Disabled"
    with capsys.disabled():
        sys.stdout.write(
            f"\nfull disk ({audit}): {taken} more calls taken, then {refused} of 20 refused; "
            f"recovered {seconds * 1000:.0f} ms after there was room\n"
        )
    assert refused == 20
    check_trail(data_dir, user.acknowledged)


def test_full_disk_under_the_store_alone_still_disables_and_deletes_keys(small_disk: Path) -> None:
    """INVARIANT S5 in a whole server: with room for the trail, the room kept back serves as meant."""
    data_dir = small_disk / "data"
    data_dir.mkdir(mode=0o700)
    with (
        mounted(data_dir / "audit", "16m"),
        Server("--workers", "2", "--audit", "durable", data_dir=data_dir) as server,
        KmsConnection(server.port) as connection,
    ):
        user = User(connection)
        filler = fill(small_disk)
        for _ in range(CALLS_UNTIL_FULL_MAX):
            if user.ask("CreateKey").status == 500:
                break
        else:
            raise AssertionError("keys are made though the disk is full")
        assert user.decrypt(), "reading needs no room"
        for _ in range(3):
            fill(small_disk)
            assert user.ask("DisableKey", KeyId=user.key_id).status == 200
            assert user.state() == "Disabled"
            assert user.ask("EnableKey", KeyId=user.key_id).status == 200
        assert user.decrypt()
        assert user.ask("ScheduleKeyDeletion", KeyId=user.key_id, PendingWindowInDays=7).status == 200
        assert user.state() == "PendingDeletion"
        assert outcome_of(user.ask("CreateKey")) == INTERNAL
        filler.unlink()
        assert user.ask("CancelKeyDeletion", KeyId=user.key_id).status == 200
        assert user.ask("EnableKey", KeyId=user.key_id).status == 200
        assert user.recover() < RECOVERY_SECONDS_MAX
        check_trail(data_dir, user.acknowledged)
