"""The seal record: the root key, wrapped once for each way to open it ("slots", as in LUKS).

The record is kept with the data and holds no secret in clear. Slots of types this version does not
know are kept as they are. No cryptography here: seal/ wraps and unwraps. The table for readers is
docs/formats/seal.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = b"SRSEAL"
VERSION: Final = 1
CHECK_BYTES: Final = 16
SLOTS_MAX: Final = 32
RECORD_BYTES_MAX: Final = 16384
SALT_BYTES: Final = 16

_START = struct.Struct(">6sBB")
_SLOT = struct.Struct(">BHH16s")


class SlotType(IntEnum):
    """How a slot is opened."""

    KEY_FILE = 1
    PASSPHRASE = 2
    SHAMIR = 3
    PKCS11 = 4
    KMS = 5


@dataclass(frozen=True, slots=True)
class SealSlot:
    """One wrapping of the root key. `slot_type` may be a number this version does not know."""

    slot_type: int
    parameters: bytes
    check: bytes
    """The root key's id: the same in every slot of a record."""
    wrapped_root_key: bytes

    def authenticated_data(self) -> bytes:
        """What the wrapping is bound to: all of the slot but the wrapped key itself."""
        return (
            _START.pack(MAGIC, VERSION, 0)
            + _SLOT.pack(self.slot_type, len(self.parameters), 0, self.check)
            + self.parameters
        )


def name_slot_type(slot_type: int) -> str:
    """In words, such as `key file`."""
    try:
        return SlotType(slot_type).name.lower().replace("_", " ")
    except ValueError:
        return f"of type {slot_type}"


def render_seal(slots: tuple[SealSlot, ...]) -> bytes:
    """The record's bytes. Raises ValueError for no slots, too many, or too much in them."""
    if not 1 <= len(slots) <= SLOTS_MAX:
        raise ValueError("a seal record has 1 to 32 slots")
    parts = [_START.pack(MAGIC, VERSION, len(slots))]
    for slot in slots:
        parts.append(_SLOT.pack(slot.slot_type, len(slot.parameters), len(slot.wrapped_root_key), slot.check))
        parts += (slot.parameters, slot.wrapped_root_key)
    record = b"".join(parts)
    if len(record) > RECORD_BYTES_MAX:
        raise ValueError("a seal record has at most 16384 bytes")
    return record


def parse_seal(record: bytes) -> tuple[SealSlot, ...]:
    """The record's slots. Raises ValueError for a damaged record or one of a later version."""
    if not _START.size < len(record) <= RECORD_BYTES_MAX:
        raise ValueError("not a seal record: length")
    magic, version, count = _START.unpack_from(record)
    if magic != MAGIC or version != VERSION or not 1 <= count <= SLOTS_MAX:
        raise ValueError("not a seal record of a known version")
    slots: list[SealSlot] = []
    position = _START.size
    for _ in range(count):
        if position + _SLOT.size > len(record):
            raise ValueError("not a seal record: cut off")
        slot_type, parameters_length, wrapped_length, check = _SLOT.unpack_from(record, position)
        position += _SLOT.size
        end_of_parameters = position + parameters_length
        end = end_of_parameters + wrapped_length
        if end > len(record):
            raise ValueError("not a seal record: cut off")
        parameters = record[position:end_of_parameters]
        slots.append(SealSlot(slot_type, parameters, check, record[end_of_parameters:end]))
        position = end
    if position != len(record):
        raise ValueError("not a seal record: bytes after the last slot")
    return tuple(slots)
