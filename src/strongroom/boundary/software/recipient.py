"""Answers for a recipient: CMS EnvelopedData that only the holder of an RSA private key can open.

Written as AWS KMS writes it, in BER: SEQUENCEs of indefinite length down to the content, and the ciphertext
as nested OCTET STRINGs, because readers in use take the structure apart that way (aws-nitro-enclaves-sdk-c,
source/cms.c). Everything below that is DER. Source: RFC 5652, 6; RFC 8017, A.2.1.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from strongroom.boundary.interface import BoundaryRefused

RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 4096
PUBLIC_KEY_BYTES_MAX: Final = 1024
CONTENT_KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16
_KEY_IDENTIFIER_BYTES: Final = 20

_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

_INTEGER, _OCTET_STRING, _NULL, _OBJECT, _SEQUENCE, _SET = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31
_CONTEXT_0, _CONTEXT_0_CONSTRUCTED, _CONTEXT_1_CONSTRUCTED = 0x80, 0xA0, 0xA1

_ENVELOPED_DATA: Final = bytes.fromhex("2a864886f70d010703")
_DATA: Final = bytes.fromhex("2a864886f70d010701")
_RSAES_OAEP: Final = bytes.fromhex("2a864886f70d010107")
_MGF1: Final = bytes.fromhex("2a864886f70d010108")
_SHA256: Final = bytes.fromhex("608648016503040201")
_AES256_CBC: Final = bytes.fromhex("60864801650304012a")


def require_recipient_key(public_key: bytes) -> rsa.RSAPublicKey:
    """The RSA key of a recipient (DER SubjectPublicKeyInfo). Raises BoundaryRefused."""
    if len(public_key) > PUBLIC_KEY_BYTES_MAX:
        raise BoundaryRefused
    try:
        key = load_der_public_key(public_key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BoundaryRefused from None
    if not isinstance(key, rsa.RSAPublicKey) or not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise BoundaryRefused
    return key


def seal_for_recipient(public_key: bytes, plaintext: bytes) -> bytes:
    """`plaintext` as CMS EnvelopedData for an RSA key in DER SubjectPublicKeyInfo. Raises BoundaryRefused."""
    key = require_recipient_key(public_key)
    content_key, iv = os.urandom(CONTENT_KEY_BYTES), os.urandom(_BLOCK_BYTES)
    padder = PKCS7(8 * _BLOCK_BYTES).padder()
    encryptor = Cipher(algorithms.AES256(content_key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()
    # RFC 7093, 2, method 1, over the subjectPublicKey's bits
    identifier = sha256(key.public_bytes(Encoding.DER, PublicFormat.PKCS1)).digest()[:_KEY_IDENTIFIER_BYTES]
    recipient = _element(
        _SEQUENCE,
        _VERSION_2,
        _element(_CONTEXT_0, identifier),
        _KEY_ENCRYPTION,
        _element(_OCTET_STRING, key.encrypt(content_key, _OAEP)),
    )
    encrypted = _open_ended(
        _SEQUENCE,
        _element(_OBJECT, _DATA),
        _element(_SEQUENCE, _element(_OBJECT, _AES256_CBC), _element(_OCTET_STRING, iv)),
        _open_ended(_CONTEXT_0_CONSTRUCTED, _element(_OCTET_STRING, ciphertext)),
    )
    enveloped = _open_ended(_SEQUENCE, _VERSION_2, _element(_SET, recipient), encrypted)
    return _open_ended(
        _SEQUENCE, _element(_OBJECT, _ENVELOPED_DATA), _open_ended(_CONTEXT_0_CONSTRUCTED, enveloped)
    )


def _element(tag: int, *contents: bytes) -> bytes:
    """One element in DER."""
    content = b"".join(contents)
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(octets))) + octets + content


def _open_ended(tag: int, *contents: bytes) -> bytes:
    """One constructed element of indefinite length, in BER."""
    return bytes((tag, 128)) + b"".join(contents) + b"\0\0"


_VERSION_2: Final = _element(_INTEGER, b"\x02")
_HASH: Final = _element(_SEQUENCE, _element(_OBJECT, _SHA256), _element(_NULL))
_KEY_ENCRYPTION: Final = _element(
    _SEQUENCE,
    _element(_OBJECT, _RSAES_OAEP),
    _element(
        _SEQUENCE,
        _element(_CONTEXT_0_CONSTRUCTED, _HASH),
        _element(_CONTEXT_1_CONSTRUCTED, _element(_SEQUENCE, _element(_OBJECT, _MGF1), _HASH)),
    ),
)
"""rsaesOaep with SHA-256, and MGF1 with SHA-256."""
