"""A refused PIN is remembered by its file, over restarts, until the file changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.processes.refused_pin import REFUSED_PIN_FILE, RefusedPin


@pytest.fixture
def pin_fd(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "pin"
    path.write_bytes(b"1234-secret-pin")
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_refused_pin_is_remembered_by_the_next_start_without_being_read(tmp_path: Path, pin_fd: int) -> None:
    first = RefusedPin(tmp_path, pin_fd)
    assert not first.is_noted()
    first.note()
    assert first.is_noted()
    assert RefusedPin(tmp_path, pin_fd).is_noted()
    noted = tmp_path / REFUSED_PIN_FILE
    assert b"secret" not in noted.read_bytes()
    assert noted.stat().st_mode & 0o077 == 0


def test_pin_file_that_changed_may_be_tried(tmp_path: Path, pin_fd: int) -> None:
    refused = RefusedPin(tmp_path, pin_fd)
    refused.note()
    os.utime(tmp_path / "pin", ns=(1, 1))
    assert not refused.is_noted()
    assert not RefusedPin(tmp_path, pin_fd).is_noted()
    refused.note()
    (tmp_path / "pin").write_bytes(b"another-pin")
    assert not refused.is_noted()


def test_pin_that_was_taken_is_forgotten(tmp_path: Path, pin_fd: int) -> None:
    RefusedPin(tmp_path, pin_fd).note()
    RefusedPin(tmp_path, pin_fd).forget()
    assert not RefusedPin(tmp_path, pin_fd).is_noted()
    assert not (tmp_path / REFUSED_PIN_FILE).exists()


def test_note_that_cannot_be_written_holds_while_the_server_runs(tmp_path: Path, pin_fd: int) -> None:
    (tmp_path / REFUSED_PIN_FILE).symlink_to(tmp_path / "elsewhere")
    refused = RefusedPin(tmp_path, pin_fd)
    refused.note()
    assert refused.is_noted()
    assert not (tmp_path / "elsewhere").exists()


def test_server_without_a_token_has_nothing_to_remember(tmp_path: Path) -> None:
    refused = RefusedPin(tmp_path, None)
    refused.forget()
    assert not refused.is_noted()
