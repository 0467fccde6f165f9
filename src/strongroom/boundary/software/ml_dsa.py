"""ML_DSA_44, ML_DSA_65, ML_DSA_87 (FIPS 204): over raw messages, or over a message representative mu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa

from strongroom.boundary.backing_keys import SigningKey
from strongroom.boundary.interface import BoundaryRefused, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.digests import EXTERNAL_MU, RAW, require_raw
from strongroom.boundary.software.private_keys import (
    load_private_key,
    parse_private_key,
    render_private_key,
    render_public_key,
)

ALGORITHM: Final = "ML_DSA_SHAKE_256"
MU_BYTES: Final = 64

MlDsaPrivateKey: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MlDsaPublicKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

PRIVATE_KEYS: Final[Mapping[str, type[MlDsaPrivateKey]]] = {
    "ML_DSA_44": mldsa.MLDSA44PrivateKey,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey,
}
"""By key spec."""
PUBLIC_KEYS: Final[Mapping[str, type[MlDsaPublicKey]]] = {
    "ML_DSA_44": mldsa.MLDSA44PublicKey,
    "ML_DSA_65": mldsa.MLDSA65PublicKey,
    "ML_DSA_87": mldsa.MLDSA87PublicKey,
}
"""By key spec."""


def generate_material(key_spec: str) -> bytes:
    """A new key pair, kept as its 32-byte seed in PKCS #8 (RFC 9881)."""
    return render_private_key(PRIVATE_KEYS[key_spec].generate())


def take_in_material(key_spec: str, material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere with its seed. Raises ValueError."""
    return render_private_key(parse_private_key(PRIVATE_KEYS[key_spec], material))


def verify(key: MlDsaPublicKey, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
    """Raises SignatureRefused, BoundaryRefused."""
    is_mu = _is_mu(message, message_type, algorithm)
    try:
        if is_mu:
            key.verify_mu(signature, message)
        else:
            key.verify(signature, message)
    except InvalidSignature:
        raise SignatureRefused from None


def _is_mu(message: bytes, message_type: str, algorithm: str) -> bool:
    """Whether the message is a representative mu and not raw. Raises BoundaryRefused when it is neither."""
    if algorithm == ALGORITHM:
        if message_type == RAW:
            require_raw(message)
            return False
        if message_type == EXTERNAL_MU and len(message) == MU_BYTES:
            return True
    raise BoundaryRefused


class MlDsaSigningKey(SigningKey):
    """A key pair for ML-DSA. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key: MlDsaPrivateKey = load_private_key(PRIVATE_KEYS[header.key_spec], material)
        self._public_key: MlDsaPublicKey = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<MlDsaSigningKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        if _is_mu(message, message_type, algorithm):
            return self._private_key.sign_mu(message)
        return self._private_key.sign(message)

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        verify(self._public_key, message, message_type, algorithm, signature)
