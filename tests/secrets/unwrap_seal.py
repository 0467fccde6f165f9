"""The seal opened from outside in every way, from its published format alone (docs/formats/seal.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

KEY_FILE, PASSPHRASE, SHARES = 1, 2, 3
LABELS: Final = {
    KEY_FILE: b"strongroom key file slot",
    PASSPHRASE: b"strongroom passphrase slot",
    SHARES: b"strongroom shamir slot",
}
SALT_BYTES: Final = 16
ONE, LENGTH = b"\x00\x00\x00\x01", b"\x00\x00\x01\x00"


def derive(key: bytes, label: bytes, context: bytes) -> bytes:
    """SP 800-108 in counter mode, one block."""
    return hmac.digest(key, ONE + label + b"\x00" + context + LENGTH, hashlib.sha256)


class Slot(NamedTuple):
    """One way to open the seal."""

    kind: int
    check: bytes
    parameters: bytes
    wrapped: bytes


def slots_of(record: bytes) -> list[Slot]:
    magic, version, count = struct.unpack_from(">6sBB", record)
    assert (magic, version) == (b"SRSEAL", 1)
    slots, at = [], 8
    for _ in range(count):
        kind, p, w, check = struct.unpack_from(">BHH16s", record, at)
        at += 21
        slots.append(Slot(kind, check, record[at : at + p], record[at + p : at + p + w]))
        at += p + w
    assert at == len(record)
    return slots


def slot_of(record: bytes, kind: int) -> Slot:
    (slot,) = [slot for slot in slots_of(record) if slot.kind == kind]
    return slot


def open_slot(slot: Slot, slot_key: bytes) -> tuple[bytes, bytes]:
    """The slot's wrapping key and the root key."""
    wrapping_key = derive(slot_key, LABELS[slot.kind], slot.parameters[:SALT_BYTES])
    aad = b"SRSEAL\x01\x00" + struct.pack(">BHH16s", slot.kind, len(slot.parameters), 0, slot.check)
    root_key = AESGCM(wrapping_key).decrypt(slot.wrapped[:12], slot.wrapped[12:], aad + slot.parameters)
    assert derive(root_key, b"strongroom root key id", b"")[:16] == slot.check
    return wrapping_key, root_key


def open_seal(record: bytes, key_file: bytes) -> tuple[bytes, bytes]:
    """The wrapping key of the key file's slot, and the root key."""
    return open_slot(slot_of(record, KEY_FILE), key_file)


def secrets_of_passphrase(record: bytes, passphrase: str) -> dict[str, bytes]:
    """The passphrase and all that it comes to, down to the root key."""
    slot = slot_of(record, PASSPHRASE)
    salt = slot.parameters[:SALT_BYTES]
    memory, passes, lanes = struct.unpack(">IBB", slot.parameters[SALT_BYTES:])
    slot_key = Argon2id(
        salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory
    ).derive(passphrase.encode())  # fmt: skip
    wrapping_key, root_key = open_slot(slot, slot_key)
    return {
        "passphrase": passphrase.encode(),
        "passphrase slot key": slot_key,
        "passphrase wrapping key": wrapping_key,
        "root key": root_key,
    }


def secrets_of_shares(record: bytes, texts: Sequence[str]) -> dict[str, bytes]:
    """Every share, as it is written down and as bytes, and the key that any two of them come to."""
    secrets: dict[str, bytes] = {}
    points: dict[int, bytes] = {}
    for text in texts:
        plain = text.replace("-", "")
        share = base64.b32decode(plain)
        number, needed, point = share[7], share[8], share[9:41]
        assert needed == 2
        points[number] = point
        secrets |= {
            f"share {number} as shown": text.encode(),
            f"share {number} without groups": plain.encode(),
            f"share {number}": point,
        }
    slot_key = _join(*sorted(points.items())[:2])
    wrapping_key, _ = open_slot(slot_of(record, SHARES), slot_key)
    return secrets | {"shares slot key": slot_key, "shares wrapping key": wrapping_key}


def _join(one: tuple[int, bytes], other: tuple[int, bytes]) -> bytes:
    """The value at 0 of the line through two points, byte by byte, over GF(256)."""
    (x1, first), (x2, second) = one, other
    difference = _inverse(x1 ^ x2)
    weight1, weight2 = _times(x2, difference), _times(x1, difference)
    return bytes(_times(weight1, a) ^ _times(weight2, b) for a, b in zip(first, second, strict=True))


def _times(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        left = (left << 1) ^ (0x11B if left & 0x80 else 0)
        right >>= 1
    return product


def _inverse(value: int) -> int:
    (found,) = [other for other in range(256) if _times(value, other) == 1]
    return found
