"""What the service may ask of the cryptographic boundary, and nothing more.

No call takes or returns key material: backing keys travel only as exported key tokens, which the
boundary alone can open. What a caller asked for (plaintext, data keys) is the one thing that passes.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol


class BoundaryError(Exception):
    """Drawn as a tree:

    BoundaryError
     ├─ BoundaryUnavailable   could not tell: the process is gone, restarting or did not answer
     ├─ BoundaryBusy          not now: as many keys that take long are being made as may wait
     ├─ CiphertextRefused     wrong: tag, context, header or length; never says which
     ├─ SignatureRefused      wrong: the signature or MAC is not the message's
     ├─ PeerKeyRefused        the other party's public key is not one to agree with
     ├─ MaterialRefused       key material that is none of the spec
     ├─ ImportTokenExpired    an authentic import token whose 24 hours are over
     ├─ PlaintextRefused      what a ciphertext holds is too long (or nothing) for the key to encrypt it again
     ├─ TicketRefused         no ticket of ours, or for something else
     ├─ KeySpecNotOffered     the key is authentic, and of a spec that this boundary has no means for
     ├─ TokenRefused          the exported key token does not belong to the named key, or is damaged
     │   └─ DomainKeyRefused  its domain key does not open
     └─ BoundaryRefused       the request itself was malformed or not allowed (a fault of ours)
         └─ NotInToken        the PKCS#11 token that holds the keys does not do that; its text says why
    """


class BoundaryUnavailable(BoundaryError):
    """No answer: treat the request as failed, never as refused."""


class BoundaryBusy(BoundaryError):
    """Nothing was done: ask later."""


class CiphertextRefused(BoundaryError):
    """The ciphertext does not open under this key and context. All causes look the same."""


class SignatureRefused(BoundaryError):
    """A signature or MAC that does not belong to the message and key. Verifying never answers False."""


class PeerKeyRefused(BoundaryError):
    """A public key of another curve, with an invalid point, or no public key."""


class MaterialRefused(BoundaryError):
    """Key material that is not valid for the key spec; never says why."""


class ImportTokenExpired(BoundaryError):
    """The import token is authentic and belongs to the key, but its time is over."""


class PlaintextRefused(BoundaryError):
    """A plaintext that the key and algorithm cannot encrypt: too long, or empty where that cannot be."""


class TokenRefused(BoundaryError):
    """An exported key token failed its binding or its integrity check."""


class DomainKeyRefused(TokenRefused):
    """The token's domain key is in the store and does not open: damaged, or not in the PKCS#11 token."""


class KeySpecNotOffered(BoundaryError):
    """An authentic key whose spec or usage has no means here: no library for it, or an older version."""


class TicketRefused(BoundaryError):
    """A ticket that was not made here for this purpose and context, or was altered."""


class BoundaryRefused(BoundaryError):
    """The boundary does not do that."""


class NotInToken(BoundaryRefused):
    """The PKCS#11 token that holds the keys does not do that. Its text is for callers: what is lacking."""


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """What an exported key token is bound to; authenticated with it (INVARIANT B2)."""

    account_id: str
    region: str
    key_id: str
    key_spec: str
    key_usage: str
    origin: str = "AWS_KMS"
    """The key's origin: EXTERNAL for imported key material, and for that alone."""


@dataclass(frozen=True, slots=True)
class NewDomainKey:
    """A domain key that wraps nothing yet."""

    domain_key_id: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A key as one side of a re-encryption uses it."""

    token: bytes
    key_id: str
    algorithm: str
    """SYMMETRIC_DEFAULT or an algorithm of an asymmetric key."""
    aad: bytes
    """The canonical encryption context; empty with an asymmetric key."""


@dataclass(frozen=True, slots=True)
class DataKeyPair:
    """A data key pair. Secrets: `private_key` is for the caller who asked for it."""

    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    private_key: bytes
    """DER PKCS #8."""
    private_key_blob: bytes


@dataclass(frozen=True, slots=True)
class SealedDataKeyPair:
    """A data key pair whose private key is for a recipient."""

    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    sealed_private_key: bytes
    """CMS EnvelopedData."""
    private_key_blob: bytes


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new backing key, as the store will keep it."""

    exported_token: bytes
    material_id: str
    """64 lower-case hex digits, derived from key id and material."""


@dataclass(frozen=True, slots=True)
class ImportBinding:
    """What an import token is bound to; authenticated with it (INVARIANT B2)."""

    account_id: str
    region: str
    key_id: str
    wrapping_key_spec: str
    wrapping_algorithm: str


@dataclass(frozen=True, slots=True)
class ImportParameters:
    """A wrapping key pair made for one import; its private half is in the token, for the boundary only."""

    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    import_token: bytes


class Boundary(Protocol):
    """The boundary as the rooms see it. Every call may raise BoundaryUnavailable.

    `aad` is the canonical encryption context (see docs/formats/ciphertext.md).
    `key_id` is the key the caller of the boundary believes it uses: a token bound to another key
    raises TokenRefused, one of a key spec that is not offered here KeySpecNotOffered.
    """

    def generate_key(self, binding: KeyBinding) -> Awaitable[GeneratedKey]:
        """Make a backing key and export it under the Region's active domain key.

        An RSA key takes up to seconds. Raises BoundaryRefused for a spec or usage that it cannot make,
        BoundaryBusy.
        """
        ...

    def require_key_spec(self, key_spec: str) -> Awaitable[None]:
        """Raises BoundaryRefused for a spec whose keys it can neither make nor use (SM2 is optional)."""
        ...

    def require_movable_keys(self) -> Awaitable[None]:
        """Raises NotInToken where key material can neither be imported nor taken to another Region."""
        ...

    def encrypt(self, token: bytes, key_id: str, plaintext: bytes, aad: bytes) -> Awaitable[bytes]:
        """Seal 1 to 4096 bytes; returns the ciphertext blob."""
        ...

    def decrypt(self, token: bytes, key_id: str, blob: bytes, aad: bytes) -> Awaitable[bytes]:
        """Open a blob. Raises CiphertextRefused."""
        ...

    def re_encrypt(
        self,
        source_token: bytes,
        source_key_id: str,
        blob: bytes,
        source_aad: bytes,
        destination_token: bytes,
        destination_key_id: str,
        destination_aad: bytes,
    ) -> Awaitable[bytes]:
        """Open and seal again without the plaintext leaving. Raises CiphertextRefused."""
        ...

    def generate_data_key(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        """Returns (plaintext data key, ciphertext blob)."""
        ...

    def generate_data_key_without_plaintext(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes
    ) -> Awaitable[bytes]:
        """Returns the ciphertext blob only."""
        ...

    def get_public_key(self, token: bytes, key_id: str) -> Awaitable[bytes]:
        """DER SubjectPublicKeyInfo of a key pair."""
        ...

    def sign(
        self, token: bytes, key_id: str, message: bytes, message_type: str, algorithm: str
    ) -> Awaitable[bytes]:
        """The signature. `message_type` is RAW, DIGEST or EXTERNAL_MU, `algorithm` a SigningAlgorithmSpec."""
        ...

    def verify(
        self, token: bytes, key_id: str, message: bytes, message_type: str, algorithm: str, signature: bytes
    ) -> Awaitable[None]:
        """Raises SignatureRefused."""
        ...

    def encrypt_asymmetric(
        self, token: bytes, key_id: str, plaintext: bytes, algorithm: str
    ) -> Awaitable[bytes]:
        """Encrypt under a public key; returns the raw ciphertext. Raises PlaintextRefused."""
        ...

    def decrypt_asymmetric(
        self, token: bytes, key_id: str, ciphertext: bytes, algorithm: str
    ) -> Awaitable[bytes]:
        """Raises CiphertextRefused."""
        ...

    def re_encrypt_asymmetric(
        self, source: KeyInUse, ciphertext: bytes, destination: KeyInUse
    ) -> Awaitable[bytes]:
        """`re_encrypt` where one key or both are asymmetric. Raises CiphertextRefused, PlaintextRefused."""
        ...

    def generate_data_key_pair(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes
    ) -> Awaitable[DataKeyPair]:
        """A new key pair, its private key also sealed under a symmetric key.

        Raises BoundaryRefused for a spec that it cannot make, BoundaryBusy.
        """
        ...

    def generate_data_key_pair_without_plaintext(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        """Returns (public key, ciphertext blob of the private key)."""
        ...

    def generate_random(self, number_of_bytes: int) -> Awaitable[bytes]:
        """1 to 1024 random bytes."""
        ...

    def decrypt_for_recipient(
        self, token: bytes, key_id: str, ciphertext: bytes, algorithm: str, aad: bytes, public_key: bytes
    ) -> Awaitable[bytes]:
        """Open a ciphertext and seal what it holds for `public_key` (DER SubjectPublicKeyInfo, RSA).

        Returns CMS EnvelopedData, as all calls for a recipient do. Raises CiphertextRefused, BoundaryRefused.
        """
        ...

    def derive_shared_secret_for_recipient(
        self, token: bytes, key_id: str, peer_public_key: bytes, public_key: bytes
    ) -> Awaitable[bytes]:
        """`derive_shared_secret`, sealed for the recipient. Raises PeerKeyRefused."""
        ...

    def generate_data_key_for_recipient(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes, public_key: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        """Returns (the data key sealed for the recipient, ciphertext blob)."""
        ...

    def generate_random_for_recipient(self, number_of_bytes: int, public_key: bytes) -> Awaitable[bytes]:
        """1 to 1024 random bytes, sealed for the recipient."""
        ...

    def generate_data_key_pair_for_recipient(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes, public_key: bytes
    ) -> Awaitable[SealedDataKeyPair]:
        """`generate_data_key_pair` with the private key sealed for the recipient."""
        ...

    def get_import_parameters(
        self, binding: ImportBinding, ends_at_microseconds: int
    ) -> Awaitable[ImportParameters]:
        """Make a wrapping key pair and an import token that opens no more from that instant on.

        Raises BoundaryRefused for a wrapping key spec or algorithm that is not offered.
        """
        ...

    def import_key_material(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> Awaitable[GeneratedKey]:
        """Unwrap key material and export it as `binding`'s backing key.

        Raises TokenRefused (the import token), ImportTokenExpired, CiphertextRefused (it does not
        unwrap, never says why), MaterialRefused.
        """
        ...

    def forget_key(self, key_id: str, region: str) -> Awaitable[None]:
        """Drop every cached backing key of a destroyed KMS key."""
        ...

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str, service: str
    ) -> Awaitable[bytes]:
        """The 32-byte SigV4 signing key of one day, Region and service, from a secret access key token."""
        ...

    def create_access_key_secret(self, access_key_id: str, account_id: str) -> Awaitable[tuple[str, bytes]]:
        """A new secret access key of 40 characters, told this once, and its token to keep.

        Secrets: the first is for the caller who asked for the credential, and for nobody else: no record,
        log or repr may have it. The token is bound to both arguments. Raises BoundaryRefused for an
        account that is not 12 digits.
        """
        ...

    def wrap_store_secret(
        self, account_id: str, region: str, custom_key_store_id: str, secret: bytes
    ) -> Awaitable[bytes]:
        """A token of a custom key store's secret (1 to 128 bytes), bound to account, Region and store.

        No call gives the secret back. Raises BoundaryRefused.
        """
        ...

    def derive_store_signing_key(
        self, token: bytes, account_id: str, region: str, custom_key_store_id: str, date: str
    ) -> Awaitable[bytes]:
        """The 32-byte SigV4 signing key of one day for the store's external key store proxy.

        Region and service (`kms-xks-proxy`) of its scope are fixed. `token` is of `wrap_store_secret`;
        TokenRefused for one of another store.
        """
        ...

    def seal_store_secret(
        self, token: bytes, account_id: str, region: str, custom_key_store_id: str, cluster: str
    ) -> Awaitable[bytes]:
        """The store's secret, sealed for the process of that HSM cluster alone (secret_transport.py).

        `token` is of `wrap_store_secret`; TokenRefused for one of another store. Raises BoundaryRefused
        where no such process has a transport key yet.
        """
        ...

    def create_proxy_secret(self, access_key_id: str) -> Awaitable[tuple[str, bytes]]:
        """A new secret of 44 characters with which callers of the external key store proxy sign, told this
        once, and its token to keep, bound to the access key id.

        Secrets: as `create_access_key_secret`.
        """
        ...

    def derive_proxy_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str
    ) -> Awaitable[bytes]:
        """The 32-byte SigV4 signing key of one day and Region for `kms-xks-proxy`, and no other service."""
        ...

    def xks_encrypt(self, token: bytes, key_id: str, plaintext: bytes, aad: bytes) -> Awaitable[bytes]:
        """Seal 1 to 4300 bytes as an external key: metadata, IV, tag, ciphertext (external_key_format.py).

        No ciphertext blob: `decrypt` does not open it. Raises BoundaryRefused.
        """
        ...

    def xks_decrypt(self, token: bytes, key_id: str, sealed: bytes, aad: bytes) -> Awaitable[bytes]:
        """Open what `xks_encrypt` sealed. Raises CiphertextRefused."""
        ...

    def make_ticket(self, purpose: str, context: bytes, text: bytes) -> Awaitable[bytes]:
        """A ticket for a text of 1 to 6144 bytes: opaque, unforgeable, different each time.

        It opens again only for the same purpose (a fixed word of ours) and context, on every worker
        and after every restart.
        """
        ...

    def read_ticket(self, purpose: str, context: bytes, ticket: bytes) -> Awaitable[bytes]:
        """The text of a ticket. Raises TicketRefused."""
        ...

    def generate_mac(self, token: bytes, key_id: str, message: bytes) -> Awaitable[bytes]:
        """The MAC of a message, whole."""
        ...

    def verify_mac(self, token: bytes, key_id: str, message: bytes, mac: bytes) -> Awaitable[None]:
        """Raises SignatureRefused."""
        ...

    def derive_shared_secret(self, token: bytes, key_id: str, peer_public_key: bytes) -> Awaitable[bytes]:
        """The raw x coordinate agreed on with the holder of a DER public key. Raises PeerKeyRefused."""
        ...

    def encapsulate(self, token: bytes, key_id: str) -> Awaitable[tuple[bytes, bytes]]:
        """Returns (32-byte shared secret, ciphertext)."""
        ...

    def decapsulate(self, token: bytes, key_id: str, ciphertext: bytes) -> Awaitable[bytes]:
        """The shared secret; of a wrong ciphertext a pseudo-random one.

        Raises CiphertextRefused for a length that is not the spec's.
        """
        ...

    def create_replication_key(self, region: str) -> Awaitable[bytes]:
        """A new key pair of a Region, as a token to keep: what other Regions seal key material to."""
        ...

    def export_for_region(self, token: bytes, key_id: str, receiving_token: bytes) -> Awaitable[bytes]:
        """The replication message that brings a multi-Region key's material to another Region.

        `receiving_token` is that Region's replication key. Raises BoundaryRefused for a single-Region key.
        """
        ...

    def import_from_region(
        self, message: bytes, receiving_token: bytes, binding: KeyBinding
    ) -> Awaitable[GeneratedKey]:
        """The key of a replication message, exported under the receiving Region's domain key.

        Raises MaterialRefused for a message that is damaged, of another server, or not of this binding.
        """
        ...

    def create_domain_key(self, region: str, generation: int) -> Awaitable[NewDomainKey]:
        """A new domain key of a Region: keep it in the store before it is activated."""
        ...

    def activate_domain_key(self, region: str) -> Awaitable[None]:
        """Have the Region's newest domain key in the store wrap from now on."""
        ...

    def forget_domain_key(self, token: bytes) -> Awaitable[None]:
        """Open no more what a retired domain key has wrapped; one in a PKCS#11 token is destroyed there.

        `token` is the domain key's own. The job runner alone may ask. Raises BoundaryRefused while no later
        domain key has followed, BoundaryUnavailable when the PKCS#11 token may still hold it.
        """
        ...

    def vouch_for_domain_key(self, token: bytes, alone: bool) -> Awaitable[bytes]:
        """Note that a domain key is its Region's newest; `alone`: no other opens what the store keeps now.

        `token` is the domain key's own. Returns all that is noted, as the anchor that the next boundary is
        started with (docs/formats/domain-key-anchor.md). The job runner alone may ask. Raises TokenRefused;
        BoundaryRefused for one that a later one has followed.
        """
        ...

    def rewrap(self, token: bytes, origin: str, domain_key_id: bytes) -> Awaitable[bytes]:
        """The same under the Region's active domain key, which must be that one; what it is bound to stays.

        `origin` is the KMS key's, for a backing key: one of version 1 is bound to it
        from now on. Raises TokenRefused, also for another origin than a token has.
        """
        ...

    def is_ready(self) -> Awaitable[bool]:
        """Whether the boundary answers, holds its root key, and has the token that it is to have."""
        ...
