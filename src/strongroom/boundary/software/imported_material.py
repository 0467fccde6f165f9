"""Imported key material: wrapping key pairs, import tokens, and unwrapping what a caller wrapped.

The boundary keeps nothing of an import: the private wrapping key travels in the import token, under the
Region's domain key, with the instant at which it ends. Tables: docs/formats/exported-key-token.md.

Source: KMS Developer Guide, "Select a wrapping algorithm", "Requirements for imported key material";
RFC 8017 section 7.1 (RSAES-OAEP), RFC 5649 (AES key wrap with padding).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

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
from strongroom.boundary.software.key_wrapping import NO_MATERIAL, require_token

WRAPPING_KEY_BITS: Final = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
PUBLIC_EXPONENT: Final = 65537
MATERIAL_BYTES_MAX: Final = 2600
"""An RSA-4096 private key in PKCS #8 takes about 2,400. What is longer is not parsed: checking a longer
modulus would keep the boundary busy."""
RAW_MATERIAL_SPECS: Final = frozenset({"SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"})

_ENDS_AT: Final = struct.Struct(">Q")
_OAEP_HASHES: Final[dict[str, type[HashAlgorithm]]] = {
    "RSAES_OAEP_SHA_1": SHA1,
    "RSAES_OAEP_SHA_256": SHA256,
    "RSA_AES_KEY_WRAP_SHA_1": SHA1,
    "RSA_AES_KEY_WRAP_SHA_256": SHA256,
}
_TWO_STEP: Final = frozenset({"RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"})
_VERSION_0: Final = b"\x02\x01\x00\x30"
"""How PKCS #8 goes on after its outermost length: version 0, then the algorithm. PKCS #1 and SEC 1 do not."""


@dataclass(frozen=True, slots=True)
class WrappingKeyPair:
    """A new key pair, both halves in DER: PKCS #8 and SubjectPublicKeyInfo.

    Secrets: `private` leaves this process only inside an import token.
    """

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return "<WrappingKeyPair>"


def generate_wrapping_key(wrapping_key_spec: str) -> WrappingKeyPair:
    """A new RSA key pair; takes seconds for the longest. Raises BoundaryRefused."""
    bits = WRAPPING_KEY_BITS.get(wrapping_key_spec)
    if bits is None:
        raise BoundaryRefused
    return _generate(bits)


def _generate(bits: int) -> WrappingKeyPair:
    key = rsa.generate_private_key(PUBLIC_EXPONENT, bits)
    return WrappingKeyPair(
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


def import_token_header(binding: ImportBinding) -> TokenHeader:
    """What an import token says in clear and is bound to. Raises BoundaryRefused."""
    if binding.wrapping_algorithm not in _OAEP_HASHES or binding.wrapping_key_spec not in WRAPPING_KEY_BITS:
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
    oaep_hash = _OAEP_HASHES.get(wrapping_algorithm)
    if oaep_hash is None:
        raise BoundaryRefused
    # The token is authentic, so the key is ours and need not be checked again.
    key = load_der_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BoundaryRefused
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
    """The one byte form of key material: raw bytes, or PKCS #8 in DER as this module writes it.

    So the same private key has the same material id however its owner encoded it.
    Raises ValueError for what is no key of that kind. Whether it is of the spec, its family says.
    """
    if not 0 < len(material) <= MATERIAL_BYTES_MAX:
        raise ValueError("material length")
    if key_spec in RAW_MATERIAL_SPECS:
        return material
    if not key_spec.startswith(("RSA_", "ECC_")):
        raise ValueError("cannot be imported")
    if not _is_pkcs8(material):
        raise ValueError("not PKCS #8")
    try:
        key = load_der_private_key(material, None)
    except (TypeError, UnsupportedAlgorithm):  # encrypted; or of an algorithm or curve that is not known
        raise ValueError("not a private key") from None
    if not isinstance(key, rsa.RSAPrivateKey if key_spec.startswith("RSA_") else ec.EllipticCurvePrivateKey):
        raise ValueError("another kind of key")
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _is_pkcs8(der: bytes) -> bool:
    """Whether a DER sequence goes on as PKCS #8 does, and not as a bare PKCS #1 or SEC 1 key."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    length_bytes = der[1] & 0x7F if der[1] & 0x80 else 0
    start = 2 + length_bytes
    return der[start : start + len(_VERSION_0)] == _VERSION_0


def warm_up() -> None:
    """Use every part once (strongroom.boundary.process.warm_up), with a key too short for anything."""
    wrapping_key = _generate(1024)
    public_key = load_der_private_key(wrapping_key.private, None).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)  # noqa: S101
    for algorithm, oaep_hash in _OAEP_HASHES.items():
        sealed = public_key.encrypt(bytes(32), OAEP(MGF1(oaep_hash()), oaep_hash(), None))
        if algorithm in _TWO_STEP:
            sealed += keywrap.aes_key_wrap_with_padding(bytes(32), wrapping_key.private)
        unwrap_material(wrapping_key.private, algorithm, sealed)
        try:
            unwrap_material(wrapping_key.private, algorithm, bytes(len(sealed)))
        except CiphertextRefused:
            continue
    curve_key = ec.generate_private_key(ec.SECP256R1())
    material = curve_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    canonical_material("ECC_NIST_P256", material)
    canonical_material("RSA_2048", wrapping_key.private)
