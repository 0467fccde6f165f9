"""Imported key material: wrapping key pairs, import tokens, and unwrapping what a caller wrapped.

The boundary keeps nothing of an import: the private wrapping key travels in the import token, under the
Region's domain key, with the instant at which it ends. Tables: docs/formats/exported-key-token.md.

Source: KMS Developer Guide, "Select a wrapping algorithm", "Requirements for imported key material";
RFC 8017 section 7.1 (RSAES-OAEP), RFC 5649 (AES key wrap with padding). SM2 wrapping keys, which wrap by
SM2PKE, are there where SM2 is (families.py).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from strongroom.boundary.backing_keys import AsymmetricEncryptionKey
from strongroom.boundary.interface import (
    BoundaryRefused,
    CiphertextRefused,
    ImportBinding,
    KeyBinding,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import (
    Token,
    TokenHeader,
    TokenKind,
    require_account_id,
    require_region,
)
from strongroom.boundary.software.families import ENCRYPT_DECRYPT, FAMILIES, Family
from strongroom.boundary.software.key_wrapping import NO_MATERIAL, require_token
from strongroom.boundary.software.pair_consistency import Inconsistent, failed, require_consistent
from strongroom.boundary.software.private_keys import parse_private_key, render_public_key

WRAPPING_KEY_SPECS: Final = frozenset({"RSA_2048", "RSA_3072", "RSA_4096"})
MATERIAL_BYTES_MAX: Final = 2600
"""An RSA-4096 private key in PKCS #8 takes about 2,400. What is longer is not parsed: checking a longer
modulus would keep the boundary busy."""
RAW_MATERIAL_SPECS: Final = frozenset({"SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"})

_SM2: Final = "SM2"
_SM2PKE: Final = "SM2PKE"
_ENDS_AT: Final = struct.Struct(">Q")
_OAEP_HASHES: Final[dict[str, type[HashAlgorithm]]] = {
    "RSAES_OAEP_SHA_1": SHA1,
    "RSAES_OAEP_SHA_256": SHA256,
    "RSA_AES_KEY_WRAP_SHA_1": SHA1,
    "RSA_AES_KEY_WRAP_SHA_256": SHA256,
}
_TWO_STEP: Final = frozenset({"RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"})
_TAKE_IN: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    key_spec: family.take_in for (key_spec, _), family in FAMILIES.items()
}
_VERSION_0: Final = b"\x02\x01\x00\x30"
"""How PKCS #8 goes on after its outermost length: version 0, then the algorithm. PKCS #1 and SEC 1 do not."""


def generate_wrapping_key(wrapping_key_spec: str) -> bytes:
    """A new private key in DER PKCS #8; takes seconds for the longest RSA key, and works in any thread.

    Raises SelfTestFailed for a pair whose halves do not belong together, which ends the process.
    Secrets: it leaves this process only inside an import token.
    """
    family = _sm2_family() if wrapping_key_spec == _SM2 else FAMILIES[wrapping_key_spec, ENCRYPT_DECRYPT]
    private_key = family.generate()
    nobody = TokenHeader(TokenKind.IMPORT_KEY, b"", NO_MATERIAL, "", "", "", wrapping_key_spec, "")
    try:
        require_consistent(wrapping_key_spec, family.load(nobody, private_key))
    except (ValueError, Inconsistent):
        raise failed(wrapping_key_spec) from None
    return private_key


def public_half(wrapping_key_spec: str, private_key: bytes) -> bytes:
    """The public key of a wrapping key, as DER SubjectPublicKeyInfo."""
    if wrapping_key_spec == _SM2:
        return _load_sm2(private_key).public_key()
    return render_public_key(_load(private_key).public_key())


def _load(private_key: bytes) -> rsa.RSAPrivateKey:
    """A wrapping key of ours: its token was authentic, so its numbers need not be checked again."""
    return parse_private_key(rsa.RSAPrivateKey, private_key, skip_primality=True)


def _sm2_family() -> Family:
    family = FAMILIES.get((_SM2, ENCRYPT_DECRYPT))
    if family is None:
        raise BoundaryRefused
    return family


def _load_sm2(private_key: bytes) -> AsymmetricEncryptionKey:
    nobody = TokenHeader(TokenKind.IMPORT_KEY, b"", NO_MATERIAL, "", "", "", _SM2, _SM2PKE)
    key = _sm2_family().load(nobody, private_key)
    if not isinstance(key, AsymmetricEncryptionKey):
        raise BoundaryRefused
    return key


def import_token_header(binding: ImportBinding) -> TokenHeader:
    """What an import token says in clear and is bound to. Raises BoundaryRefused."""
    is_rsa = binding.wrapping_algorithm in _OAEP_HASHES and binding.wrapping_key_spec in WRAPPING_KEY_SPECS
    if not is_rsa and (binding.wrapping_key_spec, binding.wrapping_algorithm) != (_SM2, _SM2PKE):
        raise BoundaryRefused
    try:
        require_region(binding.region)
        require_account_id(binding.account_id)
    except ValueError:
        raise BoundaryRefused from None
    return TokenHeader(
        TokenKind.IMPORT_KEY,
        b"",
        NO_MATERIAL,
        binding.account_id,
        binding.region,
        binding.key_id,
        binding.wrapping_key_spec,
        binding.wrapping_algorithm,
    )


def require_import_token(import_token: bytes, binding: KeyBinding) -> Token:
    """Take an import token apart; it must be for this KMS key. Raises TokenRefused (INVARIANT B2)."""
    token = require_token(import_token, TokenKind.IMPORT_KEY)
    header = token.header
    if (header.account_id, header.region, header.key_id) != (
        binding.account_id,
        binding.region,
        binding.key_id,
    ):
        raise TokenRefused
    return token


def render_import_secret(ends_at_microseconds: int, private_key: bytes) -> bytes:
    """What an import token wraps: the instant it ends (8 bytes), then the private key in PKCS #8."""
    return _ENDS_AT.pack(ends_at_microseconds) + private_key


def parse_import_secret(secret: bytes) -> tuple[int, bytes]:
    """The instant and the private key of an authentic import token. Raises TokenRefused."""
    if len(secret) <= _ENDS_AT.size:
        raise TokenRefused
    (ends_at,) = _ENDS_AT.unpack_from(secret)
    return int(ends_at), secret[_ENDS_AT.size :]


def unwrap_material(private_key: bytes, wrapping_algorithm: str, encrypted: bytes) -> bytes:
    """The key material that a caller wrapped. Raises CiphertextRefused, always the same.

    Every cause has one answer: a wrong key, hash, padding, AES key, integrity check or length.
    """
    if wrapping_algorithm == _SM2PKE:
        return _load_sm2(private_key).decrypt_asymmetric(encrypted, _SM2PKE)
    oaep_hash = _OAEP_HASHES.get(wrapping_algorithm)
    if oaep_hash is None:
        raise BoundaryRefused
    key = _load(private_key)
    modulus_bytes = key.key_size // 8
    sealed, rest = encrypted[:modulus_bytes], encrypted[modulus_bytes:]
    two_steps = wrapping_algorithm in _TWO_STEP
    if len(sealed) != modulus_bytes or bool(rest) is not two_steps:
        raise CiphertextRefused
    try:
        opened = key.decrypt(sealed, OAEP(MGF1(oaep_hash()), oaep_hash(), None))
        return keywrap.aes_key_unwrap_with_padding(opened, rest) if two_steps else opened
    except (ValueError, keywrap.InvalidUnwrap):
        raise CiphertextRefused from None


def canonical_material(key_spec: str, material: bytes) -> bytes:
    """The one byte form of key material, by its family's `take_in`; works in any thread.

    So the same private key has the same material id however its owner encoded it.
    Raises ValueError for what is no key of that spec.
    """
    if not 0 < len(material) <= MATERIAL_BYTES_MAX:
        raise ValueError("material length")
    if key_spec in RAW_MATERIAL_SPECS:
        return material
    if not key_spec.startswith(("RSA_", "ECC_", _SM2)) or key_spec not in _TAKE_IN:
        raise ValueError("cannot be imported")
    if not _is_pkcs8(material):
        raise ValueError("not PKCS #8")
    return _TAKE_IN[key_spec](material)


def _is_pkcs8(der: bytes) -> bool:
    """Whether a DER sequence goes on as PKCS #8 does, and not as a bare PKCS #1 or SEC 1 key."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    length_bytes = der[1] & 0x7F if der[1] & 0x80 else 0
    start = 2 + length_bytes
    return der[start : start + len(_VERSION_0)] == _VERSION_0
