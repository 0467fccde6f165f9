"""The boundary process: one loop, no files, no network, no database.

Started by the supervisor as `python -I -m strongroom.boundary.process --control-fd N`. The control socket
brings the seal record and the key file, then the client channels; when it ends, so does this process.
Clients are served in turn: all whole frames that have arrived, then one write of all their replies.
What takes long is done beside the loop (slow_work.py) and answered when it is done.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, NoReturn

from setproctitle import setproctitle

from strongroom.boundary.dispatch import Dispatcher
from strongroom.boundary.interface import KeyBinding
from strongroom.boundary.key_file import SealRefused, load_key_file
from strongroom.boundary.key_hierarchy import GLOBAL_REGION
from strongroom.boundary.messages import (
    FRAME_BYTES_MAX,
    HEAD,
    HEAD_BYTES,
    LENGTH_COUNTS,
    MalformedFrame,
    Opcode,
    Status,
    parse_fields,
    render_fields,
    render_frame,
    render_number,
)
from strongroom.boundary.sandbox import Protection, close_doors, end_with_parent, protect_memory
from strongroom.boundary.slow_work import Deferred, SlowWork, Task
from strongroom.boundary.software import imported_material
from strongroom.boundary.software.families import FAMILIES
from strongroom.boundary.software.module import SoftwareModule
from strongroom.boundary.software.seal import open_or_create_seal
from strongroom.boundary.start_packet import parse_start_packet

READ_BYTES: Final = 65536
STALLED_SECONDS: Final = 10.0
"""A client that takes none of its replies for so long loses its channel."""
_CONTROL_PACKET_BYTES: Final = 65536
_CONTROL_FILES_MAX: Final = 8
_ROOT_SECRET_BYTES_MAX: Final = 4096


def log(line: str) -> None:
    """One line to standard error. Secrets: callers pass fixed words, numbers and type names only."""
    with contextlib.suppress(OSError):
        os.write(2, f"strongroom boundary: {line}\n".encode("utf-8", "replace"))


class Channel:
    """One client's stream socket and what is under way on it."""

    __slots__ = ("blocked_since", "is_open", "name", "socket", "unparsed", "unsent")

    def __init__(self, name: str, stream: socket.socket) -> None:
        self.name = name
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
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._control = control
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
        start = self._dispatcher.start
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
        if packet[:1] != b"C" or len(fds) != 1:
            log("a control packet of an unknown kind; ignored")
            close_all(fds)
            return True
        stream = socket.socket(fileno=fds[0])
        name = packet[1:].decode("ascii", "replace")
        self._channels[stream.fileno()] = Channel(name, stream)
        self._epoll.register(stream.fileno(), select.EPOLLIN)
        return True


def receive_packet(control: socket.socket) -> tuple[bytes, list[int]]:
    """One packet of the control socket with the file descriptors that came along; b"" at its end."""
    packet, ancillary, _, _ = control.recvmsg(
        _CONTROL_PACKET_BYTES, socket.CMSG_SPACE(_CONTROL_FILES_MAX * 4)
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


def initialise(packet: bytes, fds: list[int]) -> tuple[SoftwareModule, bytes]:
    """The module with its root key, and the seal record to keep. Raises SealRefused with a sentence."""
    try:
        start = parse_start_packet(packet, fds)
        key_file_fd = start.files["key_file"]
    except (ValueError, KeyError):
        raise SealRefused(
            "The boundary was started without a key file; this is a fault of the supervisor."
        ) from None
    key_file = load_key_file(key_file_fd, may_fill=not start.seal_record)
    root_secret = _read_root_secret(start.files["root_secret"]) if "root_secret" in start.files else None
    root_key, record = open_or_create_seal(start.seal_record, key_file)
    try:
        return SoftwareModule(root_key, root_secret), record
    except ValueError:
        raise SealRefused(
            "The root user's secret access key must be 1 to 128 printable ASCII characters without blanks:"
            " set another one."
        ) from None


def _read_root_secret(fd: int) -> bytes:
    secret = b""
    while chunk := os.read(fd, _ROOT_SECRET_BYTES_MAX):
        secret += chunk
        if len(secret) > _ROOT_SECRET_BYTES_MAX:
            break
    return secret.removesuffix(b"\n").removesuffix(b"\r")


def warm_up() -> None:
    """Use every part once: what Python or OpenSSL load late could not be opened any more afterwards."""
    module = SoftwareModule(os.urandom(32), b"warm-up")
    dispatcher = Dispatcher(module, {}, lambda line: None)
    for region in ("warm-up", GLOBAL_REGION):
        _, token = module.create_domain_key(region)
        module.load_domain_key(token, activate=True)
    key_id = "00000000-0000-0000-0000-000000000000"
    binding = KeyBinding("0" * 12, "warm-up", key_id, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    key = module.generate_key(binding).exported_token
    blob = module.encrypt(key, key_id.encode(), b"warm-up", b"")
    for body in (blob, blob[:-1] + b"?"):
        dispatcher.answer(Opcode.DECRYPT, render_fields(key, key_id.encode(), body, b""))
    dispatcher.answer(Opcode.GENERATE_DATA_KEY, render_fields(key, key_id.encode(), render_number(32), b""))
    _warm_up_key_pairs(module, dispatcher, key, key_id)
    _warm_up_shared_secrets(module, dispatcher, key_id)
    _warm_up_proxied_key(module, dispatcher, key, key_id)
    secret = module.wrap_root_secret("WARMUP", "0" * 12)
    module.derive_signing_key(secret, "WARMUP", b"20200101", b"warm-up", b"kms")
    ticket = module.make_ticket(b"warm-up", b"", b"warm-up")
    for body in (ticket, ticket[:-1] + b"?"):
        dispatcher.answer(Opcode.READ_TICKET, render_fields(b"warm-up", b"", body))
    imported_material.warm_up()
    receiving = module.create_replication_key(GLOBAL_REGION)
    multi_region = replace(binding, key_id="mrk-" + "0" * 32)
    token = module.generate_key(multi_region).exported_token
    message = module.export_for_region(token, multi_region.key_id.encode(), receiving)
    module.import_from_region(message, receiving, replace(multi_region, region=GLOBAL_REGION))
    with contextlib.suppress(MalformedFrame):
        dispatcher.answer(Opcode.GENERATE_RANDOM, b"")
    dispatcher.answer(Opcode.STATUS, b"")


def _warm_up_key_pairs(
    module: SoftwareModule, dispatcher: Dispatcher, symmetric_key: bytes, key_id: str
) -> None:
    """One key pair of each family signs, verifies, encrypts, and refuses."""
    materials: dict[str, bytes] = {}  # an RSA key is slow to make, so one serves both usages
    for spec, usage, message_type, algorithm in (
        ("RSA_2048", "SIGN_VERIFY", "RAW", "RSASSA_PSS_SHA_256"),
        ("RSA_2048", "ENCRYPT_DECRYPT", "", "RSAES_OAEP_SHA_256"),
        ("ECC_NIST_P256", "SIGN_VERIFY", "RAW", "ECDSA_SHA_256"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "RAW", "ED25519_SHA_512"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "DIGEST", "ED25519_PH_SHA_512"),
        ("ML_DSA_44", "SIGN_VERIFY", "RAW", "ML_DSA_SHAKE_256"),
        ("SM2", "SIGN_VERIFY", "RAW", "SM2DSA"),
        ("SM2", "ENCRYPT_DECRYPT", "", "SM2PKE"),
    ):
        if (spec, usage) not in FAMILIES:  # SM2 is optional
            continue
        binding = KeyBinding("0" * 12, "warm-up", key_id, spec, usage)
        if spec not in materials:
            materials[spec] = module.prepare_key(binding)()
        key = module.export_key(binding, materials[spec]).exported_token, key_id.encode()
        message, names = bytes(64), (message_type.encode(), algorithm.encode())
        dispatcher.answer(Opcode.GET_PUBLIC_KEY, render_fields(*key))
        if usage == "SIGN_VERIFY":
            _, signature = dispatcher.answer(Opcode.SIGN, render_fields(*key, message, *names))
            for tried in (signature, bytes(len(signature))):
                dispatcher.answer(Opcode.VERIFY, render_fields(*key, message, *names, tried))
        else:
            _, ciphertext = dispatcher.answer(
                Opcode.ENCRYPT_ASYMMETRIC, render_fields(*key, message, names[1])
            )
            for tried in (ciphertext, bytes(len(ciphertext))):
                dispatcher.answer(Opcode.DECRYPT_ASYMMETRIC, render_fields(*key, tried, names[1]))
            _, public_key = dispatcher.answer(Opcode.GET_PUBLIC_KEY, render_fields(*key))
            for tried in (public_key, public_key[:-1]):
                dispatcher.answer(
                    Opcode.GENERATE_RANDOM_FOR_RECIPIENT, render_fields(render_number(32), tried)
                )
    pair = render_fields(symmetric_key, key_id.encode(), b"ECC_NIST_P256", b"")
    dispatcher.answer(Opcode.GENERATE_DATA_KEY_PAIR, pair)


def _warm_up_proxied_key(
    module: SoftwareModule, dispatcher: Dispatcher, symmetric_key: bytes, key_id: str
) -> None:
    """A key in an external key's place encrypts, decrypts and refuses; a proxy's secret derives a key."""
    key = symmetric_key, key_id.encode()
    _, sealed = dispatcher.answer(Opcode.XKS_ENCRYPT, render_fields(*key, b"warm-up", b""))
    for tried in (sealed, sealed[:-1] + b"?", b""):
        dispatcher.answer(Opcode.XKS_DECRYPT, render_fields(*key, tried, b""))
    _, token = module.create_proxy_secret("WARMUP")
    module.derive_proxy_signing_key(token, "WARMUP", b"20200101", b"warm-up")


def _warm_up_shared_secrets(module: SoftwareModule, dispatcher: Dispatcher, key_id: str) -> None:
    """One key of each family makes MACs, agrees and encapsulates, and refuses."""
    for spec, usage in (
        ("HMAC_224", "GENERATE_VERIFY_MAC"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("HMAC_384", "GENERATE_VERIFY_MAC"),
        ("HMAC_512", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "KEY_AGREEMENT"),
        ("SM2", "KEY_AGREEMENT"),
        ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
        ("ML_KEM_1024", "ENCAPSULATE_DECAPSULATE"),
    ):
        if (spec, usage) not in FAMILIES:
            continue
        binding = KeyBinding("0" * 12, "warm-up", key_id, spec, usage)
        key = module.generate_key(binding).exported_token, key_id.encode()
        if usage == "GENERATE_VERIFY_MAC":
            _, mac = dispatcher.answer(Opcode.GENERATE_MAC, render_fields(*key, b"warm-up"))
            for tried in (mac, bytes(len(mac))):
                dispatcher.answer(Opcode.VERIFY_MAC, render_fields(*key, b"warm-up", tried))
        elif usage == "KEY_AGREEMENT":
            _, public_key = dispatcher.answer(Opcode.GET_PUBLIC_KEY, render_fields(*key))
            for tried in (public_key, public_key[:-1], bytes(len(public_key))):
                dispatcher.answer(Opcode.DERIVE_SHARED_SECRET, render_fields(*key, tried))
        else:
            _, encapsulated = dispatcher.answer(Opcode.ENCAPSULATE, render_fields(*key))
            _, ciphertext = parse_fields(encapsulated, 2)
            for tried in (ciphertext, bytes(len(ciphertext)), b""):
                dispatcher.answer(Opcode.DECAPSULATE, render_fields(*key, tried))


def _log_type_only(
    kind: type[BaseException], _value: BaseException, _traceback: TracebackType | None
) -> None:
    log(f"ended by an unexpected {kind.__name__}")


def run(control_fd: int) -> int:
    """The whole life of the process; returns its exit code."""
    sys.excepthook = _log_type_only
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # workers drain first; the control socket ends this process
    setproctitle("strongroom: spare boundary")  # until it is given something to guard
    end_with_parent()
    protections: list[Protection] = list(protect_memory())
    warm_up()
    control = socket.socket(fileno=control_fd)
    packet, fds = receive_packet(control)
    if not packet:
        return 0
    setproctitle("strongroom: boundary")
    try:
        module, record = initialise(packet, fds)
    except SealRefused as refused:
        control.send(b"E" + str(refused).encode("utf-8"))
        return 1
    finally:
        close_all(fds)
    del packet
    gc.collect()
    gc.freeze()
    facts: dict[str, str] = {}
    slow_work = SlowWork(log)
    server = Server(control, Dispatcher(module, facts, log), slow_work)  # opens its epoll while it can
    protections += close_doors(slow_work.start)
    facts.update({f"protection: {protection.name}": str(protection) for protection in protections})
    control.send(b"R" + record)
    server.run()
    return 0


def main(arguments: list[str]) -> NoReturn:
    """`--control-fd N`; ends the process without running anything after the loop."""
    if len(arguments) != 2 or arguments[0] != "--control-fd" or not arguments[1].isdecimal():
        log("usage: --control-fd N")
        os._exit(2)
    code = 3
    try:
        code = run(int(arguments[1]))
    except BaseException as error:
        log(f"ended by an unexpected {type(error).__name__}")
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
