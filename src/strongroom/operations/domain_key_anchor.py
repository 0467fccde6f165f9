"""The anchor of the domain keys: a file beside the database in which the boundary says which there are.

Whoever can write the database can put older rows back; the file says that they are older. Its form:
docs/formats/domain-key-anchor.md.
"""

from __future__ import annotations

from pathlib import Path

from strongroom.boundary.interface import Boundary
from strongroom.operations.kept_file import KeptFiles
from strongroom.resources.domain_key import DomainKeyRecord


class DomainKeyAnchor:
    """The file at `path`. The job runner alone has it written; each boundary is started with it."""

    def __init__(self, path: Path, boundary: Boundary, files: KeptFiles) -> None:
        self._path = path
        self._boundary = boundary
        self._files = files
        self._noted: dict[str, tuple[int, bool]] = {}
        """What this process has brought to the file, by Region."""

    async def note(self, newest: DomainKeyRecord, token: bytes, *, alone: bool) -> None:
        """Have the boundary vouch for a Region's newest domain key, and keep what it says; idempotent.

        `token` is the domain key's own; `alone`: nothing of the store is under an older one. It is on disk
        when this returns. Raises BoundaryError, OSError.
        """
        noted = newest.generation, alone
        if self._noted.get(newest.region) == noted and self._path.exists():
            return
        anchor = await self._boundary.vouch_for_domain_key(token, alone)
        await self._files.replace_file(self._path, anchor)
        self._noted[newest.region] = noted
