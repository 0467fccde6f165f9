"""What a signature is made over: the digest of a raw message, or the digest that the caller brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes

from strongroom.boundary.interface import BoundaryRefused

MESSAGE_BYTES_MAX: Final = 4096
RAW: Final = "RAW"
DIGEST: Final = "DIGEST"
EXTERNAL_MU: Final = "EXTERNAL_MU"

HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "SHA_1": hashes.SHA1(),  # noqa: S303  (RSAES_OAEP_SHA_1 only: no signing algorithm names it)
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}


def require_raw(message: bytes) -> None:
    """Raises BoundaryRefused for a message that is too long to come here whole."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise BoundaryRefused


def digest_of(message: bytes, message_type: str, algorithm: hashes.HashAlgorithm) -> bytes:
    """The digest to sign. Raises BoundaryRefused for a digest of another length or another message type."""
    if message_type == RAW:
        require_raw(message)
        digest = hashes.Hash(algorithm)
        digest.update(message)
        return digest.finalize()
    if message_type != DIGEST or len(message) != algorithm.digest_size:
        raise BoundaryRefused
    return message
