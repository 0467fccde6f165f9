"""The seal: key file checks, and a root key that only the right key file opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.boundary.seal.key_file import load_key_file
from strongroom.boundary.seal.key_file_slot import open_or_create_seal, wrap_under_key_file
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal_format import SealSlot, SlotType, parse_seal, render_seal

KEY_FILE = bytes(range(32))


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    return tmp_path / "seal.key"


@pytest.fixture
def opened(key_path: Path) -> Iterator[int]:
    fd = os.open(key_path, os.O_RDWR | os.O_CREAT, 0o600)
    yield fd
    os.close(fd)


def test_load_key_file_that_is_empty_fills_it_with_32_random_bytes(key_path: Path, opened: int) -> None:
    key = load_key_file(opened, may_fill=True)
    assert key_path.read_bytes() == key
    assert len(key) == 32
    assert key != bytes(32)
    assert load_key_file(opened, may_fill=False) == key


def test_load_key_file_that_is_empty_beside_a_record_is_refused_and_left_empty(
    key_path: Path, opened: int
) -> None:
    """INVARIANT B4."""
    with pytest.raises(SealRefused, match="put back the key file"):
        load_key_file(opened, may_fill=False)
    assert key_path.read_bytes() == b""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o610])
def test_load_key_file_that_others_may_touch_is_refused(key_path: Path, opened: int, mode: int) -> None:
    key_path.write_bytes(KEY_FILE)
    key_path.chmod(mode)
    with pytest.raises(SealRefused, match="set its mode to 0600"):
        load_key_file(opened, may_fill=True)


@pytest.mark.parametrize("length", [1, 31, 33, 64])
def test_load_key_file_of_another_length_is_refused_and_left_alone(
    key_path: Path, opened: int, length: int
) -> None:
    key_path.write_bytes(bytes(length))
    with pytest.raises(SealRefused, match=f"is {length} bytes long"):
        load_key_file(opened, may_fill=True)
    assert key_path.read_bytes() == bytes(length)


def test_load_key_file_that_is_a_pipe_is_refused() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(SealRefused, match="not a regular file"):
            load_key_file(reader, may_fill=True)
    finally:
        os.close(reader)
        os.close(writer)


def test_load_key_file_that_cannot_be_written_is_refused(key_path: Path) -> None:
    key_path.touch(0o600)
    fd = os.open(key_path, os.O_RDONLY)
    try:
        with pytest.raises(SealRefused, match="could not be written"):
            load_key_file(fd, may_fill=True)
    finally:
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_load_key_file_of_another_user_is_refused(key_path: Path, opened: int) -> None:
    key_path.write_bytes(KEY_FILE)
    os.chown(key_path, 12345, -1)
    with pytest.raises(SealRefused, match="belongs to user 12345"):
        load_key_file(opened, may_fill=True)


def test_open_seal_with_the_key_file_it_was_made_with_gives_the_same_root_key() -> None:
    root_key, record = open_or_create_seal(b"", KEY_FILE)
    assert len(root_key) == 32
    assert open_or_create_seal(record, KEY_FILE) == (root_key, record)
    assert root_key not in record
    assert KEY_FILE not in record


def test_open_seal_twice_without_a_record_makes_two_root_keys() -> None:
    assert open_or_create_seal(b"", KEY_FILE)[0] != open_or_create_seal(b"", KEY_FILE)[0]


def test_open_seal_with_another_key_file_is_refused() -> None:
    """INVARIANT B4."""
    _, record = open_or_create_seal(b"", KEY_FILE)
    with pytest.raises(SealRefused, match="does not open the seal record"):
        open_or_create_seal(record, bytes(32))


def test_open_seal_with_any_bit_of_the_record_flipped_is_refused() -> None:
    _, record = open_or_create_seal(b"", KEY_FILE)
    for bit in range(len(record) * 8):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealRefused):
            open_or_create_seal(bytes(flipped), KEY_FILE)


def test_open_seal_of_every_truncation_is_refused_and_never_made_anew() -> None:
    """INVARIANT B4."""
    _, record = open_or_create_seal(b"", KEY_FILE)
    for length in range(1, len(record)):
        with pytest.raises(SealRefused):
            open_or_create_seal(record[:length], KEY_FILE)


def test_open_seal_with_slots_of_unknown_types_and_two_key_files_opens_by_either() -> None:
    root_key = os.urandom(32)
    unknown = SealSlot(200, b"anything", bytes(16), b"later")
    slots = (unknown, wrap_under_key_file(root_key, KEY_FILE), wrap_under_key_file(root_key, bytes(32)))
    record = render_seal(slots)
    assert parse_seal(record) == slots
    for key_file in (KEY_FILE, bytes(32)):
        assert open_or_create_seal(record, key_file) == (root_key, record)


def test_open_seal_with_a_slot_copied_under_another_type_is_refused() -> None:
    _, record = open_or_create_seal(b"", KEY_FILE)
    (slot,) = parse_seal(record)
    moved = render_seal((SealSlot(200, slot.parameters, slot.check, slot.wrapped_root_key),))
    with pytest.raises(SealRefused):
        open_or_create_seal(moved, KEY_FILE)


@pytest.mark.parametrize("count", [0, 33])
def test_render_seal_with_no_or_too_many_slots_is_refused(count: int) -> None:
    slot = SealSlot(SlotType.KEY_FILE, bytes(16), bytes(16), bytes(60))
    with pytest.raises(ValueError, match="1 to 32"):
        render_seal((slot,) * count)
