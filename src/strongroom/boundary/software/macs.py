"""HMAC keys: generate, and compute and verify MACs. The spec says the hash, and how long the key is.

Source: FIPS 198-1; AWS KMS Developer Guide, "HMAC keys in AWS KMS": a key is as long as its hash's output.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from strongroom.boundary.backing_keys import MacKey
from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader

KEY_USAGE: Final = "GENERATE_VERIFY_MAC"
HASHES: Final[Mapping[str, HashAlgorithm]] = {
    "HMAC_224": SHA224(),
    "HMAC_256": SHA256(),
    "HMAC_384": SHA384(),
    "HMAC_512": SHA512(),
}
"""By key spec. A key made here and every MAC have the length of the hash: 28, 32, 48 or 64 bytes."""

KEY_BYTES_MAX: Final = 128
"""Of an imported key. Source: KMS Developer Guide, "Requirements for imported key material"."""


def material_generator(key_spec: str) -> Callable[[], bytes]:
    """What makes the key material of a spec: random bytes."""
    number_of_bytes = HASHES[key_spec].digest_size
    return lambda: os.urandom(number_of_bytes)


class HmacBackingKey(MacKey):
    """An unwrapped HMAC key, able to make and verify MACs but not to be read.

    Secrets: only a keyed HMAC is kept, copied for each message; no attribute or repr shows the key.
    """

    __slots__ = ("_keyed", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        """Raises ValueError for material that is shorter than the spec says, or too long."""
        algorithm = HASHES[header.key_spec]
        if not algorithm.digest_size <= len(material) <= KEY_BYTES_MAX:
            raise ValueError("HMAC key length")
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._keyed = HMAC(material, algorithm)

    def __repr__(self) -> str:
        return f"<HmacBackingKey of {self.key_id.decode('ascii')}>"

    def generate_mac(self, message: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(message)
        return keyed.finalize()

    def verify_mac(self, message: bytes, mac: bytes) -> None:
        if not bytes_eq(self.generate_mac(message), mac):
            raise SignatureRefused
