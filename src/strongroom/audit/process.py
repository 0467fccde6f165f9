"""The audit writer: the one process that writes the trail. `python -I -m strongroom.audit.process`.

It takes batches of records from all workers over Unix stream sockets, writes what has arrived as one
block, syncs once when any batch asks for it, and answers each batch. It reads no network, holds no
key material and knows nothing of KMS. Of this package it imports its own room and the confinement, to stay
small. INVARIANT A8: from its first record on it reaches nothing but the trail's directory.

Concurrency: one thread, one epoll loop.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time

from strongroom.audit.messages import (
    ANSWER,
    CHAIN_END,
    DURABLE,
    END,
    END_ASKED,
    FAILED,
    GREETING,
    WRITTEN,
    Frame,
    FrameRefused,
    parse_frames,
)
from strongroom.audit.recovery import TrailDamaged
from strongroom.audit.trail import ROOM_BYTES, SyncFailed, Trail, TrailBusy, make_directory
from strongroom.confinement.confined import ConfinementFailed, confine_writer, render_report

SYNC_SECONDS_MAX = 0.05
"""How long a block that nobody waits for may be in memory only."""
HEAD_SECONDS_MAX = 1.0
"""How far the head file may be behind the end of the chain."""

_BLOCK_BYTES = 8 << 20
_TAKE_BYTES = 1 << 20
_RECEIVE_BYTES = 1 << 18
_UNSENT_BYTES_MAX = 1 << 16
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 16 << 20

EXIT_REFUSED = 1
EXIT_SYNC_FAILED = 2


class Channel:
    """One worker's connection."""

    __slots__ = ("events", "instance", "last", "received", "socket", "unsent")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = bytearray()
        self.unsent = bytearray()
        self.instance = b""
        """Hexadecimal; empty before the greeting."""
        self.last = 0
        """The highest batch that is in the chain, or in the block that is being written."""
        self.events = 0


class Writer:
    """The loop: receive, write one block, sync if wanted, answer."""

    def __init__(self, control: socket.socket, trail: Trail) -> None:
        self._control = control
        self._trail = trail
        self._channels: dict[int, Channel] = {}
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)
        self._unsynced_since = self._head_since = 0.0
        self._is_writable = True

    def run(self) -> None:
        """Serve until the supervisor closes the control socket. Raises SyncFailed."""
        control = self._control.fileno()
        while True:
            arrived: list[tuple[Channel, Frame]] = []
            stop = False
            for descriptor, events in self._epoll.poll(self._find_timeout_seconds()):
                if descriptor == control:
                    stop = not self._take_control()
                elif (channel := self._channels.get(descriptor)) is not None:
                    self._serve(channel, events, arrived)
            if stop:
                for channel in list(self._channels.values()):
                    self._receive(channel, arrived)
            self._commit(arrived)
            self._sync_what_is_due()
            if stop:
                self._trail.close()
                return

    # channels ----------------------------------------------------------------------------------

    def _take_control(self) -> bool:
        """A new channel; False when the supervisor is gone."""
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, 4096, 4)
        except OSError:
            return False
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            if not packet.startswith(b"C"):
                connection.close()
                continue
            connection.setblocking(False)
            channel = Channel(connection)
            self._channels[connection.fileno()] = channel
            self._listen(channel)
        return bool(packet)

    def _listen(self, channel: Channel) -> None:
        # A worker that does not read its answers is not read from either.
        wanted = select.EPOLLIN if len(channel.unsent) < _UNSENT_BYTES_MAX else 0
        if channel.unsent:
            wanted |= select.EPOLLOUT
        if wanted != channel.events:
            register = self._epoll.modify if channel.events else self._epoll.register
            register(channel.socket.fileno(), wanted)
            channel.events = wanted

    def _serve(self, channel: Channel, events: int, arrived: list[tuple[Channel, Frame]]) -> None:
        if events & select.EPOLLOUT:
            self._send(channel)
        if events & ~select.EPOLLOUT and channel.socket.fileno() >= 0:
            self._receive(channel, arrived)

    def _receive(self, channel: Channel, arrived: list[tuple[Channel, Frame]]) -> None:
        """Take what has arrived. What was received whole before the end of a channel still counts."""
        taken, ended = 0, False
        try:
            while taken < _TAKE_BYTES:
                chunk = channel.socket.recv(_RECEIVE_BYTES)
                if not chunk:
                    ended = True
                    break
                channel.received += chunk
                taken += len(chunk)
                if len(chunk) < _RECEIVE_BYTES:
                    break
        except BlockingIOError:
            pass
        except OSError:
            ended = True
        try:
            arrived += [(channel, frame) for frame in parse_frames(channel.received)]
        except FrameRefused as refusal:
            _say(f"a worker's channel was closed: {refusal}")
            ended = True
        if ended:
            self._close(channel)

    def _close(self, channel: Channel) -> None:
        if channel.socket.fileno() >= 0:
            self._epoll.unregister(channel.socket.fileno())
            del self._channels[channel.socket.fileno()]
            channel.socket.close()

    def _answer(self, channel: Channel, batch_id: int, status: int) -> None:
        channel.unsent += ANSWER.pack(batch_id, status)

    def _answer_end(self, channel: Channel) -> None:
        """Where the chain ends, as this process knows it: nothing that was put into the files is believed."""
        block, records, digest = self._trail.link
        channel.unsent += ANSWER.pack(1, END) + CHAIN_END.pack(block, records, digest)

    def _send(self, channel: Channel) -> None:
        if channel.socket.fileno() < 0:
            return
        try:
            sent = channel.socket.send(channel.unsent)
            del channel.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._close(channel)
            return
        self._listen(channel)

    # writing -----------------------------------------------------------------------------------

    def _commit(self, arrived: list[tuple[Channel, Frame]]) -> None:
        """Write all that arrived, sync at most once, then answer."""
        answers: list[tuple[Channel, int, int]] = []
        block: list[tuple[Channel, Frame]] = []
        asking: list[Channel] = []
        size, durable = 0, False
        for channel, frame in arrived:
            if frame.flags == GREETING:
                self._greet(channel, frame)
                continue
            if frame.flags == END_ASKED:
                asking.append(channel)
                continue
            durable = durable or bool(frame.flags & DURABLE)
            if frame.batch_id <= channel.last:
                # INVARIANT A5: a batch is in the chain once, however often it is sent.
                answers.append((channel, frame.batch_id, WRITTEN))
            elif frame.batch_id != channel.last + 1 or not channel.instance:
                answers.append((channel, frame.batch_id, FAILED))  # one before it failed: keep the order
            else:
                channel.last = frame.batch_id
                block.append((channel, frame))
                size += len(frame.body)
                if size >= _BLOCK_BYTES:
                    self._write(block, answers)
                    block, size = [], 0
        if block:
            self._write(block, answers)
        if durable or asking:
            self._trail.sync()
        for channel, batch_id, status in answers:
            self._answer(channel, batch_id, status)
        for channel in asking:
            self._answer_end(channel)
        for channel in {id(channel): channel for channel in (*(one[0] for one in answers), *asking)}.values():
            self._send(channel)

    def _greet(self, channel: Channel, frame: Frame) -> None:
        channel.instance = frame.body.hex().encode()
        channel.last = self._trail.last_batches.get(channel.instance, frame.batch_id - 1)

    def _write(self, block: list[tuple[Channel, Frame]], answers: list[tuple[Channel, int, int]]) -> None:
        records = b"\n".join([frame.body for _, frame in block]) + b"\n"
        batches = {channel.instance: channel.last for channel, _ in block}
        try:
            self._trail.append(records, sum([frame.count for _, frame in block]), batches)
            status = WRITTEN
        except OSError as error:
            self._trail.undo_partial_write()
            for channel, frame in reversed(block):
                channel.last = frame.batch_id - 1
            status = FAILED
            if self._is_writable:
                _say(f"the audit trail cannot be written: {error.strerror}")
        if status == WRITTEN and not self._is_writable:
            _say("the audit trail is written again")
        self._is_writable = status == WRITTEN
        answers += [(channel, frame.batch_id, status) for channel, frame in block]

    # what waits --------------------------------------------------------------------------------

    def _find_timeout_seconds(self) -> float:
        due = []
        if not self._trail.is_synced:
            due.append(self._unsynced_since + SYNC_SECONDS_MAX)
        if not self._trail.is_head_current:
            due.append(self._head_since + HEAD_SECONDS_MAX)
        return max(0.0, min(due) - time.monotonic()) if due else -1

    def _sync_what_is_due(self) -> None:
        now = time.monotonic()
        if self._trail.is_synced:
            self._unsynced_since = now
        elif now >= self._unsynced_since + SYNC_SECONDS_MAX:
            self._trail.sync()
            self._unsynced_since = now
        if self._trail.is_head_current:
            self._head_since = now
        elif now >= self._head_since + HEAD_SECONDS_MAX:
            self._trail.save_head()
            self._head_since = now


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"strongroom audit: {sentence}\n".encode())


def _refuse(control: socket.socket, sentence: str, status: int) -> int:
    with contextlib.suppress(OSError):
        control.send(b"E" + sentence.encode())
    _say(sentence)
    return status


def _open_trail(control: socket.socket, directory: str, room_bytes: int) -> tuple[Trail, bytes] | int:
    """The trail, and what was given up first; or the exit status after the supervisor was told why not."""
    try:
        make_directory(directory)
        report = render_report(confine_writer(directory))
        return Trail(directory, room_bytes=room_bytes), report
    except (ConfinementFailed, TrailDamaged, TrailBusy) as error:
        return _refuse(control, str(error), EXIT_REFUSED)
    except SyncFailed as error:
        return _refuse(control, str(error), EXIT_SYNC_FAILED)
    except OSError as error:
        return _refuse(control, f"The audit trail cannot be opened: {error.strerror}.", EXIT_REFUSED)


def serve(control: socket.socket) -> int:
    """Take mode and directory from the supervisor, be confined, open the trail, serve; the exit status.

    Shape: `I`, the setting `audit` (durable or batched), a zero byte, the directory.
    """
    try:
        packet = control.recv(65536)
    except OSError:
        packet = b""
    if not packet:
        return 0
    mode, _, directory = packet[1:].partition(b"\0")
    if not packet.startswith(b"I") or not directory:
        return _refuse(control, "The supervisor's first message is not the audit directory.", EXIT_REFUSED)
    # Where no answer waits for the disk, syncs are few and room made ahead costs more than it saves.
    opened = _open_trail(control, os.fsdecode(directory), ROOM_BYTES if mode == b"durable" else 0)
    if isinstance(opened, int):
        return opened
    trail, report = opened
    if trail.torn is not None:
        _say(f"an unfinished block of {trail.torn.bytes} bytes was set aside as {trail.torn.file}")
    try:
        with contextlib.suppress(OSError):
            control.send(b"R" + report)
        Writer(control, trail).run()
    except SyncFailed as error:
        return _refuse(control, str(error), EXIT_SYNC_FAILED)
    return 0


def main(arguments: list[str]) -> int:
    """`--control-fd N`: the socket to the supervisor."""
    if len(arguments) != 2 or arguments[0] != "--control-fd" or not arguments[1].isdecimal():
        _say("usage: python -I -m strongroom.audit.process --control-fd N")
        return EXIT_REFUSED
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_DUMPABLE, 0)  # records are about callers: nobody but root reads this process's memory
    with contextlib.suppress(AttributeError):  # musl has no mallopt
        # Keep the memory of one batch for the next instead of giving it back: a fifth less CPU.
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BYTES)
    # The supervisor ends this process by closing the control socket, after the last worker: a signal
    # to the whole group (Ctrl-C, a service manager's stop) must not take the trail away before that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    with contextlib.suppress(ImportError):
        import setproctitle

        setproctitle.setproctitle("strongroom: audit")
    with socket.socket(fileno=int(arguments[1])) as control:
        return serve(control)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
