"""Files that are renewed while a server runs: read again every few seconds, used once they are whole.

The process that uses them is confined: whoever may opens them for it (`ControlChannel.open_file`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

logger = logging.getLogger("strongroom.certificates")

LOOK_SECONDS: Final = 5.0
FILE_BYTES_MAX: Final = 1 << 20
"""What a pipe of an unprivileged process may hold (pipe(7), pipe-max-size)."""

_MUST_BE: Final = "they must be certificates, and a private key without a passphrase, in PEM, that fit"

OpenFile: TypeAlias = Callable[[Path], Awaitable[int]]


class RenewedFiles:
    """Certificates and keys that are used together. Concurrency: one event loop.

    `use` is given other paths, in the same order, each of which can be read once: what is used has been
    read whole before. It raises OSError or ssl.SSLError for what cannot be used, and has changed nothing
    then. Secrets: kept of the files are hashes.
    """

    def __init__(self, files: Sequence[Path], open_file: OpenFile, use: Callable[[list[Path]], None]) -> None:
        self._files = files
        self._open_file = open_file
        self._use = use
        self._used: bytes | None = None
        self._trouble: tuple[str, bytes] | None = None
        self._is_trouble_told = False

    async def watch_until(self, stopped: asyncio.Event) -> None:
        """Look every LOOK_SECONDS."""
        while not stopped.is_set():
            try:
                await self.look()
            except Exception as error:
                logger.error("%s were not looked at: %s.", self._names(), type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)

    async def look(self) -> None:
        """Use the files if they are others than those in use.

        A renewal that is half done is none yet: what cannot be used is told when it is found a second time.
        """
        found = b""
        try:
            contents = [await self._read(file) for file in self._files]
            found = b"".join(hashlib.sha256(content).digest() for content in contents)
            if found != self._used:
                self._begin_to_use(contents)
                self._used = found
        except OSError as error:
            self._note_trouble(f"cannot be read: {error.strerror}", found)
        except ValueError as error:
            self._note_trouble(f"cannot be used: {error}", found)
        else:
            self._trouble = None

    def _begin_to_use(self, contents: Sequence[bytes]) -> None:
        with in_pipes(contents) as paths:
            try:
                self._use(paths)
            except OSError:  # Python reports OpenSSL's refusals by an errno that is not theirs, too
                raise ValueError(_MUST_BE) from None
        if self._used is not None:
            logger.info("Renewed, and in use from now on: %s.", self._names())

    def _note_trouble(self, reason: str, found: bytes) -> None:
        if (reason, found) != self._trouble:
            self._trouble, self._is_trouble_told = (reason, found), False
        elif not self._is_trouble_told:
            self._is_trouble_told = True
            logger.warning("%s %s. What was read before stays in use.", self._names(), reason)

    def _names(self) -> str:
        return ", ".join(map(str, self._files))

    async def _read(self, file: Path) -> bytes:
        with open(await self._open_file(file), "rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ValueError(f"one is larger than {FILE_BYTES_MAX} bytes")
        return content


@contextlib.contextmanager
def in_pipes(contents: Sequence[bytes]) -> Iterator[list[Path]]:
    """A path for each, by which it can be read once: OpenSSL takes paths, and knows no other way for a chain.

    Raises: OSError.
    """
    with contextlib.ExitStack() as at_end:
        paths = []
        for content in contents:
            reading, writing = os.pipe()
            at_end.callback(os.close, reading)
            try:
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, max(len(content), 1))
                os.write(writing, content)
            finally:
                os.close(writing)
            paths.append(Path(f"/proc/self/fd/{reading}"))
        yield paths
