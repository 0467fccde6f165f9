"""How the boundary process itself opens the seal: by key file, or with a root key that it is given."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from enum import StrEnum

from strongroom.boundary.seal.key_file import load_key_file
from strongroom.boundary.seal.key_file_slot import (
    is_key_file_slot,
    open_or_create_seal,
    unwrap_with_key_file,
)
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.root_key_handing import take_handed_over
from strongroom.boundary.seal.wrapping import load_slots
from strongroom.boundary.seal_format import SealSlot
from strongroom.boundary.start_packet import StartPacket


class OpenedBy(StrEnum):
    """Who opened a seal."""

    SETTINGS = "settings"
    """With what the server's settings name."""
    OPERATOR = "operator"
    BOUNDARY_BEFORE = "the boundary before"
    """Which left the root key."""


@dataclass(frozen=True, slots=True)
class OpenSeal:
    """Secrets: the root key; it must not leave the boundary."""

    root_key: bytes = field(repr=False)
    record: bytes
    """The seal record to keep."""
    is_to_hand_over: bool
    """Whether the next boundary could not open the seal by itself, as it can with a key file."""
    opened_by: OpenedBy
    slot: int | None
    """The number of the slot that was opened; None where the boundary before had opened it."""
    attempts_refused: int = 0
    """How many an operator made before it was opened."""


class Sealed(Exception):
    """Somebody has to bring the root key. The text says why."""

    def __init__(self, sentence: str, record: bytes, slots: tuple[SealSlot, ...]) -> None:
        super().__init__(sentence)
        self.record = record
        self.slots = slots


def open_seal(
    start: StartPacket, handed_over: socket.socket | None = None, owner_uid: int | None = None
) -> OpenSeal:
    """Open the seal with what came with the start packet, or make it where there is none.

    `owner_uid`: whose the key file must be; this process's user, if not given.
    `handed_over`: where the boundary before left the root key. Raises: SealRefused; Sealed.
    """
    record = start.seal_record
    key_file_fd = start.files.get("key_file")
    if not record:
        if key_file_fd is None:
            raise SealRefused(
                "There is no seal, and no key file to make one with: call strongroom init first."
            )
        made = open_or_create_seal(b"", load_key_file(key_file_fd, True, owner_uid))
        return OpenSeal(*made, False, OpenedBy.SETTINGS, 1)
    slots = load_slots(record)
    if handed_over is not None:
        root_key = take_handed_over(handed_over, slots)
        if root_key is not None:
            return OpenSeal(root_key, record, True, OpenedBy.BOUNDARY_BEFORE, None)
    has_key_file_slot = any(map(is_key_file_slot, slots))
    if key_file_fd is not None and has_key_file_slot:
        try:
            key_file = load_key_file(key_file_fd, False, owner_uid)
            number, root_key = unwrap_with_key_file(slots, key_file)
            return OpenSeal(root_key, record, False, OpenedBy.SETTINGS, number)
        except SealRefused as refused:
            if all(map(is_key_file_slot, slots)):
                raise
            raise Sealed(f"{refused} Another slot can open the seal meanwhile.", record, slots) from None
    if all(map(is_key_file_slot, slots)):
        path = start.options.get("key_file_path", "of its settings")
        raise SealRefused(
            f"The seal key file {path} is missing, and without it the keys cannot be used: put it back."
        )
    reason = "its key file is missing, and the other slots need" if has_key_file_slot else "its slots need"
    raise Sealed(f"The seal is closed: {reason} somebody to open one.", record, slots)
