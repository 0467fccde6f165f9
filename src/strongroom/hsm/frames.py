"""What workers and the job runner ask of a cluster's process, and how it answers: docs/formats/hsm-frames.md.

The frames are those of the boundary (boundary/messages.py) with operations and statuses of their own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Opcode(IntEnum):
    """What is asked; in parentheses the fields."""

    CHECK = 1
    """Whether module and token are there (no field). Nobody logs in."""
    CONNECT = 2
    """Log in anew (store id, sealed password), whatever was before."""
    RESUME = 3
    """Log in unless that was done, or was refused in this life (store id, sealed password)."""
    DISCONNECT = 4
    """Log out (no field)."""
    CREATE_KEY = 5
    """An AES-256 key of that label, unless it is there (key id)."""
    DELETE_KEY = 6
    """(key id)"""
    WRAP = 7
    """(key id, plaintext, associated data); answers IV, ciphertext and tag"""
    UNWRAP = 8
    """(key id, what WRAP answered, associated data)"""
    RANDOM = 9
    """(how many bytes, 2 bytes big-endian)"""


FIELD_COUNTS: Final = {
    Opcode.CHECK: 0,
    Opcode.CONNECT: 2,
    Opcode.RESUME: 2,
    Opcode.DISCONNECT: 0,
    Opcode.CREATE_KEY: 1,
    Opcode.DELETE_KEY: 1,
    Opcode.WRAP: 3,
    Opcode.UNWRAP: 3,
    Opcode.RANDOM: 1,
}
RANDOM_BYTES_MAX: Final = 1024
LOGINS: Final = (Opcode.CHECK, Opcode.CONNECT, Opcode.RESUME, Opcode.DISCONNECT)
"""What may take long: it starts or ends a module, or waits for who does."""


class Status(IntEnum):
    """How it ended. Only OK carries a body."""

    OK = 0
    NOT_CONNECTED = 1
    """Nobody is logged in: RESUME, and ask again."""
    PIN_REFUSED = 2
    PIN_LOCKED = 3
    USER_UNKNOWN = 4
    """The token's user has no PIN."""
    USER_LOGGED_IN = 5
    TOKEN_NOT_FOUND = 6
    MODULE_UNUSABLE = 7
    TOKEN_UNSOUND = 8
    """It cannot AES-GCM, or does not keep what PKCS#11 promises."""
    TRANSPORT_KEY_UNKNOWN = 9
    """Have the password sealed again: one of the two processes was started anew."""
    KEY_NOT_FOUND = 10
    CIPHERTEXT_REFUSED = 11
    FAILED = 12
    REFUSED = 13
    """Out of the limits of the operation."""
    LOGIN_UNCLEAR = 14
    """A login failed without a word on the PIN; the next one waits for a while."""


CREDENTIALS_REFUSED: Final = (Status.PIN_REFUSED, Status.PIN_LOCKED, Status.USER_UNKNOWN)
"""What only the operator can mend: tokens count refused PINs, so none is tried again by itself."""
