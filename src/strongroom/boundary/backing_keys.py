"""What an unwrapped backing key of each kind can do: the same for every cryptographic module.

A module (software, PKCS#11) gives the dispatcher a key of the kind that a call needs; a token of
another kind is refused. No method gives a private or secret key back. All take and give bytes of the API:
DER SubjectPublicKeyInfo for public keys, DER for ECDSA and SM2 signatures, raw RSA ciphertext, DER for SM2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class BackingKey(ABC):
    """Any backing key: bound to a KMS key and its Region (INVARIANT B2)."""

    __slots__ = ()

    key_id: bytes
    region: str


class AsymmetricKey(BackingKey):
    """A key pair."""

    __slots__ = ()

    @abstractmethod
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        ...


class SigningKey(AsymmetricKey):
    """RSA, elliptic curve, Edwards, SM2 and ML-DSA keys of usage SIGN_VERIFY.

    `message_type` is RAW, DIGEST or EXTERNAL_MU, `algorithm` a SigningAlgorithmSpec. A message whose
    length does not fit raises BoundaryRefused; the operation has said so to the caller before.
    """

    __slots__ = ()

    @abstractmethod
    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes: ...

    @abstractmethod
    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        """Raises SignatureRefused."""
        ...


class ProxiedKey(BackingKey):
    """Symmetric keys as external keys of other services' external key stores.

    What is sealed has the form of strongroom.boundary.external_key_format, and is never a ciphertext blob.
    """

    __slots__ = ()

    @abstractmethod
    def encrypt_external(self, plaintext: bytes, aad: bytes) -> bytes:
        """Seal 1 to 4300 bytes; `aad` has at most 8192. Raises BoundaryRefused."""
        ...

    @abstractmethod
    def decrypt_external(self, sealed: bytes, aad: bytes) -> bytes:
        """Raises CiphertextRefused, always the same."""
        ...


class MacKey(BackingKey):
    """HMAC keys; the spec says the algorithm."""

    __slots__ = ()

    @abstractmethod
    def generate_mac(self, message: bytes) -> bytes: ...

    @abstractmethod
    def verify_mac(self, message: bytes, mac: bytes) -> None:
        """In constant time. Raises SignatureRefused."""
        ...


class AsymmetricEncryptionKey(AsymmetricKey):
    """RSA and SM2 keys of usage ENCRYPT_DECRYPT; `algorithm` is an EncryptionAlgorithmSpec."""

    __slots__ = ()

    @abstractmethod
    def encrypt_asymmetric(self, plaintext: bytes, algorithm: str) -> bytes: ...

    @abstractmethod
    def decrypt_asymmetric(self, ciphertext: bytes, algorithm: str) -> bytes:
        """Raises CiphertextRefused, always the same."""
        ...


class AgreementKey(AsymmetricKey):
    """Elliptic curve and SM2 keys of usage KEY_AGREEMENT."""

    __slots__ = ()

    @abstractmethod
    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        """The raw x coordinate. `peer_public_key` is DER SubjectPublicKeyInfo.

        Raises PeerKeyRefused: another curve, a point not on it, or no public key at all.
        """
        ...


class EncapsulationKey(AsymmetricKey):
    """ML-KEM keys."""

    __slots__ = ()

    @abstractmethod
    def encapsulate(self) -> tuple[bytes, bytes]:
        """Returns (32-byte shared secret, ciphertext)."""
        ...

    @abstractmethod
    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret, a pseudo-random one for a wrong ciphertext of the right length (FIPS 203).

        Raises CiphertextRefused for a wrong length.
        """
        ...
