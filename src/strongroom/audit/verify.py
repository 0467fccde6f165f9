"""`strongroom audit verify`: reads the whole trail and checks every byte of it against the chain.

Memory: one block at a time, however long the trail. It may run while the server writes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from strongroom.audit.chain import (
    HEAD_FILE,
    LOCK_FILE,
    START,
    Block,
    BlockReader,
    ChainBroken,
    Head,
    Link,
    find_data_end,
    parse_head,
    segment_name,
    segment_numbers,
)
from strongroom.audit.checkpoint_walk import CheckpointProblem, CheckpointWalk

if TYPE_CHECKING:
    from strongroom.audit.checkpoint_signatures import CheckpointKey
    from strongroom.audit.checkpoints import SignedCheckpoint


@dataclass(slots=True)
class VerifyReport:
    """What the trail holds, or the first thing that is wrong with it."""

    records: int = 0
    blocks: int = 0
    segments: int = 0
    first_time: str | None = None
    """When the first block was written (not the event time of its records); None without blocks."""
    last_time: str | None = None
    head_hash: str | None = None
    """The hash of the last whole block: note it elsewhere, and any later change before it shows."""
    first_block: int = 1
    """Above 1 where older segments were archived away: what precedes it was not checked."""
    torn_blocks: int = 0
    """How often a crash left an unfinished block that the next start set aside and noted."""
    unfinished_bytes: int = 0
    """What follows the last whole block: one being written, or one that a crash cut short. Zeros at the very
    end do not count: room that was made ahead."""
    checkpoints: int = 0
    """How many of them the key has signed; 0 where none was given."""
    foreign_checkpoints: int = 0
    """Those that name another key. Nothing is known of them."""
    signed_block: int = 0
    """The last block under a signature, with all before it; 0: none."""
    signed_time: str | None = None
    """When the checkpoint was signed, as it says."""
    signed_records: int = 0
    is_live: bool = False
    """Whether a server had the trail open meanwhile."""
    problem: str | None = None
    problem_file: str | None = None
    problem_offset: int | None = None
    """The byte in `problem_file` at which the damaged block or line starts."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


class _Problem(Exception):
    def __init__(self, sentence: str, file: str | None = None, offset: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.file = file
        self.offset = offset


def verify(
    directory: Path,
    *,
    is_archive_allowed: bool = False,
    key: CheckpointKey | None = None,
    known: Sequence[SignedCheckpoint] = (),
) -> VerifyReport:
    """Check the trail in `directory` (the `audit` folder of a data directory).

    Sound means: every record stands as it was written, in its place, none is missing up to the point
    that the head file vouches for. An unfinished block at the very end is not a fault: it was never
    acknowledged. `is_archive_allowed`: the oldest segments may have been moved away; `first_block` then
    says where the check began. With `key`, the checkpoints in the trail are checked as well, and that each of
    the `known` ones, from elsewhere, is of this trail. What that cannot show is in docs/formats/audit.md.
    Raises OSError where the files cannot be read.
    """
    report = VerifyReport()
    try:
        checkpoints = CheckpointWalk(key, known)
        _verify(directory, report, is_archive_allowed, checkpoints)
        checkpoints.finish(report.first_block)
    except CheckpointProblem as problem:
        report.problem = str(problem)
    except _Problem as problem:
        report.problem = problem.sentence
        report.problem_file, report.problem_offset = problem.file, problem.offset
    return report


def _verify(
    directory: Path, report: VerifyReport, is_archive_allowed: bool, checkpoints: CheckpointWalk
) -> None:
    if not directory.is_dir():
        raise _Problem(f"There is no audit trail at {directory}.")
    report.is_live = _is_live(directory)
    # The head is read before the segments: a server that goes on meanwhile can only be ahead of it.
    head = _load_head(directory)
    numbers = segment_numbers(os.listdir(directory))
    if not numbers and head.link != START:
        raise _Problem("All segment files are missing.", segment_name(head.segment), 0)
    for expected, number in enumerate(numbers, numbers[0] if numbers and is_archive_allowed else 1):
        if number != expected:
            raise _Problem(
                f"The segment file {segment_name(expected)} is missing.", segment_name(expected), 0
            )
    walk = _Walk(report, head, START if numbers[:1] == [1] else None, checkpoints)
    for number in numbers:
        name = segment_name(number)
        with (directory / name).open("rb") as file:
            walk.read_segment(number, name, file, is_last=number == numbers[-1])
    if not walk.is_head_met:
        name = segment_name(head.segment)
        sentence = "Records are missing at the end: the head file vouches for more than there is."
        raise _Problem(sentence, name, head.offset)


class _Walk:
    """The state of one pass over all segments."""

    def __init__(
        self, report: VerifyReport, head: Head, before: Link | None, checkpoints: CheckpointWalk
    ) -> None:
        self._report = report
        self._checkpoints = checkpoints
        self._head = head
        self._before = before
        self.is_head_met = head.link == START

    def read_segment(self, number: int, name: str, file: BinaryIO, *, is_last: bool) -> None:
        reader = BlockReader(file, self._before)
        self._report.segments += 1
        try:
            for block in reader:
                self._count(block)
                self._check_signatures(block, reader, name)
                if block.link.block == self._head.link.block:
                    self._require_head(number, name, block)
        except ChainBroken as error:
            sentence = f"{error.sentence[0].upper()}{error.sentence[1:]}."
            raise _Problem(sentence, name, error.offset) from None
        stop = reader.position + reader.unfinished
        data_end = find_data_end(file, stop)
        if reader.unfinished and not is_last:
            raise _Problem("A block in the middle of the trail is not whole.", name, reader.position)
        # Room is made ahead in the last segment only, and zeros before what is on disk are never room.
        if os.fstat(file.fileno()).st_size > stop and not (
            is_last and (self.is_head_met or data_end == stop)
        ):
            raise _Problem("Zeros stand in the middle of the trail.", name, stop)
        self._report.unfinished_bytes = data_end - reader.position

    def _count(self, block: Block) -> None:
        report = self._report
        if report.blocks == 0:
            report.first_time = block.time
            report.first_block = block.link.block
        report.blocks += 1
        report.records += block.records
        report.last_time = block.time
        report.head_hash = block.link.hash.hex()
        report.torn_blocks += block.torn is not None
        self._before = block.link

    def _check_signatures(self, block: Block, reader: BlockReader, name: str) -> None:
        checkpoints, report = self._checkpoints, self._report
        try:
            checkpoints.take(block.link, reader.records)
        except CheckpointProblem as problem:
            raise _Problem(str(problem), name, block.end) from None
        report.checkpoints, report.foreign_checkpoints = checkpoints.count, checkpoints.foreign
        last = checkpoints.last
        if last.number:
            report.signed_block, report.signed_records, report.signed_time = (
                last.block,
                last.records,
                last.time,
            )

    def _require_head(self, number: int, name: str, block: Block) -> None:
        head = self._head
        ends_where_told = (number, block.end) == (head.segment, head.offset) or head.offset == 0
        if block.link != head.link or not ends_where_told:
            sentence = f"Block {block.link.block} is not the one that the head file names."
            raise _Problem(sentence, name, block.end)
        self.is_head_met = True


def _load_head(directory: Path) -> Head:
    try:
        return parse_head((directory / HEAD_FILE).read_bytes())
    except FileNotFoundError:
        raise _Problem("The head file is missing.", HEAD_FILE, 0) from None
    except ChainBroken:
        raise _Problem("The head file is damaged.", HEAD_FILE, 0) from None


def _is_live(directory: Path) -> bool:
    """Whether a writer holds the trail's lock."""
    try:
        lock = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
