"""Reading the trail for what is in it. Whether it holds is verify's to say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strongroom.audit.chain import segment_name, segment_numbers

RECORD_START = b'{"eventVersion":'
_LINE_BYTES_MAX = 4 << 20


def read_records(
    directory: Path, containing: bytes = b"", *, newest_segments: int = 0
) -> Iterator[dict[str, Any]]:
    """The records of the trail in `directory`, the oldest first, of which the line contains these bytes.

    Reads what a running server has written so far: all segments, or so many of the newest. A line that is no
    record (a chain line, an unfinished one at the end, the room after it) is passed over.
    Raises OSError where the files cannot be read.
    """
    numbers = segment_numbers([path.name for path in directory.iterdir()])
    for number in numbers[-newest_segments:]:
        for line in _lines(directory / segment_name(number)):
            if containing in line and line.startswith(RECORD_START):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def event_time(record: dict[str, Any]) -> datetime:
    """When the request was made."""
    return datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _lines(path: Path) -> Iterator[bytes]:
    """Every line that ends."""
    with path.open("rb") as stream:
        while line := stream.readline(_LINE_BYTES_MAX):
            if line.endswith(b"\n"):
                yield line
