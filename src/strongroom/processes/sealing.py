"""The supervisor's part in opening the seal: who is asked to, and what is answered meanwhile.

    boundary says S ─┬─ settings name a way: the seal program opens it, and is tried again while it cannot
                     └─ or an operator does, at the door (strongroom seal unseal)
    meanwhile the sealed front answers requests with 503, where the server has not been open before

Whoever brings the root key gets a connection to the boundary; nothing that is said there is read here.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from strongroom.config import Settings
from strongroom.processes.child import Child
from strongroom.processes.data_directory import DataDirectory
from strongroom.processes.errors import StartRefused
from strongroom.processes.operator_log import write_line
from strongroom.processes.seal_door import SealDoor
from strongroom.processes.seal_opening import opens_by_itself, seal_program_start

RETRY_SECONDS: Final = 5.0
"""What the settings name to open the seal with is tried again so often: another KMS may be back."""


NOT_AGAIN_EXIT_CODE: Final = 3
"""Of the seal program: a token refused the PIN, and would lock itself after a few more."""


class Send(Protocol):
    """Sends a control packet to a child that may be ending."""

    def __call__(self, child: Child, letter: bytes, payload: bytes, files: Sequence[int] = ()) -> None:
        """The files stay open here."""
        ...


class Hands(NamedTuple):
    """What the supervisor does for its children."""

    spawn: Callable[[Child], None]
    send: Send
    drop_control: Callable[[Child], None]
    selector: selectors.BaseSelector


class Sealing:
    """One server's seal as the supervisor sees it. Concurrency: the supervisor's thread."""

    def __init__(
        self,
        settings: Settings,
        data_directory: DataDirectory,
        hands: Hands,
        *,
        spawn_program: Callable[[socket.socket], int],
        spawn_front: Callable[[socket.socket], int],
    ) -> None:
        self.program = Child("seal", spawn_program)
        self.front = Child("sealed front", spawn_front)
        self.children = (self.program, self.front)
        self._settings = settings
        self._data_directory = data_directory
        self._hands = hands
        self._door: SealDoor | None = None
        self._said = ""
        self._was_open = False
        self._tries = True
        """Whether the seal program may be asked again with what the settings name."""
        self._hands_over = False
        """Whether a boundary leaves its root key to the spare, which could not open the seal by itself."""

    def note_sealed(self, boundary: Child, sentence: str) -> None:
        """The boundary cannot open the seal by itself."""
        boundary.deadline_at = None
        self._hands_over = True
        if not (self._tries and opens_by_itself(self._settings)):
            self._await_operator(sentence)
        elif self.program.pid is None:
            self._hands.spawn(self.program)

    def note_open(self) -> None:
        """The boundary has its root key."""
        self._was_open = True
        self._close_door()
        self.program.respawn_at = None

    def stop(self) -> None:
        """Ask nobody any more, and have the children end."""
        self._close_door()
        self.program.send_signal(signal.SIGKILL)
        self.front.send_signal(signal.SIGTERM)

    def begin_program(self) -> None:
        """Give the seal program what the settings name. Files are opened, and never read here."""
        try:
            record = self._data_directory.load_seal_record()
            with seal_program_start(self._settings, record) as (payload, files):
                self._hands.send(self.program, b"I", payload, files)
        except OSError as error:
            self.program.refusal = f"Cannot open {error.filename}: {error.strerror}."
            self._hands.drop_control(self.program)  # it ends

    def note_program_end(self, exit_code: int) -> None:
        """Before its death is settled: a refused PIN is not tried again until the server is started anew."""
        if exit_code == NOT_AGAIN_EXIT_CODE:
            self._tries = False

    def takes_death(self, child: Child, ending: str, boundary: Child) -> bool:
        """Settle what follows when one of the children here has died; False for any other child."""
        if child is self.program:
            child.respawn_at = None
            if not boundary.ready:
                self._await_operator(child.refusal or f"{ending}.")
                if self._tries:
                    child.respawn_at = time.monotonic() + RETRY_SECONDS
            return True
        if child is self.front and self._was_open:
            child.respawn_at = None
            return True
        return False

    def let_in(self, boundary: Child) -> None:
        """INVARIANT P6: what an operator brings goes to the boundary unread."""
        connection = self._door.accept() if self._door is not None else None
        if connection is not None:
            with connection:
                self._hands.send(boundary, b"U", b"", [connection.fileno()])

    def leave_root_key(self, boundary: Child, spare: Child) -> None:
        """Have the boundary leave the root key in a socket, which the spare reads when it is needed."""
        if not self._hands_over or not boundary.ready or spare.control is None:
            return
        of_boundary, of_spare = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with of_boundary, of_spare:
            self._hands.send(spare, b"H", b"", [of_spare.fileno()])
            self._hands.send(boundary, b"H", b"", [of_boundary.fileno()])

    def _await_operator(self, sentence: str) -> None:
        path = self._data_directory.path
        if sentence != self._said:
            self._said = sentence
            write_line(f"strongroom: {sentence} To open the seal: strongroom seal unseal --data-dir {path}")
        if self._door is None:
            try:
                self._door = SealDoor(path)
            except OSError as error:
                raise StartRefused(f"Cannot wait for an operator in {path}: {error.strerror}.") from None
            self._hands.selector.register(self._door, selectors.EVENT_READ, self._door)
        if not self._was_open and self.front.pid is None:
            self._hands.spawn(self.front)

    def _close_door(self) -> None:
        self._said = ""
        if self._door is not None:
            self._hands.selector.unregister(self._door)
            self._door.close()
            self._door = None
