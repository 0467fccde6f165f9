"""Slot type 5, another KMS: AWS's, or another Strongroom, encrypts the slot key under a key of its own.

The encryption context names this seal's root key, so that a policy there can demand it and the other side's
records show it. Where that KMS is reached is a setting, not in the record: whoever may write the record must
not choose who is asked.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import (
    SLOT_KEY_BYTES,
    SlotDoesNotOpen,
    unwrap_root_key,
    wrap_root_key,
)
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType
from strongroom.boundary.software.key_wrapping import root_key_id

CONTEXT_NAME: Final = "strongroom:cluster"
KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}", re.ASCII)
_LENGTHS = struct.Struct(">HH")


class KeyService(Protocol):
    """A KMS. Raises SealRefused with a sentence, and SlotDoesNotOpen for what it does not open."""

    def encrypt(self, key_arn: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """The ciphertext blob."""
        ...

    def decrypt(self, key_arn: str, blob: bytes, context: Mapping[str, str]) -> bytes:
        """The plaintext."""
        ...


@dataclass(frozen=True, slots=True)
class KmsReference:
    """Which key a slot was made with."""

    key_arn: str
    blob: bytes


def wrap_under_kms(root_key: bytes, key_arn: str, service: KeyService) -> SealSlot:
    """A KMS slot for `root_key`. Raises SealRefused."""
    if KEY_ARN.fullmatch(key_arn) is None:
        raise SealRefused(
            "The KMS key must be named by its key ARN (arn:aws:kms:REGION:ACCOUNT:key/ID). Nothing was"
            " changed."
        )
    slot_key = os.urandom(SLOT_KEY_BYTES)
    blob = service.encrypt(key_arn, slot_key, _context(root_key_id(root_key)))
    parameters = _LENGTHS.pack(len(key_arn), len(blob)) + key_arn.encode() + blob
    return wrap_root_key(root_key, SlotType.KMS, slot_key, parameters)


def parse_kms_reference(slot: SealSlot) -> KmsReference:
    """Raises SlotDoesNotOpen when no sound slot says that."""
    start = SALT_BYTES + _LENGTHS.size
    if len(slot.parameters) < start:
        raise SlotDoesNotOpen
    arn, blob = _LENGTHS.unpack_from(slot.parameters, SALT_BYTES)
    rest = slot.parameters[start:]
    key_arn = rest[:arn].decode("ascii", "replace")
    if len(rest) != arn + blob or KEY_ARN.fullmatch(key_arn) is None:
        raise SlotDoesNotOpen
    return KmsReference(key_arn, rest[arn:])


def unwrap_with_kms(slot: SealSlot, service: KeyService) -> bytes:
    """The root key. Raises SlotDoesNotOpen, SealRefused."""
    reference = parse_kms_reference(slot)
    slot_key = service.decrypt(reference.key_arn, reference.blob, _context(slot.check))
    if len(slot_key) != SLOT_KEY_BYTES:
        raise SlotDoesNotOpen
    return unwrap_root_key(slot, slot_key)


def _context(root_key_name: bytes) -> dict[str, str]:
    return {CONTEXT_NAME: root_key_name.hex()}
