"""ML_KEM_512, ML_KEM_768, ML_KEM_1024 (FIPS 203): encapsulate and decapsulate shared secrets.

Key material is PKCS #8 as RFC 9935 has it: of ML_KEM_768 and ML_KEM_1024 the 64-byte seed, of ML_KEM_512 the
expanded key, since `cryptography` has no ML-KEM-512 and `pqcrypto`, which has, takes no seed. Public keys are
SubjectPublicKeyInfo with NIST's object identifier. A wrong ciphertext of the right length gives a
pseudo-random secret: both libraries reject implicitly, as FIPS 203 demands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from pqcrypto.kem import ml_kem_512

from strongroom.boundary.backing_keys import EncapsulationKey
from strongroom.boundary.interface import CiphertextRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.private_keys import (
    load_private_key,
    parse_private_key,
    render_private_key,
    render_public_key,
)

MlKemPrivateKey: TypeAlias = MLKEM768PrivateKey | MLKEM1024PrivateKey
MlKemPublicKey: TypeAlias = MLKEM768PublicKey | MLKEM1024PublicKey

EXPANDED_KEY_SPEC: Final = "ML_KEM_512"
PRIVATE_KEYS: Final[Mapping[str, type[MlKemPrivateKey]]] = {
    "ML_KEM_768": MLKEM768PrivateKey,
    "ML_KEM_1024": MLKEM1024PrivateKey,
}
"""By key spec: those whose material is the seed."""

_Q: Final = 3329
_ALGORITHM_512: Final = bytes.fromhex("300b0609608648016503040401")  # id-alg-ml-kem-512, no parameters
_PRIVATE_START_512: Final = (
    bytes.fromhex("30820678020100") + _ALGORITHM_512 + bytes.fromhex("0482066404820660")
)
_PUBLIC_START_512: Final = bytes.fromhex("30820332") + _ALGORITHM_512 + bytes.fromhex("0382032100")
_EXPANDED_BYTES: Final = 1632
_VECTOR_BYTES: Final = 768
"""Of the secret vector, and of the public one: 512 coefficients of 12 bits."""
_HASH_AT: Final = 2 * _VECTOR_BYTES + 32
_HASH_BYTES: Final = 32
_CIPHERTEXT_BYTES_512: Final = 768


def generate_material(key_spec: str) -> bytes:
    """A new key pair of ML_KEM_768 or ML_KEM_1024: its seed in PKCS #8."""
    return render_private_key(PRIVATE_KEYS[key_spec].generate())


def take_in_material(key_spec: str, material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere with its seed. Raises ValueError."""
    return render_private_key(parse_private_key(PRIVATE_KEYS[key_spec], material))


def generate_expanded_material() -> bytes:
    """A new key pair of ML_KEM_512: its expanded private key in PKCS #8."""
    expanded: bytes = ml_kem_512.keygen()[1]
    return render_expanded(expanded)


def render_expanded(expanded: bytes) -> bytes:
    """An expanded private key of ML_KEM_512 in PKCS #8."""
    return _PRIVATE_START_512 + expanded


class MlKemKey(EncapsulationKey):
    """A key pair of ML_KEM_768 or ML_KEM_1024. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key: MlKemPrivateKey = load_private_key(PRIVATE_KEYS[header.key_spec], material)
        self._public_key: MlKemPublicKey = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<MlKemKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def encapsulate(self) -> tuple[bytes, bytes]:
        return self._public_key.encapsulate()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        try:
            return self._private_key.decapsulate(ciphertext)
        except ValueError:  # the length: nothing else can be wrong with a ciphertext
            raise CiphertextRefused from None


class ExpandedMlKemKey(EncapsulationKey):
    """A key pair of ML_KEM_512.

    Secrets: the expanded private key is kept, for the library takes it with each call; no repr shows it.
    """

    __slots__ = ("_expanded", "_public", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        expanded = material.removeprefix(_PRIVATE_START_512)
        if not material.startswith(_PRIVATE_START_512) or len(expanded) != _EXPANDED_BYTES:
            raise ValueError("not a private key")
        require_consistent(expanded)
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._expanded = expanded
        self._public = expanded[_VECTOR_BYTES:_HASH_AT]

    def __repr__(self) -> str:
        return f"<ExpandedMlKemKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return _PUBLIC_START_512 + self._public

    def encapsulate(self) -> tuple[bytes, bytes]:
        ciphertext, shared_secret = ml_kem_512.encaps(self._public)
        return shared_secret, ciphertext

    def decapsulate(self, ciphertext: bytes) -> bytes:
        if len(ciphertext) != _CIPHERTEXT_BYTES_512:
            raise CiphertextRefused
        shared_secret: bytes = ml_kem_512.decaps(self._expanded, ciphertext)
        return shared_secret


def require_consistent(expanded: bytes) -> None:
    """What must hold of an expanded key that was not made from a seed here. Raises ValueError.

    Source: FIPS 203, 7.2 (coefficients below q), 7.3 (hash of the public key); SP 800-227 (pair-wise
    consistency).
    """
    vectors = expanded[: 2 * _VECTOR_BYTES]
    reduced = [
        (low | (middle & 15) << 8) < _Q and (middle >> 4 | high << 4) < _Q
        for low, middle, high in zip(vectors[::3], vectors[1::3], vectors[2::3], strict=True)
    ]
    public = expanded[_VECTOR_BYTES:_HASH_AT]
    if not all(reduced) or hashlib.sha3_256(public).digest() != expanded[_HASH_AT : _HASH_AT + _HASH_BYTES]:
        raise ValueError("not an expanded key")
    ciphertext, shared_secret = ml_kem_512.encaps(public)
    if ml_kem_512.decaps(expanded, ciphertext) != shared_secret:
        raise ValueError("not a key pair")
