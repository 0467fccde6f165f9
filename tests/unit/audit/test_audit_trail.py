"""The writer's side of the trail: appending, rotating, and what a restart makes of what it finds."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audit_segments import LINE, WORKER, abandon, append, read_numbers

from strongroom.audit.recovery import TrailDamaged
from strongroom.audit.trail import SyncFailed, Trail, TrailBusy
from strongroom.audit.verify import verify


def test_trail_new_directory_has_tight_modes(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    append(trail, 1)
    trail.close()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_trail_reopened_continues_chain_and_remembers_batches(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    for number in range(1, 6):
        trail = Trail(str(directory))
        append(trail, number)
        trail.close()
    trail = Trail(str(directory))
    assert trail.last_batches == {WORKER: 5}
    assert trail.torn is None
    trail.close()
    report = verify(directory)
    assert report.problem is None
    assert (report.blocks, report.records) == (5, 5)


def test_trail_rotated_remembers_a_worker_that_wrote_only_in_an_older_segment(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory), segment_bytes_max=1000)
    trail.append(LINE % 1, 1, {b"cd" * 16: 77})
    for number in range(1, 30):
        append(trail, number)
    trail.save_head()
    abandon(trail)
    trail = Trail(str(directory))
    assert trail.last_batches == {b"cd" * 16: 77, WORKER: 29}
    trail.close()
    assert verify(directory).is_sound
    assert len(list(directory.glob("*.jsonl"))) > 3


def test_trail_opened_twice_is_refused(tmp_path: Path) -> None:
    trail = Trail(str(tmp_path / "audit"))
    with pytest.raises(TrailBusy):
        Trail(str(tmp_path / "audit"), lock_wait_seconds=0.05)
    trail.close()


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, for tests that sync a thousand times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_trail_torn_at_every_byte_is_cut_off_set_aside_and_noted(quick_disk: Path) -> None:
    """INVARIANT A2: a crash in the middle of a write loses no block before it, and leaves a trace."""
    directory = quick_disk / "audit"
    trail = Trail(str(directory))
    append(trail, 1, 2)
    trail.save_head()
    whole = (directory / "00000001.jsonl").stat().st_size
    append(trail, 3, 4)
    abandon(trail)
    block = (directory / "00000001.jsonl").read_bytes()[whole:]
    for size in range(1, len(block)):
        copy = quick_disk / f"torn-{size}"
        shutil.copytree(directory, copy)
        os.truncate(copy / "00000001.jsonl", whole + size)
        before = verify(copy)
        assert before.problem is None
        assert before.unfinished_bytes == size
        reopened = Trail(str(copy))
        assert reopened.torn is not None
        assert (copy / reopened.torn.file).read_bytes() == block[:size]
        append(reopened, 5)
        reopened.close()
        report = verify(copy)
        assert report.problem is None
        assert report.torn_blocks == 1
        assert read_numbers(copy) == [1, 2, 5]
        shutil.rmtree(copy)


def test_trail_torn_twice_keeps_both_pieces(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    Trail(str(directory)).close()
    for _ in range(2):
        with (directory / "00000001.jsonl").open("ab") as file:
            file.write(b'{"eventVersion":')
        Trail(str(directory)).close()
    assert len(list(directory.glob("*.torn"))) == 2
    assert verify(directory).torn_blocks == 2


def test_trail_crash_within_the_repair_is_repaired_by_the_next_start(tmp_path: Path) -> None:
    """The repaired copy itself is cut short: it is not the trail yet, and the next start makes it anew."""
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    append(trail, 1)
    trail.close()
    path = directory / "00000001.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"eventVersion":"1.11","n":2,"filler":"' + b"x" * 900)
    (directory / "00000001.jsonl.new").write_bytes(whole[:100])
    (directory / "head.new").write_bytes(b'{"head"')
    trail = Trail(str(directory))
    append(trail, 3)
    trail.close()
    report = verify(directory)
    assert report.problem is None
    assert report.torn_blocks == 1
    assert read_numbers(directory) == [1, 3]
    assert not list(directory.glob("*.new"))


def test_trail_changed_byte_that_the_head_vouches_for_refuses_to_start(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    for number in range(3):
        append(trail, number)
    trail.close()
    path = directory / "00000001.jsonl"
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(TrailDamaged, match="The audit trail is damaged: "):
            Trail(str(directory))
        assert path.read_bytes() == changed, "a refused start changes nothing"
    path.write_bytes(whole)
    Trail(str(directory)).close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("cut", "records are missing"),
        ("no head", "its head file is missing"),
        ("bad head", "the head file is damaged"),
        ("no segment", "which the head file names, is missing"),
        ("no middle", "a segment file in its middle is missing"),
        ("no previous end", "does not end with a whole block"),
    ],
)
def test_trail_damaged_refuses_to_start_with_a_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory), segment_bytes_max=1000)
    for number in range(20):
        append(trail, number)
    trail.close()
    segments = sorted(directory.glob("*.jsonl"))
    assert len(segments) >= 4
    if change == "cut":
        os.truncate(segments[-1], 0)
    elif change == "no head":
        (directory / "head").unlink()
    elif change == "bad head":
        (directory / "head").write_bytes(b"{}\n")
    elif change == "no segment":
        segments[-1].unlink()
    elif change == "no middle":
        segments[1].unlink()
    else:
        os.truncate(segments[-2], segments[-2].stat().st_size - 1)
    with pytest.raises(TrailDamaged, match=sentence):
        Trail(str(directory))


def test_trail_damage_beyond_the_head_is_set_aside_with_all_that_follows(tmp_path: Path) -> None:
    """What a power cut leaves when the disk wrote a later page and not an earlier one."""
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    append(trail, 1)
    trail.save_head()
    append(trail, 2)
    start = (directory / "00000001.jsonl").stat().st_size
    append(trail, 3)
    append(trail, 4)
    abandon(trail)
    path = directory / "00000001.jsonl"
    content = bytearray(path.read_bytes())
    content[start] ^= 1
    path.write_bytes(content)
    assert verify(directory).problem is not None
    trail = Trail(str(directory))
    assert trail.torn is not None
    assert (directory / trail.torn.file).read_bytes() == content[start:]
    trail.close()
    assert read_numbers(directory) == [1, 2]
    assert verify(directory).is_sound


def test_trail_failed_sync_raises_and_the_next_life_writes_unsynced_blocks_anew(tmp_path: Path) -> None:
    """INVARIANT A3: a failed sync is never repeated over pages the kernel may have dropped."""
    directory = tmp_path / "audit"

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    trail = Trail(str(directory), fdatasync=refuse)
    append(trail, 1, 2)
    with pytest.raises(SyncFailed):
        trail.sync()
    abandon(trail)
    path = directory / "00000001.jsonl"
    content, before = path.read_bytes(), path.stat().st_ino
    with path.open("rb"):  # so that its inode number is not given to the new file
        trail = Trail(str(directory))
        assert path.read_bytes() == content
        assert path.stat().st_ino != before, "the same bytes are in a file of their own"
    assert trail.link.records == 2
    trail.close()
    assert verify(directory).is_sound


def test_trail_write_that_does_not_fit_leaves_nothing_and_succeeds_later(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    append(trail, 1)
    size = (directory / "00000001.jsonl").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))  # the file may grow by 100 bytes
    try:
        with pytest.raises(OSError, match="File too large"):
            append(trail, 2, 3, 4, 5)
        assert (directory / "00000001.jsonl").stat().st_size == size + 100, "a part was written"
        trail.undo_partial_write()
        assert (directory / "00000001.jsonl").stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    append(trail, 2, 3, 4, 5)
    trail.close()
    assert read_numbers(directory) == [1, 2, 3, 4, 5]
    assert verify(directory).is_sound


def test_trail_file_that_is_a_symlink_is_not_followed(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    Trail(str(directory)).close()
    (tmp_path / "elsewhere").write_bytes(b"")
    (directory / "00000001.jsonl").unlink()
    (directory / "00000001.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Trail(str(directory))
