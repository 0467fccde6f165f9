"""What runs, for `strongroom status`: the supervisor's children, and what each has given up.

The supervisor tells, for the job runner, which is asked, is confined and does not see /proc.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PROCESSES = Path("/proc")


def open_process_table(children: Sequence[tuple[str, int, Mapping[str, str]]]) -> int:
    """A file in memory, to be read from its start: a JSON array of what ProcessLine has. Raises OSError.

    Shape: name, process id and protections of each child.
    """
    lines = []
    for name, pid, protections in [("supervisor", os.getpid(), {}), *children]:
        try:
            lines.append({"name": name, "protections": protections, **_measure(pid)})
        except (OSError, ValueError, KeyError):
            continue  # it has ended meanwhile
    fd = os.memfd_create("processes", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as stream:
            stream.write(json.dumps(lines).encode())
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def _measure(pid: int) -> dict[str, Any]:
    text = (_PROCESSES / str(pid) / "status").read_text()
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}
    return {
        "process_id": pid,
        "user_id": int(fields["Uid"][0]),
        "resident_kilobytes": int(fields["VmRSS"][0]),
    }
