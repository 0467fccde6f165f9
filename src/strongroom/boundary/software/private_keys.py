"""Key pairs as key material: DER PKCS #8, in the one form that is kept."""

from __future__ import annotations

from typing import Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

K = TypeVar("K")


def render_private_key(key: Any) -> bytes:
    """The PKCS #8 form of a private key. Secrets: this is key material."""
    rendered: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return rendered


def render_public_key(key: Any) -> bytes:
    """DER SubjectPublicKeyInfo."""
    rendered: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return rendered


def parse_private_key(kind: type[K], material: bytes, skip_primality: bool = False) -> K:
    """The private key in PKCS #8 material, in whatever valid encoding. Raises ValueError.

    `skip_primality` leaves out the tests of an RSA key's primes, which take 50 to 200 ms: for material
    that is authentic. Secrets: the error says nothing of the material.
    """
    try:
        key = load_der_private_key(material, None, unsafe_skip_rsa_key_validation=skip_primality)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key") from None
    if not isinstance(key, kind):
        raise ValueError("a private key of another kind")
    return key


def load_private_key(kind: type[K], material: bytes) -> K:
    """The private key in kept material. Raises ValueError unless it is in its one form, to the last byte."""
    key = parse_private_key(kind, material, skip_primality=True)
    if render_private_key(key) != material:
        raise ValueError("not the canonical form")
    return key


def parse_public_key(kind: type[K], public_key: bytes) -> K:
    """The public key in DER SubjectPublicKeyInfo. Raises ValueError."""
    try:
        key = load_der_public_key(public_key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a public key") from None
    if not isinstance(key, kind):
        raise ValueError("a public key of another kind")
    return key
