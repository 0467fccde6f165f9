"""Backing keys as session objects of the token: what each kind can do.

No key has a value here, only a handle. A failure of the token is never taken for a refusal of the input:
after a ciphertext that does not open, the key has to open one that does (the canary) before the ciphertext
is called wrong.
"""

from __future__ import annotations

import hmac
import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from strongroom.boundary import external_key_format
from strongroom.boundary.backing_keys import (
    AgreementKey,
    AsymmetricEncryptionKey,
    BackingKey,
    MacKey,
    ProxiedKey,
    SigningKey,
)
from strongroom.boundary.ciphertext_format import (
    PLAINTEXT_BYTES_MAX,
    PREFIX_BYTES,
    TOKEN_BLOB_BYTES_MAX,
    TOKEN_BLOB_BYTES_MIN,
    TOKEN_HEADER_BYTES,
    TOKEN_IV_BYTES,
    VERSION_TOKEN,
    render_authenticated_data,
    render_prefix,
)
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused, PeerKeyRefused, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.pkcs11.errors import ReturnedError
from strongroom.boundary.pkcs11.mechanisms import ecdh1, oaep, plain, pss
from strongroom.boundary.pkcs11.numbers import Cka, Ckk, Ckm, Cko
from strongroom.boundary.pkcs11.structures import Mechanism
from strongroom.boundary.pkcs11.token import KeyHandle, Token
from strongroom.boundary.software import public_keys
from strongroom.boundary.software.digests import HASHES, digest_of
from strongroom.boundary.software.elliptic_curves import ALGORITHM_OF_CURVE, CURVES
from strongroom.boundary.software.macs import MESSAGE_BYTES_MAX
from strongroom.boundary.software.signature_verification import verify_signature

T = TypeVar("T")


class TokenSource(Protocol):
    """The token that keys live in, as they see it: see connection.TokenConnection."""

    @property
    def token(self) -> Token: ...

    def run(self, domain_key_id: bytes, call: Callable[[Token], T]) -> T: ...

    def after_failure(self, domain_key_id: bytes, error: ReturnedError) -> Exception: ...


_CANARY: Final = b"the token is sound"
_PSS: Final = "RSASSA_PSS_"
_PKCS1: Final = "RSASSA_PKCS1_V1_5_"
_DIGEST_MECHANISMS: Final = {"SHA_256": Ckm.SHA256, "SHA_384": Ckm.SHA384, "SHA_512": Ckm.SHA512}
_DIGEST_INFO: Final = {
    "SHA_256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "SHA_384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "SHA_512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""DigestInfo up to the digest: RFC 8017, section 9.2, note 1."""
_OAEP: Final = {"RSAES_OAEP_SHA_1": Ckm.SHA_1, "RSAES_OAEP_SHA_256": Ckm.SHA256}
_MACS: Final = {
    "HMAC_224": Ckm.SHA224_HMAC,
    "HMAC_256": Ckm.SHA256_HMAC,
    "HMAC_384": Ckm.SHA384_HMAC,
    "HMAC_512": Ckm.SHA512_HMAC,
}
_FIELD_BYTES: Final = {"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 66}


class HeldKey(BackingKey):
    """Any key in the token: its handle, and what it is bound to."""

    __slots__ = ("_connection", "_domain_key_id", "_handle", "_public_key", "key_id", "key_spec", "region")

    def __init__(
        self, connection: TokenSource, header: TokenHeader, handle: KeyHandle, public_key: bytes
    ) -> None:
        self._connection = connection
        self._domain_key_id = header.wrapping_key_id
        self._handle = handle
        self._public_key = public_key
        self.key_id = header.key_id.encode("ascii")
        self.key_spec = header.key_spec
        self.region = header.region

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.key_id.decode('ascii')}>"

    @property
    def domain_key_id(self) -> bytes:
        """The domain key that unwrapped it."""
        return self._domain_key_id

    def destroy(self) -> None:
        """End the session object; the wrapped key stays where it is stored."""
        try:
            self._connection.token.destroy(self._handle)
        except ReturnedError:
            return  # it is gone with its session

    def _sign(self, mechanism: Mechanism, data: bytes) -> bytes:
        return self._connection.run(
            self._domain_key_id, lambda token: token.sign(self._handle, mechanism, data)
        )

    def _open(self, call: Callable[[Token], bytes], canary: Callable[[Token], bool]) -> bytes:
        """What `call` opens. Raises CiphertextRefused, and only where the canary lives."""
        token = self._connection.token
        try:
            return call(token)
        except ReturnedError as error:
            failure = error
        try:
            if canary(token):
                raise CiphertextRefused
        except ReturnedError as error:
            failure = error
        raise self._connection.after_failure(self._domain_key_id, failure)


class HeldSymmetricKey(HeldKey, ProxiedKey):
    """SYMMETRIC_DEFAULT: AES-256-GCM in the token, each message under an IV of 128 random bits.

    What it seals as a ciphertext blob and as an external key is under one key: what is authenticated keeps
    them apart, for a blob's begins with "SR", and an external key's with a length that is smaller.
    """

    __slots__ = ("_external_metadata", "_prefix")

    def __init__(
        self, connection: TokenSource, header: TokenHeader, handle: KeyHandle, public_key: bytes
    ) -> None:
        super().__init__(connection, header, handle, public_key)
        self._prefix = render_prefix(header.key_id, header.material_id, VERSION_TOKEN)
        self._external_metadata = external_key_format.render_token_metadata(header.material_id)

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """The ciphertext blob of 1 to 4096 bytes. Raises BoundaryRefused."""
        if not 1 <= len(plaintext) <= PLAINTEXT_BYTES_MAX:
            raise BoundaryRefused
        iv = os.urandom(TOKEN_IV_BYTES)
        header = self._prefix + iv
        return header + self._seal(iv, plaintext, render_authenticated_data(header, aad))

    def _seal(self, iv: bytes, plaintext: bytes, authenticated: bytes) -> bytes:
        connection = self._connection
        try:  # as connection.run does, without its function call: this is what nearly every request costs
            return connection.token.encrypt_gcm(self._handle, iv, plaintext, authenticated)
        except ReturnedError as error:
            raise connection.after_failure(self._domain_key_id, error) from None

    def decrypt(self, blob: bytes, aad: bytes) -> bytes:
        """The plaintext of a blob that this key made. Raises CiphertextRefused, always the same."""
        # INVARIANT B3: a blob of another key or material, or with any bit changed, is refused.
        is_long_enough = TOKEN_BLOB_BYTES_MIN <= len(blob) <= TOKEN_BLOB_BYTES_MAX
        if not is_long_enough or blob[:PREFIX_BYTES] != self._prefix:
            raise CiphertextRefused
        header = blob[:TOKEN_HEADER_BYTES]
        iv, authenticated = header[PREFIX_BYTES:], render_authenticated_data(header, aad)
        sealed = blob[TOKEN_HEADER_BYTES:]
        return self._open(
            lambda token: token.decrypt_gcm(self._handle, iv, sealed, authenticated), self._is_sound
        )

    def encrypt_external(self, plaintext: bytes, aad: bytes) -> bytes:
        if not 1 <= len(plaintext) <= external_key_format.PLAINTEXT_BYTES_MAX:
            raise BoundaryRefused
        metadata = self._external_metadata
        try:
            authenticated = external_key_format.render_authenticated_data(aad, metadata)
        except ValueError:
            raise BoundaryRefused from None
        iv = os.urandom(external_key_format.TOKEN_IV_BYTES)
        sealed = self._seal(iv, plaintext, authenticated)
        return metadata + iv + sealed[len(plaintext) :] + sealed[: len(plaintext)]

    def decrypt_external(self, sealed: bytes, aad: bytes) -> bytes:
        # INVARIANT B3: of another key or material, or with any bit changed, it is refused.
        try:
            metadata, iv, tag, ciphertext = external_key_format.split_sealed(sealed)
            authenticated = external_key_format.render_authenticated_data(aad, metadata)
        except ValueError:
            raise CiphertextRefused from None
        if metadata != self._external_metadata:
            raise CiphertextRefused
        return self._open(
            lambda token: token.decrypt_gcm(self._handle, iv, ciphertext + tag, authenticated),
            self._is_sound,
        )

    def _is_sound(self, token: Token) -> bool:
        iv = os.urandom(TOKEN_IV_BYTES)
        sealed = token.encrypt_gcm(self._handle, iv, _CANARY, b"")
        return token.decrypt_gcm(self._handle, iv, sealed, b"") == _CANARY


class HeldMacKey(HeldKey, MacKey):
    """HMAC keys."""

    __slots__ = ()

    def generate_mac(self, message: bytes) -> bytes:
        if len(message) > MESSAGE_BYTES_MAX:
            raise BoundaryRefused
        return self._sign(plain(_MACS[self.key_spec]), message)

    def verify_mac(self, message: bytes, mac: bytes) -> None:
        if not hmac.compare_digest(self.generate_mac(message), mac):
            raise SignatureRefused


class HeldSigningKey(HeldKey, SigningKey):
    """RSA and elliptic curve keys that sign; what verifies is the public key alone, in software."""

    __slots__ = ()

    def public_key(self) -> bytes:
        return self._public_key

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        verify_signature(self.key_spec, self._public_key, message, message_type, algorithm, signature)

    @abstractmethod
    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes: ...


class HeldRsaSigningKey(HeldSigningKey):
    """RSASSA in the token, over digests made here."""

    __slots__ = ()

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        name = algorithm.removeprefix(_PSS).removeprefix(_PKCS1)
        if name not in _DIGEST_MECHANISMS or algorithm not in (_PSS + name, _PKCS1 + name):
            raise BoundaryRefused
        digest = digest_of(message, message_type, HASHES[name])
        if algorithm.startswith(_PSS):
            return self._sign(pss(_DIGEST_MECHANISMS[name], len(digest)), digest)
        return self._sign(plain(Ckm.RSA_PKCS), _DIGEST_INFO[name] + digest)


class HeldCurveSigningKey(HeldSigningKey):
    """ECDSA in the token, over digests made here."""

    __slots__ = ()

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        name = ALGORITHM_OF_CURVE[CURVES[self.key_spec].name]
        if algorithm != f"ECDSA_{name}":
            raise BoundaryRefused
        digest = digest_of(message, message_type, HASHES[name])
        return public_keys.render_ecdsa_signature(self._sign(plain(Ckm.ECDSA), digest))


class HeldRsaEncryptionKey(HeldKey, AsymmetricEncryptionKey):
    """RSAES-OAEP: the token opens, and the public key alone, in software, encrypts."""

    __slots__ = ()

    def public_key(self) -> bytes:
        return self._public_key

    def encrypt_asymmetric(self, plaintext: bytes, algorithm: str) -> bytes:
        return public_keys.encrypt_oaep(self._public_key, plaintext, algorithm)

    def decrypt_asymmetric(self, ciphertext: bytes, algorithm: str) -> bytes:
        digest = _OAEP.get(algorithm)
        if digest is None:
            raise BoundaryRefused

        def opened(token: Token, wrapped: bytes) -> bytes:
            return token.decrypt(self._handle, oaep(digest), wrapped)

        canary = self.encrypt_asymmetric(_CANARY, algorithm)
        if len(ciphertext) != len(canary):
            raise CiphertextRefused
        return self._open(
            lambda token: opened(token, ciphertext), lambda token: opened(token, canary) == _CANARY
        )


class HeldAgreementKey(HeldKey, AgreementKey):
    """ECDH in the token; the shared secret is what the caller asked for."""

    __slots__ = ()

    def public_key(self) -> bytes:
        return self._public_key

    def derive_shared_secret(self, peer_public_key: bytes) -> bytes:
        point = public_keys.point_of_peer(self.key_spec, peer_public_key)
        secret = self._connection.run(self._domain_key_id, lambda token: self._derive(token, point))
        if len(secret) != _FIELD_BYTES[self.key_spec]:
            raise PeerKeyRefused
        return secret

    def _derive(self, token: Token, point: bytes) -> bytes:
        values = {
            Cka.CLASS: Cko.SECRET_KEY,
            Cka.KEY_TYPE: Ckk.GENERIC_SECRET,
            Cka.TOKEN: False,
            Cka.SENSITIVE: False,
            Cka.EXTRACTABLE: True,
            Cka.VALUE_LEN: _FIELD_BYTES[self.key_spec],
        }
        derived = token.derive_key(self._handle, ecdh1(point), values)
        try:
            return token.read_attribute(derived, Cka.VALUE)
        finally:
            token.destroy(derived)
