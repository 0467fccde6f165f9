"""HMAC_224, HMAC_256, HMAC_384, HMAC_512: make and verify MACs. The spec says the hash.

Source: FIPS 198-1. Developer Guide, "HMAC keys": a key that KMS makes is as long as its hash's output;
"Requirements for imported key material": an imported one is at least that long, and at most 1024 bits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from strongroom.boundary.backing_keys import MacKey
from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader

HASHES: Final[Mapping[str, HashAlgorithm]] = {
    "HMAC_224": SHA224(),
    "HMAC_256": SHA256(),
    "HMAC_384": SHA384(),
    "HMAC_512": SHA512(),
}
"""By key spec. A MAC, and a key that is made here, are as long as the hash: 28, 32, 48 or 64 bytes."""
KEY_BYTES_MAX: Final = 128
MESSAGE_BYTES_MAX: Final = 4096


def generate_material(key_spec: str) -> bytes:
    """A new key."""
    return os.urandom(HASHES[key_spec].digest_size)


class HmacKey(MacKey):
    """An HMAC key, able to make and verify MACs but not to be read.

    Secrets: only a keyed HMAC is kept, copied for each message; no attribute or repr shows the key.
    """

    __slots__ = ("_keyed", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        algorithm = HASHES[header.key_spec]
        if not algorithm.digest_size <= len(material) <= KEY_BYTES_MAX:
            raise ValueError("HMAC key length")
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._keyed = HMAC(material, algorithm)

    def __repr__(self) -> str:
        return f"<HmacKey of {self.key_id.decode('ascii')}>"

    def generate_mac(self, message: bytes) -> bytes:
        if len(message) > MESSAGE_BYTES_MAX:
            raise BoundaryRefused
        keyed = self._keyed.copy()
        keyed.update(message)
        return keyed.finalize()

    def verify_mac(self, message: bytes, mac: bytes) -> None:
        if not bytes_eq(self.generate_mac(message), mac):
            raise SignatureRefused
