"""Packets between the supervisor and each of its children, over a SOCK_SEQPACKET socket pair.

A packet is one letter and a payload; open files travel beside it. The kernel keeps packets whole,
so there is no length to parse:

    I  supervisor → service   begin: what the service needs to know (and its key files)
    R  child → supervisor     ready; of the boundary its seal record, of others what they gave up (child.py)
    E  child → supervisor     not possible: a sentence for the operator
    K  supervisor → boundary and a cluster's process: one end each of a stream socket pair, over which the
                              boundary gives the transport key for passwords; with the cluster's name
    S  boundary → supervisor  sealed: a sentence; somebody has to open the seal
    U  → boundary             one stream socket: somebody brings the root key (from the seal program, too)
    H  supervisor → boundary  one end of a socket by which a boundary leaves the root key to its spare
    C  supervisor → child     a channel: the name of the other end, and one stream socket
    F  client → supervisor    open this file again, for a confined process cannot: a path of those it may name
    W  jobs → supervisor      put a file in place whole: a path of those it keeps, a zero byte, the content
    T  jobs → supervisor      what runs, and what holds; the answer's file has it as JSON
    F, W, T  supervisor → client    the answer, in the order that was asked: an errno (0: done), and the file
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Final, NamedTuple

PACKET_BYTES_MAX: Final = 64 * 1024
FILES_MAX: Final = 8


class Packet(NamedTuple):
    """One packet. Whoever receives it owns the files and closes them."""

    letter: bytes
    payload: bytes
    files: tuple[int, ...]

    def close_files(self) -> None:
        """Close what came along."""
        for fd in self.files:
            os.close(fd)


class PacketRefused(Exception):
    """The packet was too long, or carried what it should not."""


class FilesLost(PacketRefused):
    """Files came along, and this process has no descriptors left for them."""

    def __init__(self, packet: Packet) -> None:
        """`packet`: without them."""
        super().__init__("the files of a control packet were lost")
        self.packet = packet


def control_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a control socket: the supervisor's (which never blocks), and the child's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def send_packet(
    control: socket.socket, letter: bytes, payload: bytes = b"", files: Sequence[int] = ()
) -> None:
    """Send one packet whole, or raise OSError. The files stay open here."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    control.sendmsg([letter + payload], ancillary, socket.MSG_NOSIGNAL)


def receive_packet(control: socket.socket) -> Packet | None:
    """The next packet; None at the end, when the other side is gone.

    Raises: PacketRefused, and FilesLost, which is one of it; BlockingIOError when there is none yet and the
    socket does not block.
    """
    try:
        data, ancillary, flags, _ = _receive(control)
    except ConnectionResetError:
        # The other side went with packets of ours unread: Linux says so once, before what it had said last.
        data, ancillary, flags, _ = _receive(control)
    files = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for fd in files:
            with contextlib.suppress(OSError):
                os.close(fd)
        if flags & socket.MSG_TRUNC or len(files) == FILES_MAX:
            raise PacketRefused("a control packet was cut off")
        raise FilesLost(Packet(data[:1], data[1:], ()))
    if not data:
        return None
    return Packet(data[:1], data[1:], tuple(files))


def _receive(control: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
    room = socket.CMSG_SPACE(FILES_MAX * array.array("i").itemsize)
    return control.recvmsg(PACKET_BYTES_MAX, room, socket.MSG_CMSG_CLOEXEC)
