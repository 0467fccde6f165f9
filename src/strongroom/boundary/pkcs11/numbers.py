"""PKCS#11's numbers, by their names there: attributes, classes, key types, mechanisms, flags.

Source: OASIS PKCS #11 v2.40 and v3.0, pkcs11t.h (identical for all that is here, but for AES_KEY_WRAP_KWP,
which v3.0 added).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Cka(IntEnum):
    """Attributes of objects."""

    CLASS = 0x000
    TOKEN = 0x001
    PRIVATE = 0x002
    LABEL = 0x003
    VALUE = 0x011
    TRUSTED = 0x086
    KEY_TYPE = 0x100
    ID = 0x102
    SENSITIVE = 0x103
    ENCRYPT = 0x104
    DECRYPT = 0x105
    WRAP = 0x106
    UNWRAP = 0x107
    SIGN = 0x108
    VERIFY = 0x10A
    DERIVE = 0x10C
    MODULUS = 0x120
    MODULUS_BITS = 0x121
    PUBLIC_EXPONENT = 0x122
    PRIVATE_EXPONENT = 0x123
    PRIME_1 = 0x124
    PRIME_2 = 0x125
    EXPONENT_1 = 0x126
    EXPONENT_2 = 0x127
    COEFFICIENT = 0x128
    VALUE_LEN = 0x161
    EXTRACTABLE = 0x162
    LOCAL = 0x163
    NEVER_EXTRACTABLE = 0x164
    ALWAYS_SENSITIVE = 0x165
    MODIFIABLE = 0x170
    COPYABLE = 0x171
    DESTROYABLE = 0x172
    EC_PARAMS = 0x180
    EC_POINT = 0x181
    WRAP_WITH_TRUSTED = 0x210


class Cko(IntEnum):
    """Classes of objects."""

    DATA = 0
    CERTIFICATE = 1
    PUBLIC_KEY = 2
    PRIVATE_KEY = 3
    SECRET_KEY = 4


class Ckk(IntEnum):
    """Key types."""

    RSA = 0x00
    EC = 0x03
    GENERIC_SECRET = 0x10
    AES = 0x1F


class Ckm(IntEnum):
    """Mechanisms."""

    RSA_PKCS_KEY_PAIR_GEN = 0x0000
    RSA_PKCS = 0x0001
    RSA_PKCS_OAEP = 0x0009
    RSA_PKCS_PSS = 0x000D
    SHA_1 = 0x0220
    SHA256 = 0x0250
    SHA256_HMAC = 0x0251
    SHA224 = 0x0255
    SHA224_HMAC = 0x0256
    SHA384 = 0x0260
    SHA384_HMAC = 0x0261
    SHA512 = 0x0270
    SHA512_HMAC = 0x0271
    GENERIC_SECRET_KEY_GEN = 0x0350
    EC_KEY_PAIR_GEN = 0x1040
    ECDSA = 0x1041
    ECDH1_DERIVE = 0x1050
    AES_KEY_GEN = 0x1080
    AES_ECB = 0x1081
    AES_CBC_PAD = 0x1085
    AES_GCM = 0x1087
    AES_KEY_WRAP = 0x2109
    AES_KEY_WRAP_PAD = 0x210A
    """Its meaning is the token's: RFC 5649 on SoftHSM, PKCS padding elsewhere."""
    AES_KEY_WRAP_KWP = 0x210B


class MechanismFlag(IntEnum):
    """What a token says that it does with a mechanism."""

    ENCRYPT = 0x0100
    DECRYPT = 0x0200
    DIGEST = 0x0400
    SIGN = 0x0800
    VERIFY = 0x2000
    GENERATE = 0x8000
    GENERATE_KEY_PAIR = 0x10000
    WRAP = 0x20000
    UNWRAP = 0x40000
    DERIVE = 0x80000


OS_LOCKING_OK: Final = 0x2
"""CKF_OS_LOCKING_OK: without it a module may assume one thread, and crash with two."""
RW_SESSION: Final = 0x2
SERIAL_SESSION: Final = 0x4
USER: Final = 1
"""CKU_USER."""
CKG_MGF1_SHA1: Final = 1
CKG_MGF1_SHA256: Final = 2
CKG_MGF1_SHA384: Final = 3
CKG_MGF1_SHA512: Final = 4
CKZ_DATA_SPECIFIED: Final = 1
CKD_NULL: Final = 1
UNAVAILABLE: Final = (1 << 64) - 1
"""CK_UNAVAILABLE_INFORMATION: the length of an attribute that is not told."""

TOKEN_LOGIN_REQUIRED: Final = 0x4
TOKEN_USER_PIN_INITIALIZED: Final = 0x8
TOKEN_PROTECTED_PATH: Final = 0x100
TOKEN_INITIALIZED: Final = 0x400
TOKEN_PIN_LOCKED: Final = 0x40000
