"""SP 800-108r1 key derivation in counter mode with HMAC-SHA-256, the only derivation in the hierarchy.

K = HMAC(key, [1] || label || 00 || context || [256]); counter and length as 32 bits, one block, 32 bytes.
Each use has its own label (key_hierarchy.LABEL_...), so keys for one use never serve another.

Source: NIST SP 800-108r1, section 4.1.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from strongroom.boundary.ciphertext_format import render_key_id
from strongroom.boundary.key_hierarchy import LABEL_MATERIAL_ID

DERIVED_KEY_BYTES: Final = 32
COUNTER: Final = b"\x00\x00\x00\x01"
LENGTH: Final = b"\x00\x00\x01\x00"


def start_derivation(key: bytes, label: bytes, context_start: bytes = b"") -> HMAC:
    """A keyed HMAC that has seen all that stays the same; copy it, then `finish_derivation` the copy.

    Secrets: the object can derive but does not give `key` back; copying it spares the key schedule.
    """
    keyed = HMAC(key, SHA256())
    keyed.update(COUNTER + label + b"\x00" + context_start)
    return keyed


def finish_derivation(started: HMAC, context_end: bytes) -> bytes:
    """32 derived bytes for the rest of the context; `started` stays usable."""
    keyed = started.copy()
    keyed.update(context_end + LENGTH)
    return keyed.finalize()


def derive_key(key: bytes, label: bytes, context: bytes) -> bytes:
    """32 derived bytes in one go."""
    return finish_derivation(start_derivation(key, label), context)


def material_id_of(material: bytes, key_id: str) -> bytes:
    """The 32 bytes that name a key material of a KMS key: the same again when it is imported again.

    Secrets: derived under the material itself, so it gives nothing about it away.
    """
    return derive_key(material, LABEL_MATERIAL_ID, render_key_id(key_id))
