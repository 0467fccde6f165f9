"""What a sealed boundary does: it waits for a root key, or for the shares of one, from whoever is let in."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from typing import Final

from strongroom.boundary.control_socket import close_all, receive_packet
from strongroom.boundary.seal.opening import OpenedBy, OpenSeal, Sealed
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.root_key_handing import (
    ASK,
    ATTEMPT_REFUSED,
    BRING_SECONDS,
    BY_OPERATOR,
    BY_SETTINGS,
    FORGET_SHARES,
    SHARE,
    receive_by,
)
from strongroom.boundary.seal.share_gathering import GATHER_SECONDS, ShareGathering
from strongroom.boundary.seal.shares import CONTENT_BYTES, parse_share_content
from strongroom.boundary.seal.wrapping import is_root_key_of
from strongroom.boundary.software.key_wrapping import KEY_BYTES

_NOT_THE_KEY: Final = "This is not the root key of this seal. Nothing was changed."


def wait_until_opened(
    control: socket.socket, sealed: Sealed, seconds_max: float = GATHER_SECONDS
) -> OpenSeal | None:
    """The seal, once somebody has opened it; None when the supervisor is gone.

    Units: shares are forgotten `seconds_max` after the first was given, also while nobody comes.
    """
    waiting = _Waiting(sealed, seconds_max)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    control.send(b"S" + str(sealed).encode("utf-8"))
    while True:
        left = waiting.gathering.seconds_left(time.monotonic())
        if not poll.poll(None if left is None else math.ceil(left * 1000)):
            waiting.gathering.forget_expired(time.monotonic())
            continue
        packet, fds = receive_packet(control)
        if not packet:
            return None
        if packet[:1] == b"U" and len(fds) == 1:
            opened = waiting.converse(socket.socket(fileno=fds[0]))
            if opened is not None:
                return opened
        else:
            close_all(fds)


class _Waiting:
    """One sealed boundary. Secrets: the shares that were given; no answer holds one."""

    def __init__(self, sealed: Sealed, seconds_max: float) -> None:
        self._sealed = sealed
        self.gathering = ShareGathering(sealed.slots, seconds_max)
        self._attempts_refused = 0

    def converse(self, connection: socket.socket) -> OpenSeal | None:
        """Hear one message and answer it; the seal, if that opened it."""
        opened: OpenSeal | None = None
        with connection, contextlib.suppress(OSError):
            deadline = time.monotonic() + BRING_SECONDS
            letter = receive_by(connection, 1, deadline)
            if not letter:
                return None
            try:
                if letter in (BY_OPERATOR, BY_SETTINGS):
                    opened = self._take_root_key(letter, receive_by(connection, 1 + KEY_BYTES, deadline))
                elif letter == SHARE:
                    opened = self._take_share(receive_by(connection, CONTENT_BYTES, deadline))
                elif letter == FORGET_SHARES:
                    self.gathering.forget()
                elif letter == ATTEMPT_REFUSED:
                    self._attempts_refused += 1
                elif letter != ASK:
                    raise SealRefused(_NOT_THE_KEY)
            except SealRefused as refused:
                self._attempts_refused += 1
                connection.sendall(b"N" + str(refused).encode())
            else:
                answer = b"W" + self.gathering.describe(time.monotonic()).encode()
                # Who brought it may be gone by now; the seal is open all the same.
                with contextlib.suppress(OSError):
                    connection.sendall(answer if opened is None else b"Y")
        return opened

    def _take_root_key(self, letter: bytes, content: bytes) -> OpenSeal:
        slot, root_key = content[:1], content[1:]
        if not any(is_root_key_of(one, root_key) for one in self._sealed.slots):
            raise SealRefused(_NOT_THE_KEY)
        by = OpenedBy.SETTINGS if letter == BY_SETTINGS else OpenedBy.OPERATOR
        return self._open(slot[0], root_key, by)

    def _take_share(self, content: bytes) -> OpenSeal | None:
        opened = self.gathering.add(parse_share_content(content), time.monotonic())
        return None if opened is None else self._open(*opened, OpenedBy.OPERATOR)

    def _open(self, slot: int, root_key: bytes, by: OpenedBy) -> OpenSeal:
        self.gathering.forget()
        return OpenSeal(root_key, self._sealed.record, True, by, slot, self._attempts_refused)
