"""The disk is full, read-only, or fails: records are refused aloud, and taken again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audit_writer import WriterProcess, read_names, record
from tests.support.strength import promised

from strongroom.audit.client import AuditClient
from strongroom.audit.interface import AuditUnavailable
from strongroom.audit.verify import verify


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root: ENOSPC and EROFS were NOT tested")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted: ENOSPC and EROFS were NOT tested ({mounted.stderr!r})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def write_on(
    client: AuditClient, acknowledged: list[str], accepted: list[str], *, size_bytes: int
) -> None:
    """Write, noting what was taken, until a record is refused."""
    for number in range(2000):
        client.soon(record(f"soon-{number}", size_bytes))
        accepted.append(f"soon-{number}")
        await client.durably(record(f"durable-{number}", size_bytes))
        acknowledged.append(f"durable-{number}")


async def recover(client: AuditClient, name: str) -> float:
    """Try until a durable record is taken; how long that took."""
    start = time.monotonic()
    while time.monotonic() < start + 30:
        try:
            await client.durably(record(name))
            return time.monotonic() - start
        except AuditUnavailable:
            await asyncio.sleep(0.02)
    raise AssertionError("not recovered within 30 s")


def test_disk_full_durably_fails_and_recovers_alone_once_there_is_room(small_disk: Path) -> None:
    """T4: writes fail closed, nothing acknowledged is lost, nothing is written twice."""
    directory = small_disk / "audit"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    acknowledged: list[str] = []
    accepted: list[str] = []

    async def run() -> None:
        with WriterProcess(directory) as writer:
            client = AuditClient(asyncio.get_running_loop(), False)
            client.attach(writer.open_channel())
            with pytest.raises(AuditUnavailable, match="cannot be written"):
                await write_on(client, acknowledged, accepted, size_bytes=3000)
            assert acknowledged
            assert not client.is_accepting()
            with pytest.raises(AuditUnavailable):
                client.soon(record("refused"))
            await asyncio.sleep(0.5)
            meanwhile = verify(directory)
            assert meanwhile.is_sound, "the trail is whole while the disk is full"
            assert meanwhile.unfinished_bytes == 0, "what did not fit was taken away"
            assert not client.is_accepting()
            ballast.unlink()
            seconds = await recover(client, "after")
            assert seconds < promised(5.0, among_others=30.0)
            assert client.is_accepting()
            await client.close()
            assert writer.stop() == 0

    asyncio.run(run())
    report = verify(directory)
    assert report.problem is None
    names = read_names(directory)
    assert len(names) == len(set(names))
    assert set(acknowledged) | set(accepted) | {"after"} <= set(names)
    assert "refused" not in names


def test_disk_full_and_writer_killed_acknowledged_records_are_there_once(small_disk: Path) -> None:
    directory = small_disk / "audit"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    acknowledged: list[str] = []

    async def run() -> None:
        client = AuditClient(asyncio.get_running_loop(), False)
        with WriterProcess(directory) as writer:
            client.attach(writer.open_channel())
            with pytest.raises(AuditUnavailable):
                await write_on(client, acknowledged, [], size_bytes=5000)
            writer.kill()
        ballast.unlink()
        with WriterProcess(directory) as writer:
            assert writer.answer[:1] == b"R"
            client.attach(writer.open_channel())
            await recover(client, "after")
            await client.close()
            assert writer.stop() == 0

    asyncio.run(run())
    assert verify(directory).problem is None
    names = read_names(directory)
    assert len(names) == len(set(names))
    assert set(acknowledged) <= set(names)


def test_disk_read_only_new_writer_refuses_to_start_with_a_sentence(small_disk: Path) -> None:
    directory = small_disk / "audit"
    with WriterProcess(directory) as writer:
        assert writer.stop() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with WriterProcess(directory) as writer:
        assert writer.answer.startswith(b"EThe audit trail cannot be opened: ")
        assert writer.process.wait(10) == 1
    assert verify(directory).is_sound, "a read-only trail can still be verified"


@pytest.fixture
def failing_device(tmp_path: Path) -> Iterator[FailingDevice]:
    """A file system that takes writes into memory and then cannot bring them to its device."""
    device = FailingDevice(tmp_path)
    try:
        if device.why_not:
            pytest.skip(
                f"no failing device can be made: a failing fdatasync was NOT tested ({device.why_not})"
            )
        yield device
    finally:
        device.close()


def test_sync_that_fails_ends_the_writer_and_the_next_one_loses_nothing(
    failing_device: FailingDevice,
) -> None:
    """INVARIANT A3: nothing is acknowledged over a failed fdatasync, and no sync is believed after it.

    The kernel reports the failure once and keeps the lost pages in memory as if they were clean. What
    counts is therefore what the device has, read after its file system was taken off and put on again.
    """
    directory = failing_device.mount / "audit"
    acknowledged: list[str] = []

    async def run() -> None:
        client = AuditClient(asyncio.get_running_loop(), False)
        with WriterProcess(directory) as writer:
            client.attach(writer.open_channel())
            await client.durably(record("before"))
            acknowledged.append("before")
            failing_device.fail()
            with pytest.raises(AuditUnavailable):
                await write_on(client, acknowledged, [], size_bytes=50_000)
            assert writer.process.wait(10) == 2
            assert not client.is_accepting()
        failing_device.heal()
        with WriterProcess(directory) as writer:
            assert writer.answer[:1] == b"R", writer.answer
            client.attach(writer.open_channel())
            await recover(client, "after")
            acknowledged.append("after")
            await client.close()
            writer.kill()

    asyncio.run(run())
    failing_device.remount()
    assert verify(directory).problem is None
    names = read_names(directory)
    assert len(names) == len(set(names))
    assert set(acknowledged) <= set(names)


class FailingDevice:
    """ext4 on a loop device over a sparse file on a small tmpfs: when that is full, writes fail (EIO)."""

    def __init__(self, tmp_path: Path) -> None:
        self.mount = tmp_path / "mount"
        self._below = tmp_path / "below"
        self._undo: list[list[str]] = []
        self._loop = ""
        self.why_not = ""
        self.mount.mkdir()
        self._below.mkdir()
        try:
            self._run("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(self._below))
            self._undo.append(["umount", str(self._below)])
            image = self._below / "image"
            image.touch()
            os.truncate(image, 64 << 20)
            self._loop = self._run("losetup", "--find", "--show", str(image)).strip()
            self._undo.append(["losetup", "--detach", self._loop])
            self._run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", self._loop)
            self._run("mount", "-o", "errors=continue", self._loop, str(self.mount))
            self._undo.append(["umount", str(self.mount)])
        except (OSError, subprocess.CalledProcessError) as error:
            self.why_not = str(error)

    def _run(self, *command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def fail(self) -> None:
        """From now on the device takes no new blocks."""
        with (self._below / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(b"x" * 4096):
                pass

    def heal(self) -> None:
        (self._below / "ballast").unlink()

    def remount(self) -> None:
        """Forget what the kernel holds in memory."""
        self._run("umount", str(self.mount))
        self._run("mount", self._loop, str(self.mount))

    def close(self) -> None:
        for command in reversed(self._undo):
            subprocess.run(command, capture_output=True, check=False)
