"""The `I` packet: what the boundary process is told to begin with, and the files that come along.

    b"I"  then lines NAME TAB VALUE, an empty line, and the seal record to the end

The line `files` names the files beside the packet, in their order. The table for readers is
docs/formats/boundary-frames.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartPacket:
    """Secrets: none; files that hold one are open and unread."""

    options: Mapping[str, str]
    """All lines but `files`."""
    files: Mapping[str, int]
    """Open files by name: `key_file`, `root_secret`."""
    seal_record: bytes
    """Empty where there is none yet."""


def parse_start_packet(packet: bytes, fds: Sequence[int]) -> StartPacket:
    """Take the packet apart. Raises ValueError."""
    head, separator, record = packet[1:].partition(b"\n\n")
    if packet[:1] != b"I" or not separator:
        raise ValueError("not a start packet")
    options = dict(_parse_line(line) for line in head.decode("utf-8").split("\n"))
    names = options.pop("files", "").split(",")
    if names == [""]:
        names = []
    if len(names) != len(fds) or len(set(names)) != len(names):
        raise ValueError("not a start packet: files")
    return StartPacket(options, dict(zip(names, fds, strict=True)), record)


def _parse_line(line: str) -> tuple[str, str]:
    name, separator, value = line.partition("\t")
    if not separator:
        raise ValueError("not a start packet: line")
    return name, value
