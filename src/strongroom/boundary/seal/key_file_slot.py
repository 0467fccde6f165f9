"""Slot type 1, a key file; and what a start does with one: open the seal, or make it where there is none."""

from __future__ import annotations

import os

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen, load_slots, unwrap_root_key, wrap_root_key
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType, render_seal
from strongroom.boundary.software.key_wrapping import KEY_BYTES


def open_or_create_seal(record: bytes, key_file: bytes) -> tuple[bytes, bytes]:
    """The root key and the seal record to keep. Raises SealRefused with a sentence for the operator.

    INVARIANT B4: a new root key is made only where there is no record, never over an existing one.
    Secrets: the first value is the root key; it must not leave the boundary process.
    """
    if not record:
        root_key = os.urandom(KEY_BYTES)
        return root_key, render_seal((wrap_under_key_file(root_key, key_file),))
    _, root_key = unwrap_with_key_file(load_slots(record), key_file)
    return root_key, record


def wrap_under_key_file(root_key: bytes, key_file: bytes) -> SealSlot:
    """A key file slot for `root_key`."""
    return wrap_root_key(root_key, SlotType.KEY_FILE, key_file)


def is_key_file_slot(slot: SealSlot) -> bool:
    """Whether a key file may open `slot`."""
    return slot.slot_type == SlotType.KEY_FILE and len(slot.parameters) == SALT_BYTES


def unwrap_with_key_file(slots: tuple[SealSlot, ...], key_file: bytes) -> tuple[int, bytes]:
    """The number of the slot that opens, and the root key. Raises SealRefused with a sentence."""
    for number, slot in enumerate(slots, 1):
        if is_key_file_slot(slot):
            try:
                return number, unwrap_root_key(slot, key_file)
            except SlotDoesNotOpen:
                continue
    raise SealRefused(
        "The key file does not open the seal record: it is another key file, or one of the two was damaged."
        " Put back the key file that was in use when the data was made. Nothing was changed."
    )
