"""The boundary's end of a control socket: packets of one letter, with open files beside them."""

from __future__ import annotations

import array
import contextlib
import os
import socket
from typing import Final

CONTROL_PACKET_BYTES_MAX: Final = 65536
CONTROL_FILES_MAX: Final = 8


def receive_packet(control: socket.socket) -> tuple[bytes, list[int]]:
    """One packet of the control socket with the file descriptors that came along; b"" at its end."""
    packet, ancillary, _, _ = control.recvmsg(
        CONTROL_PACKET_BYTES_MAX, socket.CMSG_SPACE(CONTROL_FILES_MAX * 4)
    )
    fds: array.array[int] = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return packet, fds.tolist()


def close_all(fds: list[int]) -> None:
    """Close descriptors that are of no use here."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
