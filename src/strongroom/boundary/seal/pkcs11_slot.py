"""Slot type 4, a PKCS #11 token: an AES key that never leaves the token encrypts the slot key.

The record names the token and the key, not the module: whoever may write the record must not choose which
library the seal program loads.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.boundary.seal.wrapping import (
    SLOT_KEY_BYTES,
    SlotDoesNotOpen,
    unwrap_root_key,
    wrap_root_key,
)
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType

TOKEN_LABEL_BYTES_MAX: Final = 32
KEY_LABEL: Final = "strongroom seal"
_LENGTHS = struct.Struct(">BBH")


class TokenKey(Protocol):
    """An AES key inside a token. Raises SealRefused, and SlotDoesNotOpen for what it does not open."""

    def encrypt(self, plaintext: bytes, authenticated: bytes) -> bytes:
        """AES-GCM in the token; what comes back holds its IV."""
        ...

    def decrypt(self, ciphertext: bytes, authenticated: bytes) -> bytes:
        """The other way."""
        ...


class TokenKeys(Protocol):
    """The tokens that can be reached, and logged in to."""

    def find_key(self, token_label: str, key_label: str) -> TokenKey:
        """Raises SealRefused with a sentence: no such token, a wrong PIN, no such key."""
        ...

    def make_key(self, token_label: str, key_label: str) -> TokenKey:
        """The key of that label, made where there is none. Raises SealRefused."""
        ...


@dataclass(frozen=True, slots=True)
class TokenReference:
    """Which key of which token a slot was made with."""

    token_label: str
    key_label: str
    ciphertext: bytes


def wrap_under_token(root_key: bytes, token_label: str, key_label: str, key: TokenKey) -> SealSlot:
    """A token slot for `root_key`. Raises SealRefused."""
    salt, slot_key = os.urandom(SALT_BYTES), os.urandom(SLOT_KEY_BYTES)
    labels = token_label.encode(), key_label.encode()
    ciphertext = key.encrypt(slot_key, salt + b"\0".join(labels))
    parameters = (
        _LENGTHS.pack(len(labels[0]), len(labels[1]), len(ciphertext)) + b"".join(labels) + ciphertext
    )
    return wrap_root_key(root_key, SlotType.PKCS11, slot_key, parameters, salt)


def parse_token_reference(slot: SealSlot) -> TokenReference:
    """Raises SlotDoesNotOpen when no sound slot says that."""
    start = SALT_BYTES + _LENGTHS.size
    if len(slot.parameters) < start:
        raise SlotDoesNotOpen
    token, key, ciphertext = _LENGTHS.unpack_from(slot.parameters, SALT_BYTES)
    rest = slot.parameters[start:]
    if len(rest) != token + key + ciphertext or token > TOKEN_LABEL_BYTES_MAX:
        raise SlotDoesNotOpen
    try:
        labels = rest[:token].decode(), rest[token : token + key].decode()
    except UnicodeDecodeError:
        raise SlotDoesNotOpen from None
    if not all(label.isprintable() for label in labels):
        raise SlotDoesNotOpen
    return TokenReference(*labels, rest[token + key :])


def unwrap_with_token(slot: SealSlot, keys: TokenKeys) -> bytes:
    """The root key. Raises SlotDoesNotOpen, SealRefused."""
    reference = parse_token_reference(slot)
    key = keys.find_key(reference.token_label, reference.key_label)
    bound_to = b"\0".join((reference.token_label.encode(), reference.key_label.encode()))
    slot_key = key.decrypt(reference.ciphertext, slot.parameters[:SALT_BYTES] + bound_to)
    if len(slot_key) != SLOT_KEY_BYTES:
        raise SlotDoesNotOpen
    return unwrap_root_key(slot, slot_key)
