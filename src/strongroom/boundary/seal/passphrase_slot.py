"""Slot type 2, a passphrase: Argon2id makes guessing it slow, with what that costs written in the slot.

Source: RFC 9106, section 4 (second recommended option: 64 MiB, 3 passes, 4 lanes).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import (
    SLOT_KEY_BYTES,
    SlotDoesNotOpen,
    unwrap_root_key,
    wrap_root_key,
)
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType

PASSPHRASE_CHARACTERS_MIN: Final = 12
PASSPHRASE_BYTES_MAX: Final = 1024
_COST = struct.Struct(">IBB")


@dataclass(frozen=True, slots=True)
class Cost:
    """What trying one passphrase takes. Units: KiB of memory."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        """Bounds on both sides: whoever may write the record must not have us ask for terabytes, or hours.

        Raises: ValueError.
        """
        if (
            not 8_192 <= self.memory_kib <= 1_048_576
            or not 1 <= self.passes <= 10
            or not 1 <= self.lanes <= 8
        ):
            raise ValueError("not a passphrase slot: cost")


def wrap_under_passphrase(root_key: bytes, passphrase: bytes, cost: Cost | None = None) -> SealSlot:
    """A passphrase slot for `root_key`. Raises SealRefused for a passphrase that is too short or too long."""
    if len(passphrase.decode("utf-8", "replace")) < PASSPHRASE_CHARACTERS_MIN:
        raise SealRefused(
            f"The new passphrase is too short: take {PASSPHRASE_CHARACTERS_MIN} characters or more, better"
            " six words drawn by lot. Nothing was changed."
        )
    cost = cost or Cost()
    salt = os.urandom(SALT_BYTES)
    parameters = _COST.pack(cost.memory_kib, cost.passes, cost.lanes)
    return wrap_root_key(root_key, SlotType.PASSPHRASE, _derive(passphrase, salt, cost), parameters, salt)


def unwrap_with_passphrase(slot: SealSlot, passphrase: bytes) -> bytes:
    """The root key. Raises SlotDoesNotOpen, SealRefused."""
    cost = parse_cost(slot)
    return unwrap_root_key(slot, _derive(passphrase, slot.parameters[:SALT_BYTES], cost))


def parse_cost(slot: SealSlot) -> Cost:
    """What the slot says it takes. Raises SlotDoesNotOpen when no sound slot says that."""
    if len(slot.parameters) != SALT_BYTES + _COST.size:
        raise SlotDoesNotOpen
    try:
        return Cost(*_COST.unpack_from(slot.parameters, SALT_BYTES))
    except ValueError:
        raise SlotDoesNotOpen from None


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    if len(passphrase) > PASSPHRASE_BYTES_MAX:
        raise SealRefused(f"The passphrase is longer than {PASSPHRASE_BYTES_MAX} bytes. Nothing was changed.")
    try:
        return Argon2id(
            salt=salt,
            length=SLOT_KEY_BYTES,
            iterations=cost.passes,
            lanes=cost.lanes,
            memory_cost=cost.memory_kib,
        ).derive(passphrase)
    except (MemoryError, UnsupportedAlgorithm):
        raise SealRefused(
            f"The passphrase cannot be tried on this machine: it takes {cost.memory_kib // 1024} MiB of"
            " memory."
            " Free some, or open the seal in another way. Nothing was changed."
        ) from None
