"""What `verify` sees: every change to a trail, wherever it is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from strongroom.audit.trail import Trail
from strongroom.audit.verify import verify


def write_trail(directory: Path, blocks: int = 6, segment_bytes_max: int = 1 << 20) -> list[tuple[int, int]]:
    """A closed trail; block n has n % 3 + 1 records. Gives the extent of each block in segment 1."""
    trail = Trail(str(directory), segment_bytes_max=segment_bytes_max)
    extents, end = [], 0
    for number in range(blocks):
        count = number % 3 + 1
        lines = [b'{"eventVersion":"1.11","n":%d,"i":%d}\n' % (number, i) for i in range(count)]
        trail.append(b"".join(lines), count, {b"ab" * 16: number + 1})
        size = (directory / "00000001.jsonl").stat().st_size
        extents.append((end, size))
        end = size
    trail.close()
    return extents


def test_verify_untouched_trail_is_sound_and_counts(tmp_path: Path) -> None:
    write_trail(tmp_path / "audit")
    report = verify(tmp_path / "audit")
    assert report.problem is None
    assert (report.records, report.blocks, report.segments) == (12, 6, 1)
    assert report.first_time is not None
    assert report.last_time is not None
    assert report.last_time >= report.first_time
    assert report.head_hash is not None
    assert not report.is_live
    assert report.unfinished_bytes == 0


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_verify_any_byte_changed_is_detected(tmp_path: Path, mask: int) -> None:
    """INVARIANT A2: no byte of the segment or of the head file can change unseen."""
    directory = tmp_path / "audit"
    write_trail(directory, blocks=3)
    for name in ("00000001.jsonl", "head"):
        path = directory / name
        whole = path.read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= mask
            path.write_bytes(changed)
            report = verify(directory)
            assert report.problem is not None, f"{name}: byte {position} changed and nobody saw"
            assert report.problem_file is not None
        path.write_bytes(whole)
    assert verify(directory).is_sound


def test_verify_changed_byte_names_file_and_offset_of_its_block(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    extents = write_trail(directory)
    path = directory / "00000001.jsonl"
    whole = bytearray(path.read_bytes())
    whole[extents[3][0] + 25] ^= 1
    path.write_bytes(whole)
    report = verify(directory)
    assert report.problem_file == "00000001.jsonl"
    assert report.problem_offset == extents[3][0]
    assert report.problem == "Block 4 was changed: its hash does not fit."


def test_verify_record_deleted_duplicated_or_swapped_is_detected(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    write_trail(directory)
    path = directory / "00000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for i in range(len(lines)):
        for changed in (
            lines[:i] + lines[i + 1 :],
            lines[: i + 1] + lines[i:],
            [*lines[:i], *reversed(lines[i : i + 2]), *lines[i + 2 :]],
        ):
            if changed == lines:
                continue
            path.write_bytes(b"".join(changed))
            assert verify(directory).problem is not None


def test_verify_block_deleted_duplicated_or_swapped_is_detected(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    extents = write_trail(directory)
    path = directory / "00000001.jsonl"
    whole = path.read_bytes()
    blocks = [whole[start:end] for start, end in extents]
    for i in range(len(blocks)):
        changes = [blocks[:i] + blocks[i + 1 :], blocks[: i + 1] + blocks[i:]]
        if i:
            changes.append([*blocks[: i - 1], blocks[i], blocks[i - 1], *blocks[i + 1 :]])
        for changed in changes:
            path.write_bytes(b"".join(changed))
            report = verify(directory)
            # A last block that stands twice is refused as well: block 7 would have to follow it.
            assert report.problem is not None


def test_verify_truncated_at_every_byte_is_detected(tmp_path: Path) -> None:
    """INVARIANT A3: the head file vouches for the end."""
    directory = tmp_path / "audit"
    write_trail(directory, blocks=3)
    path = directory / "00000001.jsonl"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        report = verify(directory)
        assert report.problem is not None, f"cut to {size} bytes and nobody saw"


@pytest.mark.parametrize("gone", ["00000001.jsonl", "00000003.jsonl", "last", "head"])
def test_verify_file_deleted_is_detected(tmp_path: Path, gone: str) -> None:
    directory = tmp_path / "audit"
    write_trail(directory, blocks=40, segment_bytes_max=2000)
    segments = sorted(directory.glob("*.jsonl"))
    assert len(segments) > 4
    name = segments[-1].name if gone == "last" else gone
    (directory / name).unlink()
    report = verify(directory)
    assert report.problem is not None
    assert "missing" in report.problem


def test_verify_segments_swapped_or_copied_is_detected(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    write_trail(directory, blocks=40, segment_bytes_max=2000)
    first, second = directory / "00000001.jsonl", directory / "00000002.jsonl"
    kept = first.read_bytes(), second.read_bytes()
    first.write_bytes(kept[1])
    second.write_bytes(kept[0])
    assert verify(directory).problem is not None
    first.write_bytes(kept[0])
    assert verify(directory).problem is not None
    second.write_bytes(kept[1])
    assert verify(directory).is_sound
    segments = sorted(directory.glob("*.jsonl"))
    shutil.copy(segments[-1], directory / f"{len(segments) + 1:08d}.jsonl")
    assert verify(directory).problem is not None


def test_verify_many_segments_continue_the_chain(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    write_trail(directory, blocks=40, segment_bytes_max=2000)
    report = verify(directory)
    assert report.problem is None
    assert report.blocks == 40
    assert report.segments > 4


def test_verify_archived_segments_are_a_problem_unless_allowed(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    write_trail(directory, blocks=40, segment_bytes_max=2000)
    (directory / "00000001.jsonl").unlink()
    assert verify(directory).problem == "The segment file 00000001.jsonl is missing."
    report = verify(directory, is_archive_allowed=True)
    assert report.problem is None
    assert report.first_block > 1


def test_verify_trail_cut_back_together_with_an_old_head_is_sound_but_hash_differs(tmp_path: Path) -> None:
    """What is not covered: both put back to an older state. Only a hash noted elsewhere shows it."""
    directory = tmp_path / "audit"
    write_trail(directory, blocks=3)
    shutil.copytree(directory, tmp_path / "older")
    trail = Trail(str(directory))
    trail.append(b'{"eventVersion":"1.11"}\n', 1, {})
    trail.close()
    newer, older = verify(directory), verify(tmp_path / "older")
    assert newer.is_sound
    assert older.is_sound
    assert newer.head_hash != older.head_hash


def test_verify_no_trail_says_so(tmp_path: Path) -> None:
    assert "no audit trail" in (verify(tmp_path / "nowhere").problem or "")
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / "empty").problem == "The head file is missing."


def test_verify_while_open_is_live_and_tolerates_a_block_in_progress(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    trail = Trail(str(directory))
    trail.append(b'{"eventVersion":"1.11"}\n', 1, {})
    with (directory / "00000001.jsonl").open("ab") as file:
        file.write(b'{"eventVersion":"1.11"}\n{"chain":1,"blo')
    report = verify(directory)
    assert report.problem is None
    assert report.is_live
    assert report.records == 1
    assert report.unfinished_bytes == 39
    trail.close()


def test_block_hash_can_be_followed_by_hand_as_the_format_page_says(tmp_path: Path) -> None:
    """docs/formats/audit.md, in the plainest code."""
    directory = tmp_path / "audit"
    write_trail(directory)
    records, previous, blocks = b"", "0" * 64, 0
    for line in (directory / "00000001.jsonl").read_bytes().splitlines(keepends=True):
        if not line.startswith(b'{"chain":'):
            records += line
            continue
        told = json.loads(line)
        header = line[: line.rindex(b',"hash":"')]
        digest = hashlib.sha256(
            bytes.fromhex(previous) + len(records).to_bytes(8, "big") + records + header
        ).hexdigest()
        assert told["previous"] == previous
        assert told["hash"] == digest
        records, previous, blocks = b"", digest, blocks + 1
    assert blocks == 6
    assert verify(directory).head_hash == previous
