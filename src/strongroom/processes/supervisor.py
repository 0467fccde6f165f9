"""The supervisor: starts the processes of a server in order, keeps them running, and stops them.

    supervisor ─┬─ boundary   (exec)  holds all key material
                ├─ spare      (exec)  becomes the boundary when that dies; holds nothing yet
                ├─ audit      (exec)  writes the record
                ├─ hsm …      (exec)  one for each HSM cluster of the settings: its PKCS#11 module
                ├─ prepare    (fork)  once, at start
                ├─ worker 1…N (fork)  answer requests
                ├─ jobs       (fork)  does what falls due
                └─ xks proxy  (fork)  offers keys to other services, if the settings say so

It speaks to no network and has no secret in its memory: it passes open files on, and never reads them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence

from strongroom.config import Settings
from strongroom.processes.boundary_start import boundary_options, render_boundary_start
from strongroom.processes.child import END_SECONDS, START_SECONDS, Child, render_ending
from strongroom.processes.contexts import (
    EPOCH_WORD,
    Children,
    Holdings,
    JobsContext,
    PrepareContext,
    ProxyContext,
    SealedContext,
    ServiceCommands,
    WorkerContext,
)
from strongroom.processes.control import Packet, PacketRefused, control_pair, receive_packet, send_packet
from strongroom.processes.errors import ServerFailed, StartRefused
from strongroom.processes.operator_log import write_line
from strongroom.processes.refused_pin import RefusedPin
from strongroom.processes.requests import JOBS, LETTERS, PROXY, Requests
from strongroom.processes.sealing import Hands, Sealing
from strongroom.processes.signals import SignalInbox
from strongroom.processes.spawn import exec_service, fork_child

DRAIN_SECONDS = 10.0
"""What workers get to finish their requests."""
SERVICE_END_SECONDS = 3.0
HSM_PAUSE_SECONDS = 10.0
"""Between the lives of a cluster's process that dies again and again."""


class _StopRequested(Exception):
    """Somebody asked the server to stop before it had started."""


class Supervisor:
    """Runs one server from start to end.

    Concurrency: one thread, no event loop; `run` blocks and must be called in the main thread.
    """

    def __init__(
        self,
        settings: Settings,
        children: Children,
        holdings: Holdings,
        commands: ServiceCommands,
        keeps_spare: bool = True,
    ) -> None:
        """`keeps_spare`: whether a second boundary waits for the first to die (27 MB, and 100 ms less)."""
        self._settings = settings
        self._children = children
        self._holdings = holdings
        self._boundary = Child("boundary", lambda control: exec_service(commands.boundary, control.fileno()))
        # A boundary that has imported everything and waits for its `I` packet, so that the next one
        # is there in milliseconds however busy the machine is.
        self._keeps_spare = keeps_spare
        self._spare = Child("spare boundary", self._boundary.spawn)
        self._audit = Child("audit", lambda control: exec_service(commands.audit, control.fileno()))
        self._services = (self._boundary, self._audit)
        # Nobody waits for these at the start, and their end ends nothing else: a token may be away.
        self._hsms = {
            Child(f"hsm {name}", lambda control: exec_service(commands.hsm, control.fileno())): cluster
            for name, cluster in settings.cloudhsm_clusters.items()
        }
        self._selector = selectors.DefaultSelector()
        self._refused_pin = RefusedPin(holdings.data_directory.path, holdings.boundary_files.pkcs11_pin)
        self._seal = Sealing(
            settings,
            holdings.data_directory,
            Hands(self._spawn, self._send, self._drop_control, self._selector),
            spawn_program=lambda control: exec_service(commands.seal, control.fileno()),
            spawn_front=self._fork_sealed_front,
        )
        self._requests = Requests(settings, holdings.data_directory, children.kept_files, self._send)
        self._prepare = Child("prepare", self._fork_prepare)
        workers = [self._worker(index) for index in range(1, settings.workers + 1)]
        self._clients = (*workers, Child(JOBS, self._fork_jobs), *self._proxies())
        self._all = (
            *self._services,
            *self._hsms,
            self._spare,
            self._prepare,
            *self._seal.children,
            *self._clients,
        )
        self._prepared = self._started = self._stopping = False
        self._stop_failure: str | None = None
        self._inbox = SignalInbox()
        self._selector.register(self._inbox, selectors.EVENT_READ, None)

    def run(self, announce: Callable[[], None]) -> None:
        """Start, call `announce` when requests are answered, and return when told to stop.

        Raises: StartRefused, ServerFailed. No process is left in any case.
        """
        try:
            with contextlib.suppress(_StopRequested):
                self._start()
                announce()
                while not self._inbox.stops:
                    self._turn()
        finally:
            try:
                self._stop()
            finally:
                self._inbox.close()
                self._selector.close()
        if self._stop_failure is not None:
            raise ServerFailed(self._stop_failure)

    # --- the life of a server

    def _start(self) -> None:
        for service in self._services:
            self._spawn(service)
        self._children.preload()  # while the services start, on another processor
        for hsm in self._hsms:
            self._spawn(hsm)
        self._spawn(self._prepare)
        self._turn_until(lambda: self._prepared and all(service.ready for service in self._services))
        self._seal.front.send_signal(signal.SIGTERM)  # workers take over its listening sockets
        self._wait_for_end((self._seal.front,), DRAIN_SECONDS)
        gc.collect()
        gc.freeze()  # what is here now is shared with the children, and stays unwritten
        for client in self._clients:
            self._spawn(client)
        self._turn_until(lambda: all(client.ready for client in self._clients))
        self._started = True
        if self._keeps_spare:
            self._spawn(self._spare)

    def _stop(self) -> None:
        """Clients first, then the services they depend on."""
        self._stopping = True
        for listening in self._holdings.listening:
            listening.close()
        if self._holdings.proxy_listening is not None:
            self._holdings.proxy_listening.close()
        self._drop_control(self._spare)
        self._seal.stop()
        for client in (*self._clients, self._prepare):
            client.send_signal(signal.SIGTERM)
        self._wait_for_end((*self._clients, self._prepare, self._spare, *self._seal.children), DRAIN_SECONDS)
        for hsm in self._hsms:
            self._drop_control(hsm)
        self._wait_for_end(tuple(self._hsms), SERVICE_END_SECONDS)
        for service in (self._audit, self._boundary):
            self._drop_control(service)  # its end is the signal
            self._wait_for_end((service,), SERVICE_END_SECONDS)

    def _wait_for_end(self, children: Sequence[Child], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for child in children:
            child.deadline_at = deadline
        while any(child.pid is not None for child in children):
            if self._inbox.stops > 1:
                for child in children:
                    child.send_signal(signal.SIGKILL)
            self._turn()

    # --- one turn of the loop

    def _turn_until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._inbox.stops:
                raise _StopRequested
            self._turn()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._seconds_to_wait()):
            if key.data is None:
                self._inbox.take()
            elif isinstance(key.data, Child):
                self._read_control(key.data)
            else:
                self._seal.let_in(self._boundary)
        for child in self._all:
            exit_code = child.reap()
            if exit_code is not None:
                self._note_end(child, exit_code)
        now = time.monotonic()
        for child in self._all:
            if child.deadline_at is not None and child.deadline_at <= now:
                child.deadline_at = None
                child.send_signal(signal.SIGKILL)
            if child.respawn_at is not None and child.respawn_at <= now and not self._stopping:
                self._spawn(child)

    def _seconds_to_wait(self) -> float | None:
        instants = [child.deadline_at for child in self._all if child.deadline_at is not None]
        if not self._stopping:
            instants += [child.respawn_at for child in self._all if child.respawn_at is not None]
        return max(0.0, min(instants) - time.monotonic()) if instants else None

    def _note_end(self, child: Child, exit_code: int) -> None:
        self._read_control(child)  # it may have said why
        self._drop_control(child)
        if child in (self._prepare, self._seal.program) and exit_code == 0 and not self._stopping:
            child.pid = None
            child.deadline_at = None
            self._prepared = self._prepared or child is self._prepare
            return
        if child is self._seal.program:
            self._seal.note_program_end(exit_code)
        ending = f"The {child.name} process {render_ending(exit_code)}"
        if self._stopping and child in self._clients and exit_code > 0:
            self._stop_failure = f"{ending} while the server stopped."
        self._note_death(child, ending)
        if child in self._clients and not self._stopping:
            # INVARIANT P4: before its successor begins. It may have died between writing a row and
            # telling the others; a changed epoch makes them forget what they remember.
            self._change_epoch()

    def _note_death(self, child: Child, ending: str) -> None:
        """Settle when the child comes back. Raises: StartRefused, ServerFailed when it does not."""
        child.note_death()
        if self._stopping:
            return
        if self._seal.takes_death(child, ending, self._boundary):
            return
        if child is self._spare:
            if child.is_crash_looping():
                child.respawn_at = None  # without one, the next boundary takes a little longer
            return
        if child in self._hsms:
            _say(f"{ending} and is started again.")
            if child.is_crash_looping():
                child.respawn_at = time.monotonic() + HSM_PAUSE_SECONDS
            return
        if not self._started:
            raise StartRefused(child.refusal or f"{ending} before it was ready.")
        if child is self._boundary and self._refused_pin.is_noted():
            raise ServerFailed(f"{ending}, and is not started again. {self._refused_pin.SENTENCE}")
        if child.is_crash_looping():
            reason = f" It said: {child.refusal}" if child.refusal else ""
            raise ServerFailed(f"{ending}, as it has again and again: the server stops.{reason}")
        _say(f"{ending} and is started again.")

    def _change_epoch(self) -> None:
        words = self._holdings.shared_words
        epoch = words[EPOCH_WORD]
        while epoch == words[EPOCH_WORD]:
            epoch = int.from_bytes(os.urandom(8), "little")
        words[EPOCH_WORD] = epoch

    # --- children

    def _spawn(self, child: Child) -> None:
        """Have a process for the child. Raises: StartRefused, ServerFailed."""
        try:
            if child is not self._boundary or not self._take_spare():
                self._start_process(child)
        except OSError as error:  # no process or no file to be had: perhaps a moment later
            self._note_death(child, f"The {child.name} process could not be started ({error.strerror})")
            return
        child.refusal = None
        child.respawn_at = None
        is_awaited = child not in (self._prepare, self._spare)
        child.deadline_at = time.monotonic() + START_SECONDS if is_awaited else None
        if child is self._boundary:
            self._begin_boundary()
        elif child is self._audit:
            directory = os.fsencode(self._holdings.data_directory.path / "audit")
            self._send(child, b"I", self._settings.audit.encode() + b"\0" + directory)
        elif child in self._hsms:
            name = child.name.removeprefix("hsm ")
            self._send(child, b"I", name.encode() + b"\n" + self._hsms[child].render_start())
        elif child is self._seal.program:
            self._seal.begin_program()
        elif child is self._spare:
            self._seal.leave_root_key(self._boundary, self._spare)
        elif child in self._clients:
            for service in (*self._services, *self._hsms):
                self._connect(child, service)

    def _start_process(self, child: Child) -> None:
        ours, theirs = control_pair()
        with theirs:
            try:
                child.pid = child.spawn(theirs)
            except OSError:
                ours.close()
                raise
        child.control = ours
        self._selector.register(ours, selectors.EVENT_READ, child)

    def _take_spare(self) -> bool:
        """Make the spare the boundary, if there is one."""
        control = self._spare.control
        if control is None:
            return False
        self._boundary.take_process_of(self._spare)
        self._selector.modify(control, selectors.EVENT_READ, self._boundary)
        return True

    def _worker(self, index: int) -> Child:
        listening = self._holdings.listening[index - 1]

        def spawn(control: socket.socket) -> int:
            context = WorkerContext(self._settings, index, control, listening, self._holdings.shared_words)
            return self._fork(
                f"worker {index}", lambda: self._children.run_worker(context), control, listening
            )

        return Child(f"worker {index}", spawn)

    def _proxies(self) -> list[Child]:
        listening = self._holdings.proxy_listening
        if listening is None:
            return []

        def spawn(control: socket.socket) -> int:
            context = ProxyContext(self._settings, control, listening, self._holdings.shared_words)
            return self._fork(PROXY, lambda: self._children.run_proxy(context), control, listening)

        return [Child(PROXY, spawn)]

    def _fork_jobs(self, control: socket.socket) -> int:
        context = JobsContext(self._settings, control, self._holdings.shared_words)
        return self._fork(JOBS, lambda: self._children.run_jobs(context), control)

    def _fork_prepare(self, control: socket.socket) -> int:
        return self._fork(
            "prepare", lambda: self._children.run_prepare(PrepareContext(self._settings)), control
        )

    def _fork_sealed_front(self, control: socket.socket) -> int:
        listening = self._holdings.listening
        context = SealedContext(self._settings, control, listening)
        return self._fork("sealed front", lambda: self._children.run_sealed(context), control, *listening)

    def _fork(self, name: str, run: Callable[[], None], control: socket.socket, *more: socket.socket) -> int:
        def run_or_refuse() -> None:
            try:
                run()
            except Exception as error:
                exit_code = getattr(error, "exit_code", None)
                if not isinstance(exit_code, int):
                    raise
                send_packet(control, b"E", str(error).encode()[:4096])
                raise SystemExit(exit_code) from None

        return fork_child(f"strongroom: {name}", run_or_refuse, [file.fileno() for file in (control, *more)])

    # --- control packets

    def _begin_boundary(self) -> None:
        """The boundary gets the seal record, the seal key file, and the root user's secret if there is one.

        Secrets: only descriptors pass through here. Each is opened from its start by its reader.
        """
        if self._refused_pin.is_noted():
            raise (ServerFailed if self._started else StartRefused)(self._refused_pin.SENTENCE)
        files = {name: fd for name, fd in self._holdings.boundary_files._asdict().items() if fd is not None}
        for fd in files.values():
            os.lseek(fd, 0, os.SEEK_SET)
        record = self._holdings.data_directory.load_seal_record()
        if self._started and not record:  # a new root key would open nothing that there is
            path = self._holdings.data_directory.path
            raise ServerFailed(f"The seal record in {path} is gone: bring it back from a backup.")
        with self._holdings.data_directory.open_domain_key_anchor() as anchor:
            payload, fds = render_boundary_start(boundary_options(self._settings), files | anchor, record)
            self._send(self._boundary, b"I", payload, fds)

    def _read_control(self, child: Child) -> None:
        while child.control is not None:
            try:
                packet = receive_packet(child.control)
            except BlockingIOError:
                return
            except PacketRefused:
                packet = None
            if packet is None:
                self._drop_control(child)
                child.deadline_at = time.monotonic() + END_SECONDS
                return
            if packet.letter in LETTERS and child in self._clients:
                self._requests.answer(child, packet, self._all)  # while it stops, too: a client may wait
            elif not self._stopping:
                self._take_packet(child, packet)
            packet.close_files()

    def _take_packet(self, child: Child, packet: Packet) -> None:
        if packet.letter == b"E":
            child.refusal = packet.payload.decode("utf-8", "replace")
        elif packet.letter == b"P" and child is self._boundary:
            self._refused_pin.note()
        elif packet.letter == b"S" and child is self._boundary and not child.ready:
            self._keeps_spare = True  # whoever opens the seal need not come again when a boundary dies
            self._seal.note_sealed(self._boundary, packet.payload.decode("utf-8", "replace"))
        elif packet.letter == b"U" and child is self._seal.program:
            self._send(self._boundary, b"U", b"", packet.files[:1])
        elif packet.letter == b"R" and not child.ready:
            self._take_ready(child, packet.payload)

    def _take_ready(self, child: Child, payload: bytes) -> None:
        if child is self._boundary:
            self._keep_seal_record(payload)
            self._seal.note_open()
            self._refused_pin.forget()
        else:
            child.note_protections(payload)
        child.ready = True
        child.deadline_at = None
        for hsm in self._hsms:
            if child in (hsm, self._boundary):
                self._share_transport_key(hsm)
        if child in self._services or child in self._hsms:
            for client in self._clients:
                self._connect(client, child)
        is_without = self._started and self._spare.pid is None
        if child is self._boundary and is_without and self._keeps_spare:
            self._spawn(self._spare)
        elif child is self._boundary:
            self._seal.leave_root_key(self._boundary, self._spare)

    def _keep_seal_record(self, record: bytes) -> None:
        """INVARIANT P5: on disk before any client reaches this boundary, or its keys could be lost.

        A record that is there is never written here: strongroom seal may have changed it since it was loaded.
        """
        directory = self._holdings.data_directory
        failure = ServerFailed if self._started else StartRefused
        if not record:
            raise failure("The boundary gave no seal record; without one its keys would be lost.")
        try:
            if not directory.load_seal_record():
                directory.save_seal_record(record)
        except OSError as error:
            raise failure(f"Cannot write the seal record in {directory.path}: {error.strerror}.") from None

    def _connect(self, client: Child, service: Child) -> None:
        """Give both a new channel to each other. A dead one gets its own when it is back."""
        if client.control is None or service.control is None or not service.ready:
            return
        of_client, of_service = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with of_client, of_service:
            self._send(service, b"C", client.name.encode(), [of_service.fileno()])
            self._send(client, b"C", service.name.encode(), [of_client.fileno()])

    def _share_transport_key(self, hsm: Child) -> None:
        """Have the boundary give the cluster's process a fresh key: secrets of stores come sealed by it."""
        if hsm.control is None or not hsm.ready or self._boundary.control is None or not self._boundary.ready:
            return
        of_boundary, of_hsm = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with of_boundary, of_hsm:
            name = hsm.name.removeprefix("hsm ").encode()
            self._send(self._boundary, b"K", name, [of_boundary.fileno()])
            self._send(hsm, b"K", b"", [of_hsm.fileno()])

    def _send(self, child: Child, letter: bytes, payload: bytes, files: Sequence[int] = ()) -> None:
        if child.control is None:
            return
        try:
            send_packet(child.control, letter, payload, files)
        except BlockingIOError:
            child.send_signal(signal.SIGKILL)  # it has stopped reading
        except OSError:
            pass  # it is ending: the next turn notices

    def _drop_control(self, child: Child) -> None:
        if child.control is not None:
            self._selector.unregister(child.control)
            child.control.close()
            child.control = None


def _say(sentence: str) -> None:
    """Tell the operator. Whoever let the log fill up must not stop the supervisor."""
    write_line(f"strongroom: {sentence}")
