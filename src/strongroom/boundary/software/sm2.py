"""SM2: signatures (SM2DSA), encryption (SM2PKE) and key agreement, where the system's libcrypto has them.

Source: GB/T 32918-2016 and GB/T 32918.5-2017 (the curve, examples); GM/T 0009-2012 (the default
distinguishing id, ciphertexts in ASN.1); KMS Developer Guide, "SM2 key spec (China Regions only)" and
"Offline verification with SM2 key pairs": a raw message is hashed with SM3 after ZA of the default id, a
digest is taken as that hash. DeriveSharedSecret is plain ECDH, the x coordinate: the API has no member that
the key exchange of GB/T 32918.3 would need.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from strongroom.boundary.backing_keys import AgreementKey, AsymmetricEncryptionKey, SigningKey
from strongroom.boundary.interface import (
    BoundaryRefused,
    CiphertextRefused,
    PeerKeyRefused,
    PlaintextRefused,
    SignatureRefused,
)
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software.digests import DIGEST, RAW, require_raw
from strongroom.boundary.software.libcrypto import Libcrypto, LibcryptoRefused, Pkey
from strongroom.boundary.software.sm2_format import (
    CURVE_TEXT,
    encodings_of,
    masked_part,
    parse_private_key,
    point_of_public_key,
    render_private_key,
    render_public_key,
    require_scalar,
    require_signature,
    scalar_of_kept,
)

KEY_SPEC: Final = "SM2"
SM2DSA: Final = "SM2DSA"
SM2PKE: Final = "SM2PKE"
PLAINTEXT_BYTES_MAX: Final = 1024
"""Source: Encrypt API reference."""
_DIGEST_BYTES: Final = 32
_DISTINGUISHING_ID: Final = b"1234567812345678"


def generate_material(libcrypto: Libcrypto) -> bytes:
    """A new key pair."""
    while True:
        try:
            scalar = require_scalar(os.urandom(32))
        except ValueError:  # one in 2^32
            continue
        return render_private_key(scalar, libcrypto.multiply(scalar))


def take_in_material(libcrypto: Libcrypto, material: bytes) -> bytes:
    """The one form of a private key that came from elsewhere, where the public half may be missing.

    Raises ValueError for another curve, or a public half that is not the private key's.
    """
    scalar, public_half = parse_private_key(material)
    point = libcrypto.multiply(scalar)
    if public_half is not None and public_half not in encodings_of(point):
        raise ValueError("the public half of another key")
    return render_private_key(scalar, point)


def load_key_pair(libcrypto: Libcrypto, material: bytes) -> tuple[bytes, bytes]:
    """The scalar and the public point of kept material. Raises ValueError unless in its one form."""
    scalar = scalar_of_kept(material)
    point = libcrypto.multiply(scalar)
    if render_private_key(scalar, point) != material:
        raise ValueError("not the canonical form")
    return scalar, point


def identity_hash(point: bytes) -> bytes:
    """ZA: what the default distinguishing id and the public key add to each message."""
    length_in_bits = (len(_DISTINGUISHING_ID) * 8).to_bytes(2, "big")
    return _sm3(length_in_bits + _DISTINGUISHING_ID + CURVE_TEXT + point[1:])


def _sm3(message: bytes) -> bytes:
    digest = Hash(SM3())
    digest.update(message)
    return digest.finalize()


def digest_to_sign(za: bytes, message: bytes, message_type: str, algorithm: str) -> bytes:
    """e, 32 bytes. Raises BoundaryRefused for another algorithm, message type or length."""
    if algorithm == SM2DSA and message_type == RAW:
        require_raw(message)
        return _sm3(za + message)
    if algorithm == SM2DSA and message_type == DIGEST and len(message) == _DIGEST_BYTES:
        return message
    raise BoundaryRefused


def verify(
    libcrypto: Libcrypto,
    public_key: bytes,
    message: bytes,
    message_type: str,
    algorithm: str,
    signature: bytes,
) -> None:
    """Under a bare public key. Raises SignatureRefused, BoundaryRefused; ValueError for no public key."""
    point = point_of_public_key(public_key)
    try:
        key = libcrypto.load(point)
    except LibcryptoRefused:
        raise ValueError("not a point of the curve") from None
    digest = digest_to_sign(identity_hash(point), message, message_type, algorithm)
    _require_verifies(key, signature, digest)


def _require_verifies(key: Pkey, signature: bytes, digest: bytes) -> None:
    try:
        require_signature(signature)
    except ValueError:
        raise SignatureRefused from None
    if not key.verify(signature, digest):
        raise SignatureRefused


class Sm2SigningKey(SigningKey):
    """A key pair for SM2DSA. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_key", "_point", "_za", "key_id", "region")

    def __init__(self, libcrypto: Libcrypto, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        scalar, self._point = load_key_pair(libcrypto, material)
        self._key: Pkey = libcrypto.load(self._point, scalar)
        self._za = identity_hash(self._point)

    def __repr__(self) -> str:
        return f"<Sm2SigningKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._point)

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        return self._key.sign(digest_to_sign(self._za, message, message_type, algorithm))

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        _require_verifies(self._key, signature, digest_to_sign(self._za, message, message_type, algorithm))


class Sm2EncryptionKey(AsymmetricEncryptionKey):
    """A key pair for SM2PKE. Secrets: no attribute or repr shows the private key."""

    __slots__ = ("_key", "_point", "key_id", "region")

    def __init__(self, libcrypto: Libcrypto, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        scalar, self._point = load_key_pair(libcrypto, material)
        self._key: Pkey = libcrypto.load(self._point, scalar)

    def __repr__(self) -> str:
        return f"<Sm2EncryptionKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._point)

    def encrypt_asymmetric(self, plaintext: bytes, algorithm: str) -> bytes:
        if algorithm != SM2PKE:
            raise BoundaryRefused
        if not 1 <= len(plaintext) <= PLAINTEXT_BYTES_MAX:
            raise PlaintextRefused
        while True:
            ciphertext = self._key.encrypt(plaintext)
            # GB/T 32918.4, 6.1, A5: a mask of zeros (one in 256 for a single byte) is not used. Not every
            # version of libcrypto sees to that.
            if masked_part(ciphertext) != plaintext:
                return ciphertext

    def decrypt_asymmetric(self, ciphertext: bytes, algorithm: str) -> bytes:
        """Any length of plaintext: the limit is that of Encrypt, and a wrapped RSA key is longer."""
        if algorithm != SM2PKE:
            raise BoundaryRefused
        try:
            masked = masked_part(ciphertext)
            plaintext = self._key.decrypt(ciphertext)
        except (ValueError, LibcryptoRefused):
            raise CiphertextRefused from None
        if plaintext == masked:  # GB/T 32918.4, 7.1, B4
            raise CiphertextRefused
        return plaintext


class Sm2AgreementKey(AgreementKey):
    """A key pair for ECDH. Secrets: keeps the scalar, which no repr shows."""

    __slots__ = ("_libcrypto", "_point", "_scalar", "key_id", "region")

    def __init__(self, libcrypto: Libcrypto, header: TokenHeader, material: bytes) -> None:
        self.key_id = header.key_id.encode("ascii")
        self.region = header.region
        self._libcrypto = libcrypto
        self._scalar, self._point = load_key_pair(libcrypto, material)

    def __repr__(self) -> str:
        return f"<Sm2AgreementKey of {self.key_id.decode('ascii')}>"

    def public_key(self) -> bytes:
        return render_public_key(self._point)

    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        try:
            peer = point_of_public_key(peer_public_key)
            return self._libcrypto.multiply(self._scalar, peer)[1:33]  # the cofactor is 1
        except (ValueError, LibcryptoRefused):
            raise PeerKeyRefused from None
