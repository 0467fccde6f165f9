"""The boundary process: one loop, no files, no network, no database.

Started by the supervisor as `python -I -m strongroom.boundary.process --control-fd N`. The control socket
brings the seal record and the key file, then the client channels; when it ends, so does this process.
Clients are served in turn: all whole frames that have arrived, then one write of all their replies.
What takes long is done beside the loop (slow_work.py) and answered when it is done.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NoReturn, TypeAlias

from setproctitle import setproctitle

from strongroom.boundary.control_socket import close_all, receive_packet
from strongroom.boundary.dispatch import CryptographicModule, Dispatcher
from strongroom.boundary.domain_key_anchor import ANCHOR_BYTES_MAX, AnchorRefused
from strongroom.boundary.messages import (
    FRAME_BYTES_MAX,
    HEAD,
    HEAD_BYTES,
    LENGTH_COUNTS,
    MalformedFrame,
    Status,
    render_frame,
)
from strongroom.boundary.own_user import MEMORY_LOCKED, OWN_USER, become_own_user
from strongroom.boundary.seal.opening import OpenSeal, Sealed, open_seal
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.root_key_handing import hand_over
from strongroom.boundary.seal_format import name_slot_type, parse_seal
from strongroom.boundary.slow_work import Deferred, SlowWork, Task
from strongroom.boundary.software.approved_algorithms import approved_families
from strongroom.boundary.software.families import FAMILIES
from strongroom.boundary.software.module import SoftwareModule
from strongroom.boundary.software.self_tests.known_answer import KnownAnswer, run_self_tests
from strongroom.boundary.software.self_tests.rehearsal import rehearse
from strongroom.boundary.software.self_tests.table import KNOWN_ANSWERS
from strongroom.boundary.soundness import SelfTestFailed
from strongroom.boundary.start_packet import StartPacket, parse_start_packet
from strongroom.confinement.sandbox import Protection, close_doors, end_with_parent, protect_memory

READ_BYTES: Final = 65536
STALLED_SECONDS: Final = 10.0
"""A client that takes none of its replies for so long loses its channel."""
JOBS_CLIENT: Final = "jobs"
"""The job runner, as the supervisor names its channel."""
_ROOT_SECRET_BYTES_MAX: Final = 4096
_APPROVED_ONLY: Final = "yes: key specs of FIPS-approved algorithms only. This is not a validated module"


Start: TypeAlias = Callable[[int, bytes], tuple[int, bytes | Deferred]]


def log(line: str) -> None:
    """One line to standard error. Secrets: callers pass fixed words, numbers and type names only."""
    with contextlib.suppress(OSError):
        os.write(2, f"strongroom boundary: {line}\n".encode("utf-8", "replace"))


class Channel:
    """One client's stream socket and what is under way on it."""

    __slots__ = ("blocked_since", "is_open", "name", "socket", "start", "unparsed", "unsent")

    def __init__(self, name: str, stream: socket.socket, start: Start) -> None:
        self.name = name
        self.start = start
        """What answers it."""
        self.is_open = True
        self.socket = stream
        self.unparsed = b""
        self.unsent = b""
        self.blocked_since = 0.0


@dataclass(frozen=True, slots=True)
class SlowCall:
    """Who waits for a task, and as what."""

    channel: Channel
    call_id: int
    opcode: int


class Server:
    """Serves all client channels and the control socket. Concurrency: one thread, and `slow_work`."""

    def __init__(
        self,
        control: socket.socket,
        dispatcher: Dispatcher,
        slow_work: SlowWork,
        root_key: bytes | None = None,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        """`root_key` is given where the next boundary could not open the seal by itself."""
        self._control = control
        self._root_key = root_key
        self._control_fd = control.fileno()
        self._dispatcher = dispatcher
        self._slow_work = slow_work
        self._slow_work_fd = slow_work.fileno()
        self._stalled_seconds = stalled_seconds
        self._epoll = select.epoll()
        self._epoll.register(self._control_fd, select.EPOLLIN)
        self._epoll.register(self._slow_work_fd, select.EPOLLIN)
        self._channels: dict[int, Channel] = {}
        self._blocked: set[int] = set()

    def run(self) -> None:
        """Serve until the control socket ends."""
        while True:
            for fd, events in self._epoll.poll(self._stalled_seconds / 4 if self._blocked else -1.0):
                channel = self._channels.get(fd)
                if channel is not None:
                    if channel.unsent:
                        self._send(channel, b"")
                    elif events:
                        self._serve(channel)
                elif fd == self._slow_work_fd:
                    self._finish_slow_work()
                elif fd == self._control_fd and not self._take_control_packet():
                    return
            if self._blocked:
                self._drop_stalled()

    def _serve(self, channel: Channel) -> None:
        try:
            received = channel.socket.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        if not received:
            self._drop(channel, "")
            return
        try:
            replies = self._answer_frames(channel, received)
        except MalformedFrame:
            # INVARIANT B6: a malformed frame ends its own channel and no other.
            self._drop(channel, "sent a malformed frame; channel closed")
            return
        if replies:
            self._send(channel, replies)

    def _answer_frames(self, channel: Channel, received: bytes) -> bytes:
        frames = channel.unparsed + received if channel.unparsed else received
        start = channel.start
        replies: list[bytes] = []
        position, end = 0, len(frames)
        while end - position >= HEAD_BYTES:
            length, call_id, opcode = HEAD.unpack_from(frames, position)
            if not LENGTH_COUNTS <= length <= FRAME_BYTES_MAX:
                raise MalformedFrame
            end_of_frame = position + 4 + length
            if end_of_frame > end:
                break
            status, body = start(opcode, frames[position + HEAD_BYTES : end_of_frame])
            position = end_of_frame
            if isinstance(body, Deferred):
                if self._defer(channel, call_id, opcode, body):
                    continue
                status, body = Status.BUSY, b""
            replies.append(HEAD.pack(LENGTH_COUNTS + len(body), call_id, status))
            replies.append(body)
        channel.unparsed = frames[position:]
        return b"".join(replies)

    def _defer(self, channel: Channel, call_id: int, opcode: int, deferred: Deferred) -> bool:
        """False when too much waits already. Work whose client is gone is not begun."""
        owner = SlowCall(channel, call_id, opcode)
        return self._slow_work.submit(Task(deferred, owner, lambda: channel.is_open))

    def _finish_slow_work(self) -> None:
        for task in self._slow_work.take_done():
            call: SlowCall = task.owner
            if not call.channel.is_open:
                continue
            status, body = int(Status.REFUSED), b""
            if task.result is not None:
                status, body = self._dispatcher.finish(call.opcode, task.deferred, task.result)
            self._send(call.channel, render_frame(call.call_id, status, body))

    def _send(self, channel: Channel, replies: bytes) -> None:
        """Send, and keep what the socket did not take; nothing more is read from a client meanwhile."""
        waiting = channel.unsent + replies if channel.unsent else replies
        fd = channel.socket.fileno()
        try:
            sent = channel.socket.send(waiting, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._drop(channel, "")
            return
        if sent == len(waiting):
            if channel.unsent:
                channel.unsent = b""
                self._blocked.discard(fd)
                self._epoll.modify(fd, select.EPOLLIN)
            return
        if not channel.unsent:
            self._blocked.add(fd)
            self._epoll.modify(fd, select.EPOLLOUT)
        if sent or not channel.unsent:
            channel.blocked_since = time.monotonic()
        channel.unsent = waiting[sent:]

    def _drop_stalled(self) -> None:
        deadline = time.monotonic() - self._stalled_seconds
        for fd in list(self._blocked):
            channel = self._channels[fd]
            if channel.blocked_since < deadline:
                self._drop(channel, f"took no replies for {self._stalled_seconds:g} seconds; channel closed")

    def _drop(self, channel: Channel, reason: str) -> None:
        fd = channel.socket.fileno()
        channel.is_open = False
        self._epoll.unregister(fd)
        self._blocked.discard(fd)
        del self._channels[fd]
        channel.socket.close()
        if reason:
            log(f"client {channel.name} {reason}")

    def _take_control_packet(self) -> bool:
        """False when the supervisor is gone."""
        try:
            packet, fds = receive_packet(self._control)
        except OSError:
            return False
        if not packet:
            return False
        letter, name = packet[:1], packet[1:].decode("ascii", "replace")
        if letter == b"C" and len(fds) == 1:
            stream = socket.socket(fileno=fds[0])
            # The supervisor says who is at the other end, and nobody else can.
            start = self._dispatcher.start_for_jobs if name == JOBS_CLIENT else self._dispatcher.start
            self._channels[stream.fileno()] = Channel(name, stream, start)
            self._epoll.register(stream.fileno(), select.EPOLLIN)
        elif letter == b"K" and len(fds) == 1:
            hand_transport_key(fds[0], self._dispatcher.make_transport_key(name))
        elif letter == b"H" and len(fds) == 1 and self._root_key is not None:
            hand_over(socket.socket(fileno=fds[0]), self._root_key)
        else:
            if letter != b"U":  # somebody else was quicker to bring the root key
                log("a control packet of an unknown kind; ignored")
            close_all(fds)
        return True


def hand_transport_key(fd: int, handed: bytes) -> None:
    """Write a transport key to the process of an HSM cluster, which may be gone already."""
    with socket.socket(fileno=fd) as stream, contextlib.suppress(OSError):
        stream.send(handed, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def parse_start(packet: bytes, fds: list[int]) -> StartPacket:
    """Raises SealRefused with a sentence."""
    try:
        return parse_start_packet(packet, fds)
    except ValueError:
        raise SealRefused(
            "The boundary was started with a packet that is none; this is a fault of the supervisor."
        ) from None


def require_demanded(protections: Sequence[Protection], options: Mapping[str, str]) -> None:
    """What the operator cannot do without is held. Raises SealRefused with a sentence."""
    for option, name in (("require_mlock", MEMORY_LOCKED), ("boundary_user", OWN_USER)):
        for protection in protections:
            if protection.name == name and not protection.held and options.get(option) == "required":
                raise SealRefused(
                    f"The setting {option} demands it, but this host does not allow it: {name} is"
                    f" {protection}. Nothing was changed."
                )


def initialise(
    control: socket.socket, start: StartPacket, handed_over: socket.socket | None, owner_uid: int
) -> tuple[CryptographicModule, OpenSeal] | None:
    """The module with its root key; None when the supervisor went while the seal was closed.

    `owner_uid` is whose the key file must be. Raises: SealRefused with a sentence.
    """
    root_secret = _read_root_secret(start.files["root_secret"]) if "root_secret" in start.files else None
    try:
        seal = open_seal(start, handed_over, owner_uid)
    except Sealed as sealed:
        from strongroom.boundary.seal.sealed_boundary import wait_until_opened  # late: few are ever sealed

        setproctitle("strongroom: sealed boundary")
        opened = wait_until_opened(control, sealed)
        if opened is None:
            return None
        setproctitle("strongroom: boundary")
        seal = opened
    families = approved_families(FAMILIES) if _is_approved_only(start.options) else FAMILIES
    anchor = _read_anchor(start.files.get("domain_key_anchor"))
    try:
        module = SoftwareModule(seal.root_key, root_secret, families, anchor)
    except AnchorRefused:
        raise SealRefused(
            "The file domain-keys.anchor in the data directory is not what a server with this root key has"
            " written there. Bring it back as it was. Without it, whoever can write the database can put"
            " older keys back unnoticed: remove it only if you trust the database as it is. Nothing was"
            " changed."
        ) from None
    except ValueError:
        raise SealRefused(
            "The root user's secret access key must be 1 to 128 printable ASCII characters without blanks:"
            " set another one."
        ) from None
    return with_token(module, start, control), seal


def with_token(module: SoftwareModule, start: StartPacket, control: socket.socket) -> CryptographicModule:
    """The module that the settings name: the one in software, or with it the one of a PKCS#11 token.

    The supervisor is told when the token refuses its PIN, then or later. Raises SealRefused with a sentence.
    """
    if "pkcs11_module" not in start.options:
        return module
    from strongroom.boundary.pkcs11.start import (  # late: few servers have one
        TokenRefusesStart,
        open_token_module,
    )

    def tell_pin_refused() -> None:
        with contextlib.suppress(OSError):
            control.send(b"P")

    try:
        return open_token_module(module, start.options, start.files, log, tell_pin_refused)
    except TokenRefusesStart as refused:
        raise SealRefused(str(refused)) from None


def _read_anchor(fd: int | None) -> bytes:
    """Empty where there is none. An empty file is none of ours."""
    return b"" if fd is None else os.pread(fd, ANCHOR_BYTES_MAX + 1, 0) or b"\n"


def _render_now() -> str:
    """To the millisecond: two openings within a second are two."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03}Z"


def _is_approved_only(options: Mapping[str, str]) -> bool:
    return options.get("approved_only") == "true"


def _describe_seal(record: bytes) -> str:
    slots = [name_slot_type(slot.slot_type) for slot in parse_seal(record)]
    return f"open; slots: {', '.join(slots)}"


def _describe_opening(seal: OpenSeal) -> dict[str, str]:
    """Who opened it, with which slot, when: for the operator, and for the audit trail."""
    slot = "none"
    if seal.slot is not None:
        slots = parse_seal(seal.record)
        known = 1 <= seal.slot <= len(slots)
        slot = f"{seal.slot}, {name_slot_type(slots[seal.slot - 1].slot_type)}" if known else "not known"
    return {
        "seal opened at": _render_now(),
        "seal opened by": str(seal.opened_by),
        "seal opened with slot": slot,
        "seal attempts refused before": str(seal.attempts_refused),
    }


def _read_root_secret(fd: int) -> bytes:
    secret = b""
    while chunk := os.read(fd, _ROOT_SECRET_BYTES_MAX):
        secret += chunk
        if len(secret) > _ROOT_SECRET_BYTES_MAX:
            break
    return secret.removesuffix(b"\n").removesuffix(b"\r")


def _log_type_only(
    kind: type[BaseException], _value: BaseException, _traceback: TracebackType | None
) -> None:
    log(f"ended by an unexpected {kind.__name__}")


def _tell(control: socket.socket, packet: bytes) -> None:
    """To the supervisor; where that has ended there is nobody to tell, and nothing to serve."""
    with contextlib.suppress(BrokenPipeError):
        control.send(packet)


def run(control_fd: int, known_answers: Sequence[KnownAnswer]) -> int:
    """The whole life of the process; returns its exit code. Raises SelfTestFailed while it serves."""
    sys.excepthook = _log_type_only
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # workers drain first; the control socket ends this process
    setproctitle("strongroom: starting boundary")
    end_with_parent()
    control = socket.socket(fileno=control_fd)
    protections = protect_memory()
    try:
        run_self_tests(known_answers)
        rehearse()
    except SelfTestFailed as failed:
        _tell(control, b"E" + str(failed).encode("utf-8"))
        return 1
    setproctitle("strongroom: spare boundary")  # until it is given something to guard
    packet, fds = receive_packet(control)
    handed_over: socket.socket | None = None
    while packet[:1] == b"H" and len(fds) == 1:  # the root key waits in it, unread, until it is needed
        if handed_over is not None:
            handed_over.close()
        handed_over = socket.socket(fileno=fds[0])
        packet, fds = receive_packet(control)
    if not packet:
        return 0
    setproctitle("strongroom: boundary")
    owner_uid = os.geteuid()
    try:
        start = parse_start(packet, fds)
        protections = become_own_user(start.options.get("user", ""), protections)
        require_demanded(protections, start.options)
        initialised = initialise(control, start, handed_over, owner_uid)
    except SealRefused as refused:
        _tell(control, b"E" + str(refused).encode("utf-8"))
        return 1
    finally:
        close_all(fds)
    if initialised is None:
        return 0
    module, seal = initialised
    del packet, initialised
    gc.collect()
    gc.freeze()
    facts = {
        "self-tests": f"passed: {len(known_answers)} known answers, and a rehearsal",
        "seal": _describe_seal(seal.record),
        **_describe_opening(seal),
        "approved_only": _APPROVED_ONLY if _is_approved_only(start.options) else "no",
    }
    slow_work = SlowWork(log)
    record, root_key = seal.record, seal.root_key if seal.is_to_hand_over else None
    del seal
    # It opens its epoll while it can.
    server = Server(control, Dispatcher(module, facts, log), slow_work, root_key)
    protections += close_doors(slow_work.start, module.doors)
    if module.doors is not None:
        facts["files of the token"] = ", ".join((*module.doors.writable, *module.doors.readable))
    facts.update({f"protection: {protection.name}": str(protection) for protection in protections})
    _tell(control, b"R" + record)
    server.run()
    return 0


def main(arguments: list[str], known_answers: Sequence[KnownAnswer] = KNOWN_ANSWERS) -> NoReturn:
    """`--control-fd N`; ends the process without running anything after the loop.

    `known_answers`: the self-tests to pass first.
    """
    if len(arguments) != 2 or arguments[0] != "--control-fd" or not arguments[1].isdecimal():
        log("usage: --control-fd N")
        os._exit(2)
    code = 3
    try:
        code = run(int(arguments[1]), known_answers)
    except SelfTestFailed as failed:
        log(str(failed))
        code = 1
    except BaseException as error:
        log(f"ended by an unexpected {type(error).__name__}")
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
