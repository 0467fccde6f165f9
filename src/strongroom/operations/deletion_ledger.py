"""The deletion ledger: a file beside the data that says what must not come back with a backup.

The store makes an entry in the transaction that deletes something; this brings the entries to the file,
sealed by the boundary, before the deletion is acknowledged. The form: docs/formats/deletion-ledger.md.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import closing
from pathlib import Path
from typing import Final

from strongroom.boundary.interface import Boundary, TicketRefused
from strongroom.resources.deletion import (
    GENESIS,
    LINE_BYTES_MAX,
    LedgerLine,
    LedgerRefused,
    chain_hash,
    parse_last_line,
    render_deletion,
    render_line,
)
from strongroom.store.interface import Store

PURPOSE: Final = "deletion-ledger"
LEDGER_FILE: Final = "deletion.ledger"
"""Its name in the data directory."""


class LedgerUnavailable(Exception):
    """The ledger does not go with the data, or cannot be written. Its text is one sentence."""

    exit_code = 255


class DeletionLedger:
    """The ledger in the file at `path`, which all processes of the server write, one at a time.

    Concurrency: a lock on the file keeps them apart; a process that dies gives it back.
    """

    def __init__(self, path: Path, store: Store, boundary: Boundary) -> None:
        self._path = path
        self._store = store
        self._boundary = boundary
        self._turn = asyncio.Lock()
        self._known = 0
        """Entries up to this one are on disk."""

    def make(self) -> Path:
        """Have the file there, for a confined process makes none. Its path. Raises LedgerUnavailable."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            _sync_directory(self._path.parent)
        except OSError as error:
            raise LedgerUnavailable(
                f"The deletion ledger {self._path} cannot be written: {error.strerror}."
            ) from None
        return self._path

    async def catch_up(self) -> None:
        """Bring every entry of the store to the file; they are on disk when this returns.

        Costs one look into an index when there is nothing. Raises LedgerUnavailable.
        """
        if not await self._store.list_deletions(self._known, 1):
            return
        await self.require_in_step()

    async def require_in_step(self) -> None:
        """`catch_up`, and the file must not hold more than the store, nor anything else.

        A longer file means that somebody put an older database in place. Raises LedgerUnavailable.
        """
        async with self._turn:
            try:
                with closing(await asyncio.to_thread(_LockedFile, self._path)) as file:
                    await self._append(file)
            except OSError as error:
                raise LedgerUnavailable(
                    f"The deletion ledger {self._path} cannot be written: {error.strerror}."
                ) from None
            except LedgerRefused as refusal:
                raise LedgerUnavailable(
                    f"The deletion ledger {self._path} does not go with the data: {refusal}. If an older "
                    "database was put in place, use strongroom restore: it deletes again what was deleted."
                ) from None

    def set_aside(self) -> None:
        """Keep the file under another name, for data that was restored without it. Raises OSError."""
        if not self._path.exists() or not self._path.stat().st_size:
            return
        number = 1
        while (kept := self._path.with_name(f"{self._path.name}.before-restore-{number}")).exists():
            number += 1
        os.rename(self._path, kept)
        _sync_directory(self._path.parent)
        self._known = 0

    async def _append(self, file: _LockedFile) -> None:
        last = parse_last_line(file.tail)
        sequence, digest = (0, GENESIS) if last is None else (last.sequence, last.hash)
        if last is not None and await self._store.list_deletions(sequence - 1, 1) != [
            render_deletion(last.deletion)
        ]:
            raise LedgerRefused(f"entry {sequence} is not in the database")
        lines: list[bytes] = []
        for entry in await self._store.list_deletions(sequence):
            sequence += 1
            digest = chain_hash(digest, sequence, entry)
            seal = await self._boundary.make_ticket(PURPOSE, digest, b"%d" % sequence)
            lines.append(render_line(sequence, entry, digest, seal))
        if lines:
            await asyncio.to_thread(file.append, b"".join(lines))
        self._known = sequence


async def keep_deletions(ledger: DeletionLedger | None) -> None:
    """Whoever deleted something waits for this before saying so. Raises LedgerUnavailable."""
    if ledger is not None:
        await ledger.catch_up()


async def require_seals(boundary: Boundary, lines: list[LedgerLine]) -> None:
    """Raises LedgerRefused for a line that this data's boundary did not seal."""
    for line in lines:
        try:
            text = await boundary.read_ticket(PURPOSE, line.hash, line.seal)
        except TicketRefused:
            text = b""
        if text != b"%d" % line.sequence:
            raise LedgerRefused(f"line {line.sequence} was not written by a server with this root key")


class _LockedFile:
    """The open, locked file. Concurrency: waits for other processes, so not on the loop's thread."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd, is_new = os.open(path, flags), False
        except FileNotFoundError:
            self._fd, is_new = os.open(path, flags | os.O_CREAT, 0o600), True
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            size = os.fstat(self._fd).st_size
            start = max(0, size - 2 * LINE_BYTES_MAX)
            read = os.pread(self._fd, 2 * LINE_BYTES_MAX, start)
            if is_new:
                _sync_directory(path.parent)
            end = read.rfind(b"\n") + 1
            if end == 0 and size > LINE_BYTES_MAX:
                raise LedgerRefused("its end is no line of a ledger")
            self.tail = read[:end]
            self._end = start + end  # what follows is a line that a crash cut short
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, lines: bytes) -> None:
        """On disk when it returns. Raises OSError."""
        os.ftruncate(self._fd, self._end)
        written = 0
        while written < len(lines):
            written += os.pwrite(self._fd, lines[written:], self._end + written)
        os.fsync(self._fd)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
