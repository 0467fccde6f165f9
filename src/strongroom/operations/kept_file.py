"""Small files beside the data that others replace whole: a confined process opens none that came after it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class KeptFiles(Protocol):
    """Whoever opens and replaces them: for the processes of a server, the supervisor."""

    async def open_file(self, path: Path) -> int:
        """Open it to be read. Raises OSError."""
        ...

    async def replace_file(self, path: Path, content: bytes) -> None:
        """Put it in place whole, mode 0600; it is on disk when this returns. Raises OSError."""
        ...


async def read_kept_file(files: KeptFiles, path: Path, bytes_max: int) -> bytes | None:
    """Its content, one byte more than `bytes_max` at most; None where there is none. Raises OSError."""
    try:
        with open(await files.open_file(path), "rb") as stream:
            return stream.read(bytes_max + 1)
    except FileNotFoundError:
        return None
