"""What a PKCS#11 module can refuse, as a tree of exceptions by its return values (CKR_...).

Source: OASIS PKCS #11 v3.0, section 5.1 and pkcs11t.h.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Ckr(IntEnum):
    """Return values, by their names there."""

    OK = 0x000
    CANCEL = 0x001
    HOST_MEMORY = 0x002
    SLOT_ID_INVALID = 0x003
    GENERAL_ERROR = 0x005
    FUNCTION_FAILED = 0x006
    ARGUMENTS_BAD = 0x007
    NO_EVENT = 0x008
    NEED_TO_CREATE_THREADS = 0x009
    CANT_LOCK = 0x00A
    ATTRIBUTE_READ_ONLY = 0x010
    ATTRIBUTE_SENSITIVE = 0x011
    ATTRIBUTE_TYPE_INVALID = 0x012
    ATTRIBUTE_VALUE_INVALID = 0x013
    ACTION_PROHIBITED = 0x01B
    DATA_INVALID = 0x020
    DATA_LEN_RANGE = 0x021
    DEVICE_ERROR = 0x030
    DEVICE_MEMORY = 0x031
    DEVICE_REMOVED = 0x032
    ENCRYPTED_DATA_INVALID = 0x040
    ENCRYPTED_DATA_LEN_RANGE = 0x041
    AEAD_DECRYPT_FAILED = 0x042
    FUNCTION_CANCELED = 0x050
    FUNCTION_NOT_PARALLEL = 0x051
    FUNCTION_NOT_SUPPORTED = 0x054
    KEY_HANDLE_INVALID = 0x060
    KEY_SIZE_RANGE = 0x062
    KEY_TYPE_INCONSISTENT = 0x063
    KEY_NOT_NEEDED = 0x064
    KEY_CHANGED = 0x065
    KEY_NEEDED = 0x066
    KEY_INDIGESTIBLE = 0x067
    KEY_FUNCTION_NOT_PERMITTED = 0x068
    KEY_NOT_WRAPPABLE = 0x069
    KEY_UNEXTRACTABLE = 0x06A
    MECHANISM_INVALID = 0x070
    MECHANISM_PARAM_INVALID = 0x071
    OBJECT_HANDLE_INVALID = 0x082
    OPERATION_ACTIVE = 0x090
    OPERATION_NOT_INITIALIZED = 0x091
    PIN_INCORRECT = 0x0A0
    PIN_INVALID = 0x0A1
    PIN_LEN_RANGE = 0x0A2
    PIN_EXPIRED = 0x0A3
    PIN_LOCKED = 0x0A4
    SESSION_CLOSED = 0x0B0
    SESSION_COUNT = 0x0B1
    SESSION_HANDLE_INVALID = 0x0B3
    SESSION_PARALLEL_NOT_SUPPORTED = 0x0B4
    SESSION_READ_ONLY = 0x0B5
    SESSION_EXISTS = 0x0B6
    SESSION_READ_ONLY_EXISTS = 0x0B7
    SESSION_READ_WRITE_SO_EXISTS = 0x0B8
    SIGNATURE_INVALID = 0x0C0
    SIGNATURE_LEN_RANGE = 0x0C1
    TEMPLATE_INCOMPLETE = 0x0D0
    TEMPLATE_INCONSISTENT = 0x0D1
    TOKEN_NOT_PRESENT = 0x0E0
    TOKEN_NOT_RECOGNIZED = 0x0E1
    TOKEN_WRITE_PROTECTED = 0x0E2
    UNWRAPPING_KEY_HANDLE_INVALID = 0x0F0
    UNWRAPPING_KEY_SIZE_RANGE = 0x0F1
    UNWRAPPING_KEY_TYPE_INCONSISTENT = 0x0F2
    USER_ALREADY_LOGGED_IN = 0x100
    USER_NOT_LOGGED_IN = 0x101
    USER_PIN_NOT_INITIALIZED = 0x102
    USER_TYPE_INVALID = 0x103
    USER_ANOTHER_ALREADY_LOGGED_IN = 0x104
    USER_TOO_MANY_TYPES = 0x105
    WRAPPED_KEY_INVALID = 0x110
    WRAPPED_KEY_LEN_RANGE = 0x112
    WRAPPING_KEY_HANDLE_INVALID = 0x113
    WRAPPING_KEY_SIZE_RANGE = 0x114
    WRAPPING_KEY_TYPE_INCONSISTENT = 0x115
    RANDOM_SEED_NOT_SUPPORTED = 0x120
    RANDOM_NO_RNG = 0x121
    DOMAIN_PARAMS_INVALID = 0x130
    CURVE_NOT_SUPPORTED = 0x140
    BUFFER_TOO_SMALL = 0x150
    SAVED_STATE_INVALID = 0x160
    INFORMATION_SENSITIVE = 0x170
    STATE_UNSAVEABLE = 0x180
    CRYPTOKI_NOT_INITIALIZED = 0x190
    CRYPTOKI_ALREADY_INITIALIZED = 0x191
    MUTEX_BAD = 0x1A0
    MUTEX_NOT_LOCKED = 0x1A1
    FUNCTION_REJECTED = 0x200
    TOKEN_RESOURCE_EXCEEDED = 0x201
    OPERATION_CANCEL_FAILED = 0x202
    KEY_EXHAUSTED = 0x203


class Pkcs11Error(Exception):
    """Drawn as a tree:

    Pkcs11Error
     ├─ ModuleUnusable      no such library, or none of PKCS#11
     │   └─ ModuleWouldNotStart   it did not initialise
     ├─ TokenNotFound       no token of that label, or two
     ├─ KeyNotFound         no key of that label, or two
     ├─ TokenUnsound        the token does not keep what it promises; no key may be entrusted to it
     └─ ReturnedError       a call returned something else than CKR_OK: `code`, `function`
         ├─ PinRefused      the PIN is not the user's (or not a PIN)
         │   ├─ PinLocked   as many wrong ones as the token bears; its officer must set a new one
         │   └─ LoginUnclear   logging in failed, and nobody knows whether the token counted the PIN as wrong
         ├─ TokenLost       the token is gone, or was taken out
         ├─ SessionLost     the session or login is gone: open and log in again, and find all keys again
         ├─ HandleLost      a key's handle means nothing any more: find or unwrap it again
         ├─ InputRefused    a ciphertext, wrapped key, signature or message that is wrong
         ├─ Unclear         wrong input or a broken token: the module does not say which; try something known
         ├─ NotOffered      the token does not do that, or not with this key
         └─ SessionSpoilt   an operation was left open in this session: open another one
    """


class ModuleUnusable(Pkcs11Error):
    """The PKCS#11 module cannot be loaded or initialised."""


class ModuleWouldNotStart(ModuleUnusable):
    """C_Initialize failed: a token that is not there, or bad initialisation arguments."""


class TokenNotFound(Pkcs11Error):
    """There is not exactly one token of the label."""


class KeyNotFound(Pkcs11Error):
    """There is not exactly one key of the label and class."""


class TokenUnsound(Pkcs11Error):
    """The token failed the probe; the text says in what."""


class ReturnedError(Pkcs11Error):
    """A call of the module that did not return CKR_OK. Secrets: says the function and the code only."""

    def __init__(self, function: str, code: int) -> None:
        self.function = function
        self.code = code
        super().__init__(f"{function} returned {name_of(code)}")


class PinRefused(ReturnedError):
    """The PIN is not the user's."""


class PinLocked(PinRefused):
    """The user's PIN is locked, expired or not set."""


class LoginUnclear(PinRefused):
    """C_Login failed, and the PIN may have been counted as a wrong one."""


class TokenLost(ReturnedError):
    """The token is gone."""


class SessionLost(ReturnedError):
    """The session or its login is gone, and with it every handle."""


class HandleLost(ReturnedError):
    """The handle of a key is not valid any more."""


class InputRefused(ReturnedError):
    """What was to be opened or checked is wrong."""


class Unclear(ReturnedError):
    """Wrong input or a broken token."""


class NotOffered(ReturnedError):
    """The token does not do that, or not with this key."""


class SessionSpoilt(ReturnedError):
    """An earlier operation is still open in this session."""


_KINDS: Final[dict[type[ReturnedError], tuple[Ckr, ...]]] = {
    PinRefused: (Ckr.PIN_INCORRECT, Ckr.PIN_INVALID, Ckr.PIN_LEN_RANGE),
    PinLocked: (Ckr.PIN_LOCKED, Ckr.PIN_EXPIRED, Ckr.USER_PIN_NOT_INITIALIZED),
    TokenLost: (Ckr.TOKEN_NOT_PRESENT, Ckr.TOKEN_NOT_RECOGNIZED, Ckr.DEVICE_REMOVED, Ckr.SLOT_ID_INVALID),
    SessionLost: (
        Ckr.SESSION_HANDLE_INVALID,
        Ckr.SESSION_CLOSED,
        Ckr.USER_NOT_LOGGED_IN,
        Ckr.CRYPTOKI_NOT_INITIALIZED,
    ),
    HandleLost: (
        Ckr.OBJECT_HANDLE_INVALID,
        Ckr.KEY_HANDLE_INVALID,
        Ckr.WRAPPING_KEY_HANDLE_INVALID,
        Ckr.UNWRAPPING_KEY_HANDLE_INVALID,
    ),
    InputRefused: (
        Ckr.DATA_INVALID,
        Ckr.DATA_LEN_RANGE,
        Ckr.ENCRYPTED_DATA_INVALID,
        Ckr.ENCRYPTED_DATA_LEN_RANGE,
        Ckr.AEAD_DECRYPT_FAILED,
        Ckr.SIGNATURE_INVALID,
        Ckr.SIGNATURE_LEN_RANGE,
        Ckr.WRAPPED_KEY_INVALID,
        Ckr.WRAPPED_KEY_LEN_RANGE,
    ),
    Unclear: (Ckr.GENERAL_ERROR, Ckr.FUNCTION_FAILED, Ckr.DEVICE_ERROR),
    NotOffered: (
        Ckr.FUNCTION_NOT_SUPPORTED,
        Ckr.MECHANISM_INVALID,
        Ckr.MECHANISM_PARAM_INVALID,
        Ckr.ARGUMENTS_BAD,
        Ckr.ACTION_PROHIBITED,
        Ckr.CURVE_NOT_SUPPORTED,
        Ckr.DOMAIN_PARAMS_INVALID,
        Ckr.KEY_FUNCTION_NOT_PERMITTED,
        Ckr.KEY_NOT_WRAPPABLE,
        Ckr.KEY_UNEXTRACTABLE,
        Ckr.KEY_SIZE_RANGE,
        Ckr.KEY_TYPE_INCONSISTENT,
        Ckr.WRAPPING_KEY_TYPE_INCONSISTENT,
        Ckr.UNWRAPPING_KEY_TYPE_INCONSISTENT,
        Ckr.ATTRIBUTE_TYPE_INVALID,
        Ckr.ATTRIBUTE_VALUE_INVALID,
        Ckr.ATTRIBUTE_READ_ONLY,
        Ckr.ATTRIBUTE_SENSITIVE,
        Ckr.TEMPLATE_INCOMPLETE,
        Ckr.TEMPLATE_INCONSISTENT,
        Ckr.TOKEN_WRITE_PROTECTED,
    ),
    SessionSpoilt: (Ckr.OPERATION_ACTIVE, Ckr.OPERATION_NOT_INITIALIZED),
}
_KIND_OF: Final = {code: kind for kind, codes in _KINDS.items() for code in codes}


def name_of(code: int) -> str:
    """CKR_PIN_INCORRECT for 0xA0; a code that the standard does not have in hex."""
    try:
        return f"CKR_{Ckr(code).name}"
    except ValueError:
        return f"CKR 0x{code:08x}"


def error_of(function: str, code: int) -> ReturnedError:
    """The exception for a return value; a code of no kind of its own is a ReturnedError itself."""
    kind: type[ReturnedError] = _KIND_OF.get(code, ReturnedError)  # type: ignore[call-overload]
    return kind(function, code)
