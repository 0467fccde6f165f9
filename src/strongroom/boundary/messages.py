"""Frames between front workers and the boundary: fixed opcodes, length-prefixed fields, nothing else.

No serialisation library reads what crosses here: a frame is a length, a call id, a code, and for each
field a 16-bit length and its bytes. Both sides use this module. The table for readers is
docs/formats/boundary-frames.md.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

FRAME_BYTES_MAX: Final = 65536
"""Of all that follows the length field."""
HEAD: Final = struct.Struct(">IIB")
"""Length of all that follows it, call id, opcode (request) or status (reply)."""
HEAD_BYTES: Final = HEAD.size
LENGTH_COUNTS: Final = 5
"""What the length counts beside the body: call id and code."""
BODY_BYTES_MAX: Final = FRAME_BYTES_MAX - LENGTH_COUNTS

SLOW_KEY_SPECS: Final = frozenset(("RSA_2048", "RSA_3072", "RSA_4096"))
"""Key pairs of these take up to seconds to make: they are made beside the loop, and callers wait longer."""
PKCS11_FACT: Final = "PKCS#11 token"
"""The name in the status under which a boundary with a PKCS#11 token says how that is."""
PKCS11_OPEN: Final = "open"
DATA_KEY_BYTES_MAX: Final = 1024
RANDOM_BYTES_MAX: Final = 1024
DOMAIN_KEY_ID_BYTES: Final = 16
MATERIAL_ID_BYTES: Final = 32
TICKET_TEXT_BYTES_MAX: Final = 6144

_NUMBER = struct.Struct(">H")
_INSTANT = struct.Struct(">Q")
FIELDS_MAX: Final = 9
_LENGTHS = tuple(struct.Struct(f">{count}H") for count in range(FIELDS_MAX + 1))
_LENGTHS_OF_4 = _LENGTHS[4]


class Opcode(IntEnum):
    """What a worker may ask. The numbers are fixed for ever; a removed opcode leaves a gap."""

    STATUS = 1
    GENERATE_KEY = 2
    ENCRYPT = 3
    DECRYPT = 4
    RE_ENCRYPT = 5
    GENERATE_DATA_KEY = 6
    GENERATE_DATA_KEY_WITHOUT_PLAINTEXT = 7
    GENERATE_RANDOM = 8
    FORGET_KEY = 9
    WRAP_ROOT_SECRET = 10
    CREATE_ACCESS_KEY_SECRET = 11
    DERIVE_SIGNING_KEY = 12
    CREATE_DOMAIN_KEY = 13
    LOAD_DOMAIN_KEY = 14
    GET_PUBLIC_KEY = 15
    SIGN = 16
    VERIFY = 17
    ENCRYPT_ASYMMETRIC = 18
    DECRYPT_ASYMMETRIC = 19
    RE_ENCRYPT_ASYMMETRIC = 20
    """Where the source, the destination or both are asymmetric keys."""
    GENERATE_DATA_KEY_PAIR = 21
    GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT = 22
    REQUIRE_KEY_SPEC = 23
    # 24 to 29: reserved for asymmetric keys
    GENERATE_MAC = 30
    VERIFY_MAC = 31
    DERIVE_SHARED_SECRET = 32
    ENCAPSULATE = 33
    DECAPSULATE = 34
    # 35 to 39: MACs, key agreement, key encapsulation
    GET_IMPORT_PARAMETERS = 40
    IMPORT_KEY_MATERIAL = 41
    # 42 to 44: imported key material
    CREATE_REPLICATION_KEY = 45
    EXPORT_FOR_REGION = 46
    IMPORT_FROM_REGION = 47
    REQUIRE_MOVABLE_KEYS = 48
    # 49: replication
    DECRYPT_FOR_RECIPIENT = 50
    GENERATE_DATA_KEY_FOR_RECIPIENT = 51
    GENERATE_RANDOM_FOR_RECIPIENT = 52
    GENERATE_DATA_KEY_PAIR_FOR_RECIPIENT = 53
    DERIVE_SHARED_SECRET_FOR_RECIPIENT = 54
    # 55 to 59: answers for a recipient
    MAKE_TICKET = 60
    READ_TICKET = 61
    WRAP_STORE_SECRET = 62
    CREATE_PROXY_SECRET = 63
    DERIVE_PROXY_SIGNING_KEY = 64
    DERIVE_STORE_SIGNING_KEY = 65
    SEAL_STORE_SECRET = 67
    REWRAP = 66
    XKS_ENCRYPT = 68
    XKS_DECRYPT = 69
    SIGN_AUDIT_CHECKPOINT = 76
    KNOW_AUDIT_CHECKPOINT = 77
    FORGET_DOMAIN_KEY = 78
    VOUCH_FOR_DOMAIN_KEY = 79


class Status(IntEnum):
    """How the boundary answers. Only OK, the two domain key statuses and NOT_IN_TOKEN carry a body."""

    OK = 0
    CIPHERTEXT_REFUSED = 1
    TOKEN_REFUSED = 2
    REFUSED = 3
    DOMAIN_KEY_UNKNOWN = 4
    """The body is the domain key id: load its token and ask again."""
    NO_ACTIVE_DOMAIN_KEY = 5
    """The body is the Region: load or create its active domain key and ask again."""
    SIGNATURE_REFUSED = 6
    PEER_KEY_REFUSED = 7
    MATERIAL_REFUSED = 8
    BUSY = 9
    """As many keys that take long are being made as may wait: ask later."""
    PLAINTEXT_REFUSED = 10
    TICKET_REFUSED = 11
    KEY_SPEC_NOT_OFFERED = 12
    UNAVAILABLE = 20
    """The token that holds the keys does not answer: the request failed, and was not refused."""
    NOT_IN_TOKEN = 21
    """The body says what the token that holds the keys lacks, in words for callers."""
    IMPORT_TOKEN_EXPIRED = 40


FIELD_COUNTS: Final[dict[int, int]] = {
    Opcode.STATUS: 0,
    Opcode.GENERATE_KEY: 6,
    Opcode.ENCRYPT: 4,
    Opcode.DECRYPT: 4,
    Opcode.RE_ENCRYPT: 7,
    Opcode.GENERATE_DATA_KEY: 4,
    Opcode.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: 4,
    Opcode.GENERATE_RANDOM: 1,
    Opcode.FORGET_KEY: 2,
    Opcode.WRAP_ROOT_SECRET: 2,
    Opcode.CREATE_ACCESS_KEY_SECRET: 2,
    Opcode.DERIVE_SIGNING_KEY: 5,
    Opcode.CREATE_DOMAIN_KEY: 2,
    Opcode.LOAD_DOMAIN_KEY: 2,
    Opcode.GET_PUBLIC_KEY: 2,
    Opcode.SIGN: 5,
    Opcode.VERIFY: 6,
    Opcode.ENCRYPT_ASYMMETRIC: 4,
    Opcode.DECRYPT_ASYMMETRIC: 4,
    Opcode.RE_ENCRYPT_ASYMMETRIC: 9,
    Opcode.GENERATE_DATA_KEY_PAIR: 4,
    Opcode.GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT: 4,
    Opcode.REQUIRE_KEY_SPEC: 1,
    Opcode.DECRYPT_FOR_RECIPIENT: 6,
    Opcode.GENERATE_DATA_KEY_FOR_RECIPIENT: 5,
    Opcode.GENERATE_RANDOM_FOR_RECIPIENT: 2,
    Opcode.GENERATE_DATA_KEY_PAIR_FOR_RECIPIENT: 5,
    Opcode.DERIVE_SHARED_SECRET_FOR_RECIPIENT: 4,
    Opcode.MAKE_TICKET: 3,
    Opcode.READ_TICKET: 3,
    Opcode.WRAP_STORE_SECRET: 4,
    Opcode.CREATE_PROXY_SECRET: 1,
    Opcode.DERIVE_PROXY_SIGNING_KEY: 4,
    Opcode.DERIVE_STORE_SIGNING_KEY: 5,
    Opcode.SEAL_STORE_SECRET: 5,
    Opcode.XKS_ENCRYPT: 4,
    Opcode.XKS_DECRYPT: 4,
    Opcode.GET_IMPORT_PARAMETERS: 6,
    Opcode.IMPORT_KEY_MATERIAL: 9,
    Opcode.GENERATE_MAC: 3,
    Opcode.VERIFY_MAC: 4,
    Opcode.DERIVE_SHARED_SECRET: 3,
    Opcode.ENCAPSULATE: 2,
    Opcode.DECAPSULATE: 3,
    Opcode.CREATE_REPLICATION_KEY: 1,
    Opcode.EXPORT_FOR_REGION: 3,
    Opcode.IMPORT_FROM_REGION: 8,
    Opcode.REQUIRE_MOVABLE_KEYS: 0,
    Opcode.REWRAP: 3,
    Opcode.FORGET_DOMAIN_KEY: 1,
    Opcode.VOUCH_FOR_DOMAIN_KEY: 2,
    Opcode.SIGN_AUDIT_CHECKPOINT: 1,
    Opcode.KNOW_AUDIT_CHECKPOINT: 2,
}


class MalformedFrame(Exception):
    """The bytes are no frame; the channel they came on cannot be trusted any further."""


def render_fields(*fields: bytes) -> bytes:
    """The body of a frame with up to 9 fields. Raises ValueError when it does not fit a frame."""
    count = len(fields)
    try:
        if count == 4:  # the hot road
            one, two, three, four = fields
            lengths = _LENGTHS_OF_4.pack(len(one), len(two), len(three), len(four))
            body = b"".join((lengths, one, two, three, four))
        else:
            body = b"".join((_LENGTHS[count].pack(*map(len, fields)), *fields))
    except struct.error:
        raise ValueError("field too long") from None
    if len(body) > BODY_BYTES_MAX:
        raise ValueError("frame too long")
    return body


def parse_fields(body: bytes, count: int) -> list[bytes]:
    """The fields of a body, which they fill exactly. Raises MalformedFrame."""
    lengths_of = _LENGTHS[count]
    if len(body) < lengths_of.size:
        raise MalformedFrame
    fields: list[bytes] = []
    position = lengths_of.size
    for length in lengths_of.unpack_from(body):
        end = position + length
        fields.append(body[position:end])
        position = end
    if position != len(body):
        raise MalformedFrame
    return fields


def parse_four_fields(body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """`parse_fields(body, 4)`, unrolled for the hot road."""
    try:
        first, second, third, fourth = _LENGTHS_OF_4.unpack_from(body)
    except struct.error:
        raise MalformedFrame from None
    end_of_first = 8 + first
    end_of_second = end_of_first + second
    end_of_third = end_of_second + third
    if end_of_third + fourth != len(body):
        raise MalformedFrame
    return (
        body[8:end_of_first],
        body[end_of_first:end_of_second],
        body[end_of_second:end_of_third],
        body[end_of_third:],
    )


def render_frame(call_id: int, code: int, body: bytes) -> bytes:
    """One whole frame."""
    return HEAD.pack(LENGTH_COUNTS + len(body), call_id, code) + body


def render_instant(epoch_microseconds: int) -> bytes:
    """An instant as a field of 8 bytes. Raises ValueError."""
    try:
        return _INSTANT.pack(epoch_microseconds)
    except struct.error:
        raise ValueError("instant out of range") from None


def parse_instant(field: bytes) -> int:
    """The epoch microseconds in a field. Raises MalformedFrame."""
    try:
        (epoch_microseconds,) = _INSTANT.unpack(field)
    except struct.error:
        raise MalformedFrame from None
    return int(epoch_microseconds)


def render_count(count: int) -> bytes:
    """A number that may grow for ever, as a field of 8 bytes. Raises ValueError."""
    return render_instant(count)


def parse_count(field: bytes) -> int:
    """The count in a field. Raises MalformedFrame."""
    return parse_instant(field)


def render_number(number: int) -> bytes:
    """A number from 0 to 65535 as a field. Raises ValueError."""
    try:
        return _NUMBER.pack(number)
    except struct.error:
        raise ValueError("number out of range") from None


def parse_number(field: bytes) -> int:
    """The number in a field. Raises MalformedFrame."""
    try:
        (number,) = _NUMBER.unpack(field)
    except struct.error:
        raise MalformedFrame from None
    return int(number)
