"""The key hierarchy worked out from outside, from the published formats alone (docs/formats).

Nothing of the server is imported: this is what somebody with the key file, the data directory and the
documentation can do, and so what a scan has to look for. unwrap_seal.py opens the seal above it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import sqlite3
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key
from tests.secrets.unwrap_seal import derive, open_seal

PART_BYTES = 64
"""Of a long number: a half of any of the two ends would already give an RSA key away."""
SM2_CURVE = bytes.fromhex("2a811ccf5501822d")
SM2_SCALAR = slice(36, 68)
"""In PKCS #8 (docs/formats/exported-key-token.md)."""


def open_token(token: bytes, wrapping_key: bytes) -> bytes:
    """What an exported key token holds (docs/formats/exported-key-token.md)."""
    texts = {1: 5, 2: 6}[token[0]]
    header_bytes = 50 + texts + sum(token[50 : 50 + texts])
    iv, wrapped = token[header_bytes : header_bytes + 12], token[header_bytes + 12 :]
    return AESGCM(wrapping_key).decrypt(iv, wrapped, token[:header_bytes])


def wrapping_prime_of(import_token: bytes, hierarchy: dict[str, bytes], region: str) -> bytes:
    """64 bytes of a prime of the private wrapping key in an import token: half of it gives it all away."""
    secret = open_token(import_token, hierarchy[f"domain key of {region}"])
    key = load_der_private_key(secret[8:], None)
    assert isinstance(key, rsa.RSAPrivateKey)
    prime = key.private_numbers().p
    return prime.to_bytes((prime.bit_length() + 7) // 8, "big")[:64]


def message_key_of(blob: bytes, backing_key: bytes) -> bytes:
    """The key of one ciphertext (docs/formats/ciphertext.md)."""
    return derive(backing_key, b"strongroom message key", blob[3:20] + blob[52:68])


def signing_key_of(secret: bytes, date: str, region: str, service: str) -> bytes:
    """AWS's key of one day, Region and service."""
    key = b"AWS4" + secret
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


def open_data_directory(data_dir: Path, key_file: bytes) -> dict[str, bytes]:
    """Every key under the seal, by a name that says what it is."""
    slot_key, root_key = open_seal((data_dir / "seal.record").read_bytes(), key_file)
    secrets = {"seal slot key": slot_key, "root key": root_key}
    for half in ("authenticate", "encrypt"):  # docs/formats/ticket.md
        secrets[f"ticket key, to {half}"] = derive(root_key, b"strongroom ticket", half.encode())
    domain_keys: dict[bytes, bytes] = {}
    with contextlib.closing(sqlite3.connect(data_dir / "strongroom.db")) as database:
        for region, domain_key_id, token in database.execute(
            "SELECT region, domain_key_id, token FROM domain_keys"
        ):
            domain_keys[domain_key_id] = secrets[f"domain key of {region}"] = open_token(token, root_key)
        for key_id, position, token in database.execute(
            "SELECT key_id, position, exported_token FROM key_materials WHERE exported_token IS NOT NULL"
        ):
            name = f"backing key of {key_id}" if position == 0 else f"rotated backing key of {key_id}"
            secrets[name] = open_token(token, domain_keys[token[2:18]])
        for access_key_id, token in database.execute("SELECT access_key_id, secret_token FROM access_keys"):
            secrets[f"secret access key of {access_key_id}"] = open_token(token, domain_keys[token[2:18]])
    return secrets


def private_numbers_of(hierarchy: dict[str, bytes], key_ids: list[str]) -> dict[str, bytes]:
    """What is secret of each key pair, as it is written and as OpenSSL keeps numbers: low bytes first."""
    secrets = {}
    for key_id in key_ids:
        material = hierarchy[f"backing key of {key_id}"]
        if SM2_CURVE in material:  # not a curve of `cryptography`
            secrets[f"private scalar of {key_id}"] = material[SM2_SCALAR]
            secrets[f"private scalar, low bytes first, of {key_id}"] = material[SM2_SCALAR][::-1]
            continue
        key = load_der_private_key(material, None)
        if isinstance(key, RSAPrivateKey):
            numbers = key.private_numbers()
            parts = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
        elif isinstance(key, EllipticCurvePrivateKey):
            parts = {"scalar": key.private_numbers().private_value}
        else:
            secrets[f"private seed of {key_id}"] = key.private_bytes_raw()  # type: ignore[union-attr]
            continue
        for name, number in parts.items():
            written = number.to_bytes((number.bit_length() + 7) // 8, "big")
            secrets[f"private {name} of {key_id}"] = written[:PART_BYTES]
            secrets[f"private {name}, low bytes first, of {key_id}"] = written[::-1][:PART_BYTES]
    return secrets
