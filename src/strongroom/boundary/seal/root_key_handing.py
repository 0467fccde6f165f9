"""The root key on its way: from the seal program to a sealed boundary, and from a boundary to its spare.

seal program -> boundary   over a socket that the supervisor only passed on: a letter of those below, and more
boundary -> seal program   b"Y" the seal is open, b"W" || a sentence, or b"N" || a sentence: refused
boundary -> spare          the root key, 32 bytes; it waits in the socket until the spare needs it
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Final

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import is_root_key_of
from strongroom.boundary.seal_format import SealSlot
from strongroom.boundary.software.key_wrapping import KEY_BYTES

BRING_SECONDS: Final = 2.0
"""Who brings a root key has it already: no connection keeps the boundary from the next one for longer."""
VERDICT_SECONDS: Final = 30.0
_VERDICT_BYTES_MAX: Final = 1024

BY_OPERATOR: Final = b"K"
BY_SETTINGS: Final = b"A"
"""Each followed by the number of the slot, one byte, and the root key."""
SHARE: Final = b"S"
"""Followed by the bytes of one share."""
FORGET_SHARES: Final = b"F"
ASK: Final = b"Q"
ATTEMPT_REFUSED: Final = b"X"
"""An operator brought what opens no slot."""


def ask_to_open(boundary: socket.socket, slot: int, root_key: bytes, *, by_settings: bool = False) -> None:
    """Bring the root key. Raises SealRefused with the boundary's sentence.

    Secrets: it goes to whoever is at the other end; the caller knows that it is the boundary.
    """
    letter = BY_SETTINGS if by_settings else BY_OPERATOR
    _tell(boundary, letter + bytes((slot,)) + root_key)


def give_share(boundary: socket.socket, content: bytes) -> str:
    """Bring the bytes of one share (shares.py); what is missing still, or nothing when the seal is open.

    Raises SealRefused. Secrets: as `ask_to_open`.
    """
    return _tell(boundary, SHARE + content)


def tell_sealed(boundary: socket.socket, letter: bytes) -> str:
    """Say FORGET_SHARES, ASK or ATTEMPT_REFUSED; what the boundary says to it. Raises SealRefused."""
    return _tell(boundary, letter)


def _tell(boundary: socket.socket, message: bytes) -> str:
    try:
        boundary.settimeout(VERDICT_SECONDS)
        boundary.sendall(message)
        boundary.shutdown(socket.SHUT_WR)
        verdict = receive_by(boundary, _VERDICT_BYTES_MAX, time.monotonic() + VERDICT_SECONDS)
    except OSError:
        verdict = b""
    if verdict[:1] == b"Y":
        return ""
    if verdict[:1] == b"W":
        return verdict[1:].decode("utf-8", "replace")
    if verdict[:1] == b"N":
        raise SealRefused(verdict[1:].decode("utf-8", "replace"))
    raise SealRefused("The server went away before it had opened the seal; its log may say why.")


def hand_over(connection: socket.socket, root_key: bytes) -> None:
    """Give the root key to the spare; never waits for it."""
    with connection, contextlib.suppress(OSError):
        connection.send(root_key, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def take_handed_over(connection: socket.socket, slots: Sequence[SealSlot]) -> bytes | None:
    """The root key that waits in the socket, if it is the one that the slots wrap."""
    with connection, contextlib.suppress(OSError):
        root_key = receive_by(connection, KEY_BYTES, time.monotonic() + BRING_SECONDS)
        if any(is_root_key_of(slot, root_key) for slot in slots):
            return root_key
    return None


def receive_by(connection: socket.socket, bytes_max: int, deadline: float) -> bytes:
    """Up to `bytes_max`; fewer where the other side ends. `deadline` is on the monotonic clock."""
    received = b""
    while len(received) < bytes_max:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(bytes_max - len(received))
        if not chunk:
            break
        received += chunk
    return received
