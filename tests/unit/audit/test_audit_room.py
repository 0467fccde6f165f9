"""Room made ahead: zeros after the end of the chain, in an open trail's last segment and nowhere else."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audit_segments import abandon, append, read_numbers

from strongroom.audit.recovery import TrailDamaged
from strongroom.audit.trail import SyncFailed, Trail
from strongroom.audit.verify import verify

ROOM = 4096


def open_trail(directory: Path, segment_bytes_max: int = 1 << 20) -> Trail:
    return Trail(
        str(directory), room_bytes=ROOM, segment_bytes_max=segment_bytes_max, epoch_seconds=lambda: 0.0
    )


def first_segment(directory: Path) -> Path:
    return directory / "00000001.jsonl"


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, for tests that sync a thousand times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_blocks_are_written_over_the_room_and_the_file_keeps_its_size(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    append(trail, 1)
    size = first_segment(directory).stat().st_size
    written = first_segment(directory).read_bytes().rstrip(b"\0")
    assert size == len(written) + ROOM
    append(trail, 2)
    assert first_segment(directory).stat().st_size == size
    assert first_segment(directory).read_bytes().startswith(written + b'{"eventVersion"')
    report = verify(directory)
    assert (report.problem, report.records, report.unfinished_bytes) == (None, 2, 0)
    trail.close()


def test_closed_trail_is_byte_for_byte_the_one_without_room(tmp_path: Path) -> None:
    for name, room in (("with", ROOM), ("without", 0)):
        trail = Trail(
            str(tmp_path / name), room_bytes=room, segment_bytes_max=5000, epoch_seconds=lambda: 0.0
        )
        for number in range(1, 60):
            append(trail, number)
        trail.close()
    with_room, without = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("with", "without")
    )
    assert with_room == without
    assert len(with_room) > 5


def test_segment_that_is_full_is_brought_to_its_length_before_the_next_begins(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory, segment_bytes_max=1000)
    for number in range(1, 30):
        append(trail, number)
        *older, last = sorted(directory.glob("*.jsonl"))
        assert last.read_bytes().endswith(b"\0")
        assert not any(b"\0" in path.read_bytes() for path in older)
        assert verify(directory).problem is None
    assert len(older) > 4
    trail.close()


def test_block_torn_at_every_byte_and_followed_by_zeros_is_set_aside_and_noted(quick_disk: Path) -> None:
    """INVARIANT A2: a power cut within a write over the room."""
    directory = quick_disk / "audit"
    trail = open_trail(directory)
    append(trail, 1, 2)
    trail.save_head()
    whole = len(first_segment(directory).read_bytes().rstrip(b"\0"))
    append(trail, 3, 4)
    abandon(trail)
    content = first_segment(directory).read_bytes()
    block = content[whole:].rstrip(b"\0")
    for size in range(1, len(block)):
        copy = quick_disk / f"torn-{size}"
        shutil.copytree(directory, copy)
        torn = content[: whole + size]
        first_segment(copy).write_bytes(torn + b"\0" * (len(content) - len(torn)))
        before = verify(copy)
        assert (before.problem, before.unfinished_bytes) == (None, size)
        reopened = open_trail(copy)
        assert reopened.torn is not None
        assert (copy / reopened.torn.file).read_bytes() == block[:size]
        append(reopened, 5)
        reopened.close()
        report = verify(copy)
        assert (report.problem, report.torn_blocks, report.unfinished_bytes) == (None, 1, 0)
        assert read_numbers(copy) == [1, 2, 5]
        shutil.rmtree(copy)


def test_block_of_which_a_later_page_was_written_and_an_earlier_one_not_is_set_aside(tmp_path: Path) -> None:
    """A power cut keeps no order among pages that were not synced: nobody was told that they were written."""
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    append(trail, 1)
    trail.save_head()
    append(trail, 2)
    start = len(first_segment(directory).read_bytes().rstrip(b"\0"))
    append(trail, 3)
    append(trail, 4)
    abandon(trail)
    content = bytearray(first_segment(directory).read_bytes())
    content[start + 10 : start + 30] = bytes(20)
    first_segment(directory).write_bytes(content)
    left = bytes(content[start:]).rstrip(b"\0")
    report = verify(directory)
    assert (report.problem, report.records, report.unfinished_bytes) == (None, 2, len(left))
    reopened = open_trail(directory)
    assert reopened.torn is not None
    assert (directory / reopened.torn.file).read_bytes() == left
    reopened.close()
    assert read_numbers(directory) == [1, 2]
    assert verify(directory).is_sound


@pytest.mark.parametrize("length", [1, 40, 5000])
def test_zeros_before_the_end_that_the_head_vouches_for_are_damage(tmp_path: Path, length: int) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    for number in range(1, 60):
        append(trail, number)
    trail.close()
    content = first_segment(directory).read_bytes()
    assert len(content) > 7000
    for start in range(0, len(content) - length, 611):
        zeroed = content[:start] + bytes(length) + content[start + length :]
        for name, changed in (("as it was closed", zeroed), ("with room after it", zeroed + bytes(ROOM))):
            first_segment(directory).write_bytes(changed)
            report = verify(directory)
            assert report.problem == "Zeros stand in the middle of the trail.", name
            assert (report.problem_file, report.problem_offset) == ("00000001.jsonl", start)
            with pytest.raises(TrailDamaged, match=f"byte {start}: zeros stand in the middle of the trail"):
                open_trail(directory)
            assert first_segment(directory).read_bytes() == changed, "a refused start changes nothing"
    first_segment(directory).write_bytes(content)
    assert verify(directory).is_sound


def test_zeros_in_place_of_the_end_that_the_head_vouches_for_are_damage(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    append(trail, 1)
    append(trail, 2)
    trail.close()
    content = first_segment(directory).read_bytes()
    for kept in range(0, len(content), 97):
        first_segment(directory).write_bytes(content[:kept] + bytes(len(content) - kept + ROOM))
        assert "Records are missing at the end" in (verify(directory).problem or "")
        with pytest.raises(TrailDamaged, match="records are missing"):
            open_trail(directory)


@pytest.mark.parametrize("head_in", ["older", "last"])
def test_zeros_at_the_end_of_a_segment_that_is_not_the_last_are_damage(tmp_path: Path, head_in: str) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory, segment_bytes_max=1000)
    append(trail, 1)
    trail.save_head()
    early_head = (directory / "head").read_bytes()
    for number in range(2, 10):
        append(trail, number)
    trail.close()
    if head_in == "older":
        (directory / "head").write_bytes(early_head)
    segments = sorted(directory.glob("*.jsonl"))
    assert len(segments) > 2
    damaged = segments[-2]
    content = damaged.read_bytes()
    damaged.write_bytes(content + b"\0")
    report = verify(directory)
    assert report.problem == "Zeros stand in the middle of the trail."
    assert (report.problem_file, report.problem_offset) == (damaged.name, len(content))
    sentence = "zeros stand in the middle" if head_in == "older" else "does not end with a whole block"
    with pytest.raises(TrailDamaged, match=sentence):
        open_trail(directory)


def test_trail_killed_right_after_its_head_was_saved_gives_the_room_back(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    append(trail, 1)
    trail.save_head()
    abandon(trail)
    reopened = Trail(str(directory))
    assert reopened.torn is None
    assert b"\0" not in first_segment(directory).read_bytes()
    append(reopened, 2)
    reopened.close()
    assert read_numbers(directory) == [1, 2]
    report = verify(directory)
    assert (report.problem, report.torn_blocks) == (None, 0)


def test_segment_that_holds_nothing_but_room_is_taken_up(tmp_path: Path) -> None:
    """A power cut that kept the size of a new segment and no block of it."""
    directory = tmp_path / "audit"
    trail = open_trail(directory, segment_bytes_max=500)
    append(trail, 1, 2, 3)
    trail.close()
    (directory / "00000002.jsonl").write_bytes(bytes(ROOM))
    assert verify(directory).is_sound
    reopened = open_trail(directory, segment_bytes_max=500)
    assert reopened.torn is None
    append(reopened, 4)
    reopened.close()
    assert read_numbers(directory) == [1, 2, 3, 4]
    assert verify(directory).is_sound


def test_trail_of_before_there_was_room_is_continued_with_room_and_without(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    for number, room in enumerate((0, ROOM, 0, ROOM), 1):
        trail = Trail(str(directory), room_bytes=room)
        append(trail, number)
        assert first_segment(directory).read_bytes().endswith(b"\0") == bool(room)
        trail.close()
    report = verify(directory)
    assert (report.problem, report.records, report.torn_blocks) == (None, 4, 0)


def test_disk_without_room_to_be_made_takes_blocks_as_long_as_they_fit(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = open_trail(directory)
    append(trail, 1)
    append(trail, 2)
    used = len(first_segment(directory).read_bytes().rstrip(b"\0"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = used + ROOM + 100  # of room, what is there already and the beginning of the next
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    taken, refused = 2, 0
    try:
        while not refused:
            try:
                append(trail, taken + 1)
                taken += 1
            except OSError as error:
                refused = error.errno or 0
        assert refused == errno.EFBIG
        assert taken > 10
        trail.undo_partial_write()
        trail.sync()
        report = verify(directory)
        assert (report.problem, report.records, report.unfinished_bytes) == (None, taken, 0)
        with pytest.raises(OSError, match="File too large"):
            append(trail, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    append(trail, taken + 1)
    assert first_segment(directory).read_bytes().endswith(b"\0"), "room is made again"
    trail.close()
    assert read_numbers(directory) == list(range(1, taken + 2))
    assert verify(directory).is_sound


def test_failed_sync_of_blocks_over_room_has_them_written_anew_by_the_next_life(tmp_path: Path) -> None:
    """INVARIANT A3: also where the file kept its size."""
    directory = tmp_path / "audit"
    fails = False

    def sync(descriptor: int) -> None:
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fdatasync(descriptor)

    trail = Trail(str(directory), room_bytes=ROOM, fdatasync=sync)
    append(trail, 1)
    trail.save_head()
    fails = True
    append(trail, 2)
    with pytest.raises(SyncFailed):
        trail.sync()
    abandon(trail)
    before = first_segment(directory).stat().st_ino
    with first_segment(directory).open("rb"):  # so that its inode number is not given to the new file
        reopened = open_trail(directory)
        assert first_segment(directory).stat().st_ino != before
    assert (reopened.link.records, reopened.torn) == (2, None)
    reopened.close()
    assert verify(directory).is_sound
