"""RSA_2048, RSA_3072, RSA_4096: signatures (PSS, PKCS #1 v1.5) and encryption (OAEP).

Making an RSA key takes from 50 ms to seconds, so it is done beside the loop (boundary/slow_work.py). Signing
and decrypting take up to 4 ms for RSA_4096 and are done in the loop's turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from strongroom.boundary.backing_keys import AsymmetricEncryptionKey, SigningKey
from strongroom.boundary.interface import (
    BoundaryRefused,
    CiphertextRefused,
    PlaintextRefused,
    SignatureRefused,
)
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.digests import HASHES, digest_of
from strongroom.boundary.software.private_keys import (
    load_private_key,
    parse_private_key,
    render_private_key,
    render_public_key,
)

KEY_BITS: Final[Mapping[str, int]] = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
"""By key spec."""
PUBLIC_EXPONENT: Final = 65537

_PSS: Final = "RSASSA_PSS_"
_PKCS1: Final = "RSASSA_PKCS1_V1_5_"
_SIGNING_HASHES: Final = ("SHA_256", "SHA_384", "SHA_512")
_OAEP: Final[Mapping[str, padding.OAEP]] = {
    f"RSAES_OAEP_{name}": padding.OAEP(padding.MGF1(HASHES[name]), HASHES[name], None)
    for name in ("SHA_1", "SHA_256")
}
_SIGNATURES: Final[Mapping[str, tuple[padding.AsymmetricPadding, str]]] = {
    # The salt is as long as the digest: Sign API reference, RSASSA_PSS_*.
    **{
        _PSS + name: (padding.PSS(padding.MGF1(HASHES[name]), HASHES[name].digest_size), name)
        for name in _SIGNING_HASHES
    },
    **{_PKCS1 + name: (padding.PKCS1v15(), name) for name in _SIGNING_HASHES},
}


def generate_material(key_spec: str) -> bytes:
    """A new key pair of the spec's modulus. Concurrency: any thread; the interpreter runs on meanwhile."""
    return render_private_key(rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS[key_spec]))


def take_in_material(key_spec: str, material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere, its primes tested.

    Takes 50 to 200 ms. Raises ValueError.
    """
    key = parse_private_key(rsa.RSAPrivateKey, material)
    _require_whole(key_spec, key)
    return render_private_key(key)


def load_rsa_key(key_spec: str, material: bytes) -> rsa.RSAPrivateKey:
    """The private key in kept material. Raises ValueError unless all its numbers belong together.

    Only whether its factors are primes is not asked again: that is for `take_in_material`.
    """
    key = load_private_key(rsa.RSAPrivateKey, material)
    _require_whole(key_spec, key)
    return key


def _require_whole(key_spec: str, key: rsa.RSAPrivateKey) -> None:
    """Raises ValueError unless the modulus is the spec's and every number follows from the factors.

    With a wrong CRT value a single signature gives the factors away (FIPS 186-5, A.1).
    """
    bits = KEY_BITS[key_spec]
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    if (
        key.key_size != bits
        or e != PUBLIC_EXPONENT
        or p * q != numbers.public_numbers.n
        or p == q
        or {p.bit_length(), q.bit_length()} != {bits // 2}
        or e * numbers.dmp1 % (p - 1) != 1
        or e * numbers.dmq1 % (q - 1) != 1
        or not 0 < numbers.dmp1 < p
        or not 0 < numbers.dmq1 < q
        or q * numbers.iqmp % p != 1
        or not 0 < numbers.iqmp < p
        or d.bit_length() <= bits // 2
        or d >= numbers.public_numbers.n
        or d % (p - 1) != numbers.dmp1
        or d % (q - 1) != numbers.dmq1
    ):
        raise ValueError("not a whole RSA key of the spec")


def verify(
    key: rsa.RSAPublicKey, message: bytes, message_type: str, algorithm: str, signature: bytes
) -> None:
    """Raises SignatureRefused, BoundaryRefused."""
    scheme, hash_name = _scheme_for(algorithm)
    digest = digest_of(message, message_type, HASHES[hash_name])
    try:
        key.verify(signature, digest, scheme, Prehashed(HASHES[hash_name]))
    except InvalidSignature:
        raise SignatureRefused from None


def encrypt(key: rsa.RSAPublicKey, plaintext: bytes, algorithm: str) -> bytes:
    """RSAES-OAEP. Raises PlaintextRefused, BoundaryRefused."""
    scheme = _oaep(algorithm)
    try:
        return key.encrypt(plaintext, scheme)
    except ValueError:  # too long for the modulus
        raise PlaintextRefused from None


def _scheme_for(algorithm: str) -> tuple[padding.AsymmetricPadding, str]:
    scheme = _SIGNATURES.get(algorithm)
    if scheme is None:
        raise BoundaryRefused
    return scheme


class RsaSigningKey(SigningKey):
    """A key pair for RSASSA. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key = load_rsa_key(header.key_spec, material)
        self._public_key = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<RsaSigningKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        scheme, hash_name = _scheme_for(algorithm)
        digest = digest_of(message, message_type, HASHES[hash_name])
        return self._private_key.sign(digest, scheme, Prehashed(HASHES[hash_name]))

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        verify(self._public_key, message, message_type, algorithm, signature)


class RsaEncryptionKey(AsymmetricEncryptionKey):
    """A key pair for RSAES-OAEP. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_private_key", "_public_key", "key_id", "region")

    def __init__(self, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._private_key = load_rsa_key(header.key_spec, material)
        self._public_key = self._private_key.public_key()

    def __repr__(self) -> str:
        return f"<RsaEncryptionKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._public_key)

    def encrypt_asymmetric(self, plaintext: bytes, algorithm: str) -> bytes:
        return encrypt(self._public_key, plaintext, algorithm)

    def decrypt_asymmetric(self, ciphertext: bytes, algorithm: str) -> bytes:
        scheme = _oaep(algorithm)
        try:
            return self._private_key.decrypt(ciphertext, scheme)
        except ValueError:
            raise CiphertextRefused from None


def _oaep(algorithm: str) -> padding.OAEP:
    scheme = _OAEP.get(algorithm)
    if scheme is None:
        raise BoundaryRefused
    return scheme
