"""Wrapping the root key into a slot, and unwrapping it: the same for every type of slot.

What opens a slot (a key file, a passphrase, shares, a token, another KMS) comes to a *slot key* of at least
32 bytes; from it and the slot's salt the wrapping key is derived under the label of the slot's type.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.boundary.key_hierarchy import (
    LABEL_KEY_FILE_SLOT,
    LABEL_KMS_SLOT,
    LABEL_PASSPHRASE_SLOT,
    LABEL_PKCS11_SLOT,
    LABEL_SHAMIR_SLOT,
)
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType, parse_seal
from strongroom.boundary.software.key_derivation import derive_key
from strongroom.boundary.software.key_wrapping import KEY_BYTES, root_key_id

SLOT_KEY_BYTES: Final = 32
_IV_BYTES: Final = 12
_WRAPPED_BYTES: Final = _IV_BYTES + KEY_BYTES + 16

_LABELS: Final[Mapping[int, bytes]] = {
    SlotType.KEY_FILE: LABEL_KEY_FILE_SLOT,
    SlotType.PASSPHRASE: LABEL_PASSPHRASE_SLOT,
    SlotType.SHAMIR: LABEL_SHAMIR_SLOT,
    SlotType.PKCS11: LABEL_PKCS11_SLOT,
    SlotType.KMS: LABEL_KMS_SLOT,
}


class SlotDoesNotOpen(Exception):
    """The slot key is another one, or the slot was changed: nobody can tell which."""


def load_slots(record: bytes) -> tuple[SealSlot, ...]:
    """The record's slots. Raises SealRefused with a sentence."""
    try:
        return parse_seal(record)
    except ValueError:
        raise SealRefused(
            "The seal record is damaged or was written by a later version of Strongroom: restore it from a"
            " backup, or start the version that wrote it. Nothing was changed."
        ) from None


def wrap_root_key(
    root_key: bytes,
    slot_type: SlotType,
    slot_key: bytes,
    parameters: bytes = b"",
    salt: bytes | None = None,
) -> SealSlot:
    """A slot for `root_key`. Its parameters begin with the salt, new unless it was needed before."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    bare = SealSlot(slot_type, salt + parameters, root_key_id(root_key), b"")
    iv = os.urandom(_IV_BYTES)
    cipher = AESGCM(derive_key(slot_key, _LABELS[slot_type], salt))
    wrapped = iv + cipher.encrypt(iv, root_key, bare.authenticated_data())
    return SealSlot(bare.slot_type, bare.parameters, bare.check, wrapped)


def unwrap_root_key(slot: SealSlot, slot_key: bytes) -> bytes:
    """The root key. Raises SlotDoesNotOpen, alike for every cause.

    Secrets: what it returns must not leave the boundary.
    """
    label = _LABELS.get(slot.slot_type)
    if label is None or len(slot.parameters) < SALT_BYTES or len(slot.wrapped_root_key) != _WRAPPED_BYTES:
        raise SlotDoesNotOpen
    cipher = AESGCM(derive_key(slot_key, label, slot.parameters[:SALT_BYTES]))
    iv, wrapped = slot.wrapped_root_key[:_IV_BYTES], slot.wrapped_root_key[_IV_BYTES:]
    try:
        root_key = cipher.decrypt(iv, wrapped, slot.authenticated_data())
    except InvalidTag:
        raise SlotDoesNotOpen from None
    if not is_root_key_of(slot, root_key):
        raise SlotDoesNotOpen
    return root_key


def is_root_key_of(slot: SealSlot, root_key: bytes) -> bool:
    """Whether `root_key` is the one that `slot` wraps; takes the same time either way."""
    return len(root_key) == KEY_BYTES and hmac.compare_digest(root_key_id(root_key), slot.check)
