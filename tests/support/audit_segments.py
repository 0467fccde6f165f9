"""An audit trail written by hand in a test, with records that are numbers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from strongroom.audit.trail import Trail

LINE = b'{"eventVersion":"1.11","n":%d}\n'
WORKER = b"ab" * 16


def append(trail: Trail, *numbers: int) -> None:
    """One block with these records."""
    trail.append(b"".join(LINE % number for number in numbers), len(numbers), {WORKER: numbers[-1]})


def abandon(trail: Trail) -> None:
    """End a trail as kill -9 does: nothing is synced, no head is written, the lock is gone."""
    for descriptor in (trail._file, trail._lock, trail._directory):
        os.close(descriptor)


def read_numbers(directory: Path) -> list[int]:
    """The records of a closed trail in the order of the chain."""
    lines = b"".join(path.read_bytes() for path in sorted(directory.glob("*.jsonl"))).splitlines()
    return [json.loads(line)["n"] for line in lines if not line.startswith(b'{"chain"')]
