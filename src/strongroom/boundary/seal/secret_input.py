"""How secrets come to the seal program: from an open file, or typed unseen. Never from argv."""

from __future__ import annotations

import os
import stat
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from strongroom.boundary.seal.refusal import SealRefused

SECRET_BYTES_MAX: Final = 16_384
_LINE_BYTES_MAX: Final = 1_200


def read_secret_file(fd: int, name: str) -> bytes:
    """All of an open file or pipe, without the line end after it; the file is closed.

    `name` says what it holds. Raises: SealRefused when that is nothing, too much, or others may read it.
    """
    try:
        status = os.fstat(fd)
        os.set_blocking(fd, True)
        with open(fd, "rb") as stream:
            if stat.S_ISREG(status.st_mode):
                _require_private(status, name)
            secret = stream.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SealRefused(f"The {name} cannot be read: {error.strerror}. Nothing was changed.") from None
    secret = secret.removesuffix(b"\n").removesuffix(b"\r")
    if not secret or len(secret) > SECRET_BYTES_MAX:
        raise SealRefused(
            f"The {name} must be 1 to {SECRET_BYTES_MAX} bytes, and is not: check what was given."
            " Nothing was changed."
        )
    return secret


def _require_private(status: os.stat_result, name: str) -> None:
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
        raise SealRefused(
            f"The file with the {name} can be read or changed by others: give it to user {os.geteuid()} alone"
            " (chmod 600), and consider whether somebody has copied it. Nothing was changed."
        )


class Terminal:
    """The terminal that the operator sits at."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ask(self, prompt: str) -> bytes:
        """What is typed, unseen, up to the end of the line. Raises SealRefused when nothing comes."""
        line = b""
        with _unseen(self._fd):  # before it is asked: what is typed at once is neither shown nor lost
            os.write(self._fd, f"{prompt}: ".encode())
            while not line.endswith(b"\n") and len(line) <= _LINE_BYTES_MAX:
                received = os.read(self._fd, _LINE_BYTES_MAX)
                if not received:
                    break
                line += received
        os.write(self._fd, b"\n")
        typed = line.removesuffix(b"\n").removesuffix(b"\r")
        if not typed:
            raise SealRefused("Nothing was typed. Nothing was changed.")
        return typed

    def say(self, sentence: str) -> None:
        """A line that only the terminal shows."""
        os.write(self._fd, f"{sentence}\n".encode())


@contextmanager
def _unseen(fd: int) -> Iterator[None]:
    before = termios.tcgetattr(fd)
    unseen = termios.tcgetattr(fd)
    unseen[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSAFLUSH, unseen)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)


def open_terminal(wanted: str) -> Terminal:
    """Raises SealRefused where there is none."""
    try:
        return Terminal(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        raise SealRefused(
            f"There is no terminal to type the {wanted} on: give an open file that holds it, with the"
            " flag that"
            " ends in -fd. Nothing was changed."
        ) from None
