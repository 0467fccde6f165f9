"""What a boundary process is told to begin with: the `I` packet and the files beside it.

Every option and file that the boundary knows is gathered here; strongroom.boundary.start_packet reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from strongroom.config import Settings


class BoundaryFiles(NamedTuple):
    """Open files for the boundary. Secrets: the supervisor holds them and never reads them."""

    key_file: int | None
    """None: there is none, and the seal is opened in another way."""
    root_secret: int | None


def boundary_options(settings: Settings) -> Mapping[str, str]:
    """What the settings say of the boundary. Shape: text without tabs and line ends."""
    return {"mode": settings.mode, "key_file_path": str(settings.seal_key_file)}


def render_boundary_start(
    options: Mapping[str, str], files: Mapping[str, int], seal_record: bytes
) -> tuple[bytes, list[int]]:
    """The payload of the packet, and the files in their order. Raises ValueError."""
    lines = {**options, "files": ",".join(files)}
    for name, value in lines.items():
        if not name or any(character in name + value for character in "\t\n"):
            raise ValueError(f"option {name!r} of the boundary cannot be said")
    head = "\n".join(f"{name}\t{value}" for name, value in lines.items())
    return head.encode("utf-8") + b"\n\n" + seal_record, list(files.values())
