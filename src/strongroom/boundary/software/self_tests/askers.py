"""How an example of each kind is asked: through the same classes that serve callers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)

from strongroom.boundary.backing_keys import (
    AgreementKey,
    AsymmetricEncryptionKey,
    BackingKey,
    EncapsulationKey,
    MacKey,
    SigningKey,
)
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software.families import (
    ENCAPSULATE_DECAPSULATE,
    ENCRYPT_DECRYPT,
    FAMILIES,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
)
from strongroom.boundary.software.key_wrapping import NO_MATERIAL
from strongroom.boundary.software.private_keys import render_private_key
from strongroom.boundary.software.self_tests.known_answer import KnownAnswer

K = TypeVar("K", bound=BackingKey)
_PUBLIC_EXPONENT: Final = 65537


def published_header(
    key_spec: str, key_usage: str, material_id: bytes = NO_MATERIAL, key_id: str = ""
) -> TokenHeader:
    """The header of a backing key that nobody has."""
    return TokenHeader(TokenKind.BACKING_KEY, b"", material_id, "", "", key_id, key_spec, key_usage)


def published_key(kind: type[K], key_spec: str, key_usage: str, material: bytes) -> K:
    """The key of published material. Raises ValueError."""
    key = _load(key_spec, key_usage, material)
    if not isinstance(key, kind):
        raise ValueError("a key of another kind")
    return key


@cache
def _load(key_spec: str, key_usage: str, material: bytes) -> BackingKey:
    return FAMILIES[key_spec, key_usage].load(published_header(key_spec, key_usage), material)


def forget_published_keys() -> None:
    """Give back the memory of keys that are of no use any more."""
    _load.cache_clear()
    rsa_material.cache_clear()


@cache
def rsa_material(factors: bytes) -> bytes:
    """The private key of two factors, in the form of key material."""
    half = len(factors) // 2
    p, q = int.from_bytes(factors[:half], "big"), int.from_bytes(factors[half:], "big")
    d = pow(_PUBLIC_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = RSAPrivateNumbers(
        p,
        q,
        d,
        rsa_crt_dmp1(d, p),
        rsa_crt_dmq1(d, q),
        rsa_crt_iqmp(p, q),
        RSAPublicNumbers(_PUBLIC_EXPONENT, p * q),
    )
    return render_private_key(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def signs(
    key_spec: str,
    algorithm: str,
    source: str,
    material: Callable[[], bytes],
    message: bytes,
    answer: bytes,
    *,
    message_type: str = "RAW",
    is_deterministic: bool = False,
) -> KnownAnswer:
    """The published signature is taken, and so is a new one; a deterministic one is made again."""

    def key() -> SigningKey:
        return published_key(SigningKey, key_spec, SIGN_VERIFY, material())

    def accept(signature: bytes) -> None:
        loaded = key()
        loaded.verify(message, message_type, algorithm, signature)
        if not is_deterministic:
            made = loaded.sign(message, message_type, algorithm)
            loaded.verify(message, message_type, algorithm, made)

    return KnownAnswer(
        algorithm,
        source,
        answer,
        compute=(lambda: key().sign(message, message_type, algorithm)) if is_deterministic else None,
        accept=accept,
        covers=(key_spec, SIGN_VERIFY),
    )


def decrypts(
    key_spec: str,
    algorithm: str,
    source: str,
    material: Callable[[], bytes],
    ciphertext: bytes,
    answer: bytes,
) -> KnownAnswer:
    """The published ciphertext opens; of the shortest keys, a new one of the same plaintext opens as well."""

    def compute() -> bytes:
        key = published_key(AsymmetricEncryptionKey, key_spec, ENCRYPT_DECRYPT, material())
        plaintext = key.decrypt_asymmetric(ciphertext, algorithm)
        if key_spec != "RSA_2048":
            return plaintext
        return key.decrypt_asymmetric(key.encrypt_asymmetric(plaintext, algorithm), algorithm)

    return KnownAnswer(algorithm, source, answer, compute=compute, covers=(key_spec, ENCRYPT_DECRYPT))


def makes_macs(key_spec: str, answer: str) -> KnownAnswer:
    """RFC 4231's first key has 20 bytes; filled with zeros to the hash's block, it is the same HMAC key."""
    block_bytes = 64 if key_spec in ("HMAC_224", "HMAC_256") else 128
    material = (b"\x0b" * 20).ljust(block_bytes, b"\0")

    def key() -> MacKey:
        return published_key(MacKey, key_spec, GENERATE_VERIFY_MAC, material)

    return KnownAnswer(
        key_spec.replace("HMAC", "HMAC_SHA"),
        "RFC 4231, 4.2",
        bytes.fromhex(answer),
        compute=lambda: key().generate_mac(b"Hi There"),
        accept=lambda mac: key().verify_mac(b"Hi There", mac),
        covers=(key_spec, GENERATE_VERIFY_MAC),
    )


def agrees(key_spec: str, source: str, material: bytes, peer: bytes, answer: bytes) -> KnownAnswer:
    """The shared secret with the published public key."""
    return KnownAnswer(
        "ECDH",
        source,
        answer,
        compute=lambda: published_key(AgreementKey, key_spec, KEY_AGREEMENT, material).derive_shared_secret(
            peer
        ),
        covers=(key_spec, KEY_AGREEMENT),
    )


def decapsulates(
    key_spec: str, material: Callable[[], bytes], ciphertext: bytes, answer: bytes
) -> KnownAnswer:
    """The published ciphertext gives its shared secret, and a new one the secret that it was made with."""

    def compute() -> bytes:
        key = published_key(EncapsulationKey, key_spec, ENCAPSULATE_DECAPSULATE, material())
        made, encapsulated = key.encapsulate()
        return key.decapsulate(ciphertext) if key.decapsulate(encapsulated) == made else b""

    source = f"kat_{key_spec.replace('ML_KEM', 'MLKEM')}.rsp"
    return KnownAnswer(key_spec, source, answer, compute=compute, covers=(key_spec, ENCAPSULATE_DECAPSULATE))
