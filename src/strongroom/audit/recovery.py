"""What a start finds on disk: where the chain ends, and whether it may be continued.

Bytes after the point that the head file vouches for, and that no longer form whole blocks, are what a
crash leaves: they were never acknowledged as being on disk. Zeros after them are room that was made ahead,
in the last segment only. Any other damage stops the start.

Standard library only: the writer process imports this.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from strongroom.audit.chain import (
    HEAD_FILE,
    START,
    BlockReader,
    ChainBroken,
    Head,
    Link,
    find_data_end,
    find_last_link,
    parse_head,
    segment_name,
    segment_numbers,
)

NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_LAST_LINE_BYTES_MAX = 1 << 20


class TrailDamaged(Exception):
    """The trail on disk is not what was written: the server must not go on as if it were."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"The audit trail is damaged: {sentence}.")


class End(NamedTuple):
    """Where the chain ends."""

    segment: int
    """0: there is no trail yet."""
    offset: int
    link: Link
    torn_bytes: int
    """How many bytes follow the last whole block, without the zeros at the end."""
    size: int
    """How long the segment's file is."""
    vouched_offset: int
    """Up to where this segment is known to be on disk."""
    batches: dict[bytes, int]
    """The highest batch of each worker instance."""


def find_end(directory: int) -> End:
    """Check the trail from the segment that the head file names, and say where it ends.

    Raises TrailDamaged, OSError.
    """
    numbers = segment_numbers(os.listdir(directory))
    head = _load_head(directory, numbers)
    if head is None or (not numbers and head.link == START):
        return End(0, 0, START, 0, 0, 0, {})
    if not numbers or numbers[-1] < head.segment or numbers[0] > head.segment:
        raise TrailDamaged(f"{segment_name(head.segment)}, which the head file names, is missing")
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise TrailDamaged("a segment file in its middle is missing")
    before = _find_link_before(directory, head.segment, numbers)
    batches: dict[bytes, int] = {}
    for number in range(head.segment, numbers[-1] + 1):
        end = _read_segment(directory, number, before, head, batches)
        if number != numbers[-1] and end.offset != end.size:
            what = "a block is not whole" if end.torn_bytes else "zeros stand in the middle of the trail"
            raise TrailDamaged(f"{segment_name(number)}, byte {end.offset}: {what}")
        before = end.link
    return end


def _load_head(directory: int, numbers: list[int]) -> Head | None:
    try:
        return parse_head(read_file(directory, HEAD_FILE))
    except FileNotFoundError:
        for number in numbers:
            if os.stat(segment_name(number), dir_fd=directory, follow_symlinks=False).st_size:
                raise TrailDamaged("its head file is missing") from None
        return None
    except ChainBroken as error:
        raise TrailDamaged(error.sentence) from None


def _find_link_before(directory: int, number: int, numbers: list[int]) -> Link | None:
    """What the segment before ends with; None where that one was moved to an archive."""
    if number == 1:
        return START
    if number - 1 not in numbers:
        return None
    name = segment_name(number - 1)
    with open(os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=directory), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_LINE_BYTES_MAX))
        link = find_last_link(file.read())
    if link is None:
        raise TrailDamaged(f"{name} does not end with a whole block")
    return link


def _read_segment(
    directory: int, number: int, before: Link | None, head: Head, batches: dict[bytes, int]
) -> End:
    name = segment_name(number)
    vouched = number > head.segment or head.offset == 0
    if vouched and number == head.segment and before not in (None, head.link):
        raise TrailDamaged(f"{segment_name(number - 1)} does not end where the head file says")
    link = before or head.link
    with open(os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=directory), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader = BlockReader(file, before)
        try:
            for block in reader:
                link = block.link
                batches.update(block.clients)
                if not vouched and link.block >= head.link.block:
                    if (link, block.end) != (head.link, head.offset):
                        raise TrailDamaged(f"{name}, byte {block.end}: the head file names another hash")
                    vouched = True
        except ChainBroken as error:
            if not vouched:
                raise TrailDamaged(f"{name}, byte {error.offset}: {error.sentence}") from None
        data_end = find_data_end(file, reader.position)
        if not vouched:
            stop = reader.position + reader.unfinished
            if data_end > stop:
                raise TrailDamaged(f"{name}, byte {stop}: zeros stand in the middle of the trail")
            raise TrailDamaged(f"{name} ends before the block that the head file names: records are missing")
        on_disk = head.offset if number == head.segment else 0
        return End(number, reader.position, link, data_end - reader.position, size, on_disk, batches)


def read_file(directory: int, name: str) -> bytes:
    """A small file, whole."""
    with open(os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=directory), "rb") as file:
        return file.read(1 << 16)
