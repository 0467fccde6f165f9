"""What the trail in a directory has to say of a checkpoint: the block that it names, and older ones."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Final

from strongroom.audit.chain import BlockReader, segment_name, segment_numbers
from strongroom.audit.checkpoints import (
    EVENT_MARK,
    CheckpointRefused,
    SignedCheckpoint,
    parse_record,
)
from strongroom.audit.reader import read_records

LOOKED_AT_MAX: Final = 64
"""A worker that was taken over may write false ones without end."""


class BlockArchived(Exception):
    """The segments that held the block were moved away."""


def find_block_hash(directory: Path, number: int) -> bytes | None:
    """The hash of a block of the trail; None where the trail ends before it.

    Reads the segment that holds it, and the beginnings of those after it; every block on the way is checked.
    A server may write meanwhile. Raises BlockArchived, ChainBroken, OSError.
    """
    is_empty = True
    for segment in reversed(segment_numbers(os.listdir(directory))):
        with (directory / segment_name(segment)).open("rb") as file:
            last = 0
            for block in BlockReader(file, None):
                last = block.link.block
                if last == number:
                    return block.link.hash
                if last > number:
                    break  # it is in an older segment
        if 0 < last < number:
            return None
        is_empty = is_empty and last == 0  # a segment that was just begun holds nothing yet
    if is_empty:
        return None
    raise BlockArchived


def list_newest_checkpoints(directory: Path, *, newest_segments: int = 0) -> list[SignedCheckpoint]:
    """What claims to be one, the newest first, at most 64; of the whole trail or its end. Raises OSError."""
    found: deque[SignedCheckpoint] = deque(maxlen=LOOKED_AT_MAX)
    for record in read_records(directory, EVENT_MARK, newest_segments=newest_segments):
        try:
            parsed = parse_record(record)
        except CheckpointRefused:
            continue
        if parsed is not None:
            found.append(parsed[0])
    return list(reversed(found))
