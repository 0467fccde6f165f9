"""The root key on its way: from the seal program to a sealed boundary, and from a boundary to its spare.

seal program -> boundary   b"K" || root key      on a stream socket that the supervisor only passed on
boundary -> seal program   b"Y", or b"N" || a sentence
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


def ask_to_open(boundary: socket.socket, root_key: bytes) -> None:
    """Bring the root key. Raises SealRefused with the boundary's sentence.

    Secrets: it goes to whoever is at the other end; the caller knows that it is the boundary.
    """
    try:
        boundary.settimeout(VERDICT_SECONDS)
        boundary.sendall(b"K" + root_key)
        verdict = _receive(boundary, _VERDICT_BYTES_MAX, VERDICT_SECONDS)
    except OSError:
        verdict = b""
    if verdict[:1] == b"Y":
        return
    if verdict[:1] == b"N":
        raise SealRefused(verdict[1:].decode("utf-8", "replace"))
    raise SealRefused("The server went away before it had opened the seal; its log may say why.")


def take_brought_key(connection: socket.socket, slots: Sequence[SealSlot]) -> bytes | None:
    """The root key, if it is the one that the slots wrap; None otherwise. Who brought it is told.

    Secrets: what it returns must not leave the boundary.
    """
    with connection, contextlib.suppress(OSError):
        received = _receive(connection, 1 + KEY_BYTES, BRING_SECONDS)
        root_key = received[1:]
        if received[:1] == b"K" and any(is_root_key_of(slot, root_key) for slot in slots):
            connection.sendall(b"Y")
            return root_key
        connection.sendall(b"NThis is not the root key of this seal. Nothing was changed.")
    return None


def hand_over(connection: socket.socket, root_key: bytes) -> None:
    """Give the root key to the spare; never waits for it."""
    with connection, contextlib.suppress(OSError):
        connection.send(root_key, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def take_handed_over(connection: socket.socket, slots: Sequence[SealSlot]) -> bytes | None:
    """The root key that waits in the socket, if it is the one that the slots wrap."""
    with connection, contextlib.suppress(OSError):
        root_key = _receive(connection, KEY_BYTES, BRING_SECONDS)
        if any(is_root_key_of(slot, root_key) for slot in slots):
            return root_key
    return None


def _receive(connection: socket.socket, bytes_max: int, seconds: float) -> bytes:
    received = b""
    deadline = time.monotonic() + seconds
    while len(received) < bytes_max:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(bytes_max - len(received))
        if not chunk:
            break
        received += chunk
    return received
