"""ML-KEM keys (FIPS 203): generate, encapsulate, decapsulate.

Key material is PKCS #8 as RFC 9935 has it: of ML_KEM_768 and ML_KEM_1024 the 64-byte seed, of ML_KEM_512 the
expanded key, since the library that does it takes no seed. Public keys are SubjectPublicKeyInfo with
NIST's object identifier. A wrong ciphertext of the right length gives a pseudo-random secret: both libraries
reject implicitly, as FIPS 203 demands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from pqcrypto.pqcrypto import MlKem512

from strongroom.boundary.backing_keys import EncapsulationKey
from strongroom.boundary.interface import CiphertextRefused
from strongroom.boundary.key_hierarchy import TokenHeader

KEY_USAGE: Final = "ENCAPSULATE_DECAPSULATE"
SEED_KEYS: Final[Mapping[str, type[MLKEM768PrivateKey] | type[MLKEM1024PrivateKey]]] = {
    "ML_KEM_768": MLKEM768PrivateKey,
    "ML_KEM_1024": MLKEM1024PrivateKey,
}
"""By key spec: those whose material is the seed."""

_SeedKey: TypeAlias = MLKEM768PrivateKey | MLKEM1024PrivateKey
_Q: Final = 3329
_ALGORITHM_512 = bytes.fromhex("300b0609608648016503040401")  # id-alg-ml-kem-512, no parameters
_PRIVATE_START_512: Final = (
    bytes.fromhex("30820678020100") + _ALGORITHM_512 + bytes.fromhex("0482066404820660")
)
_PUBLIC_START_512: Final = bytes.fromhex("30820332") + _ALGORITHM_512 + bytes.fromhex("0382032100")
_EXPANDED_BYTES: Final = 1632
_VECTOR_BYTES: Final = 768
"""Of the secret vector, and of the public one: 512 coefficients of 12 bits."""
_PUBLIC_AT: Final = _VECTOR_BYTES
_HASH_AT: Final = _PUBLIC_AT + _VECTOR_BYTES + 32
_HASH_BYTES: Final = 32


def material_generator(key_spec: str) -> Callable[[], bytes]:
    """What makes the key material of ML_KEM_768 and ML_KEM_1024: the seed as DER PKCS #8."""
    key_type = SEED_KEYS[key_spec]
    return lambda: _render_private_key(key_type.generate())


def generate_material_512() -> bytes:
    """New key material of ML_KEM_512: the expanded key as DER PKCS #8."""
    expanded: bytes = MlKem512.keygen()[1]
    return _PRIVATE_START_512 + expanded


def _render_private_key(key: _SeedKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class SeedBackingKey(EncapsulationKey):
    """An unwrapped ML_KEM_768 or ML_KEM_1024 key.

    Secrets: the private key stays in OpenSSL's memory; no attribute or repr shows it.
    """

    __slots__ = ("_key", "_public", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        """Raises ValueError for material that is not the seed of a key of the spec."""
        try:
            key = load_der_private_key(material, None)
        except (TypeError, UnsupportedAlgorithm):
            raise ValueError("private key") from None
        if not isinstance(key, SEED_KEYS[header.key_spec]) or _render_private_key(key) != material:
            raise ValueError("key spec or form")
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._key = key
        self._public = key.public_key()

    def __repr__(self) -> str:
        return f"<SeedBackingKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def encapsulate(self) -> tuple[bytes, bytes]:
        return self._public.encapsulate()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        try:
            return self._key.decapsulate(ciphertext)
        except ValueError:  # the length: nothing else is wrong with a ciphertext
            raise CiphertextRefused from None


class ExpandedBackingKey(EncapsulationKey):
    """An unwrapped ML_KEM_512 key.

    Secrets: the expanded key is kept, for the library takes it with each call; no repr shows it.
    """

    __slots__ = ("_expanded", "_public", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        """Raises ValueError for material that is not a whole and consistent expanded key."""
        expanded = material[len(_PRIVATE_START_512) :]
        if not material.startswith(_PRIVATE_START_512) or len(expanded) != _EXPANDED_BYTES:
            raise ValueError("private key")
        require_consistent(expanded)
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._expanded = expanded
        self._public = expanded[_PUBLIC_AT:_HASH_AT]

    def __repr__(self) -> str:
        return f"<ExpandedBackingKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return _PUBLIC_START_512 + self._public

    def encapsulate(self) -> tuple[bytes, bytes]:
        ciphertext, shared_secret = MlKem512.encaps(self._public)
        return shared_secret, ciphertext

    def decapsulate(self, ciphertext: bytes) -> bytes:
        if len(ciphertext) != MlKem512.CT_LEN:
            raise CiphertextRefused
        shared_secret: bytes = MlKem512.decaps(self._expanded, ciphertext)
        return shared_secret


def require_consistent(expanded: bytes) -> None:
    """The checks of an expanded key that did not come from a seed. Raises ValueError.

    Source: FIPS 203, 7.2 (coefficients below q) and 7.3 (hash); SP 800-227, pair-wise consistency.
    """
    public = expanded[_PUBLIC_AT:_HASH_AT]
    named_hash = expanded[_HASH_AT : _HASH_AT + _HASH_BYTES]
    vectors = expanded[: _PUBLIC_AT + _VECTOR_BYTES]
    reduced = [
        (low | (middle & 15) << 8) < _Q and (middle >> 4 | high << 4) < _Q
        for low, middle, high in zip(vectors[::3], vectors[1::3], vectors[2::3], strict=True)
    ]
    if not all(reduced) or hashlib.sha3_256(public).digest() != named_hash:
        raise ValueError("expanded key")
    ciphertext, shared_secret = MlKem512.encaps(public)
    if MlKem512.decaps(expanded, ciphertext) != shared_secret:
        raise ValueError("key pair")
