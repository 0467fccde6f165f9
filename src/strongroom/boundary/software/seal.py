"""Opening the seal: from a key file and the seal record to the root key."""

from __future__ import annotations

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.boundary.key_file import SealRefused
from strongroom.boundary.key_hierarchy import LABEL_KEY_FILE_SLOT
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType, parse_seal, render_seal
from strongroom.boundary.software.key_derivation import derive_key
from strongroom.boundary.software.key_wrapping import KEY_BYTES, root_key_id

_IV_BYTES: Final = 12


def open_or_create_seal(record: bytes, key_file: bytes) -> tuple[bytes, bytes]:
    """The root key and the seal record to keep. Raises SealRefused with a sentence for the operator.

    INVARIANT B4: a new root key is made only where there is no record, never over an existing one.
    Secrets: the first value is the root key; it must not leave the boundary process.
    """
    if not record:
        root_key = os.urandom(KEY_BYTES)
        return root_key, render_seal((wrap_under_key_file(root_key, key_file),))
    try:
        slots = parse_seal(record)
    except ValueError:
        raise SealRefused(
            "The seal record is damaged or was written by a later version of Strongroom: restore it from a"
            " backup, or start the version that wrote it. Nothing was changed."
        ) from None
    return _unwrap_any(slots, key_file), record


def wrap_under_key_file(root_key: bytes, key_file: bytes) -> SealSlot:
    """A key file slot for `root_key`."""
    salt = os.urandom(SALT_BYTES)
    bare = SealSlot(SlotType.KEY_FILE, salt, root_key_id(root_key), b"")
    iv = os.urandom(_IV_BYTES)
    cipher = AESGCM(derive_key(key_file, LABEL_KEY_FILE_SLOT, salt))
    wrapped = iv + cipher.encrypt(iv, root_key, bare.authenticated_data())
    return SealSlot(bare.slot_type, bare.parameters, bare.check, wrapped)


def _unwrap_any(slots: tuple[SealSlot, ...], key_file: bytes) -> bytes:
    for slot in slots:
        if slot.slot_type != SlotType.KEY_FILE or len(slot.parameters) != SALT_BYTES:
            continue
        cipher = AESGCM(derive_key(key_file, LABEL_KEY_FILE_SLOT, slot.parameters))
        iv, wrapped = slot.wrapped_root_key[:_IV_BYTES], slot.wrapped_root_key[_IV_BYTES:]
        try:
            root_key = cipher.decrypt(iv, wrapped, slot.authenticated_data())
        except (InvalidTag, ValueError):  # ValueError: a slot too short to hold an IV
            continue
        if len(root_key) == KEY_BYTES and hmac.compare_digest(root_key_id(root_key), slot.check):
            return root_key
    raise SealRefused(
        "The key file does not open the seal record: it is another key file, or one of the two was damaged."
        " Put back the key file that was in use when the data was made. Nothing was changed."
    )
