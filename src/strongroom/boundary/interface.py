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
     ├─ CiphertextRefused     wrong: tag, context, header or length; never says which
     ├─ SignatureRefused      wrong: the signature or MAC is not the message's
     ├─ PeerKeyRefused        the other party's public key is not one to agree with
     ├─ MaterialRefused       wrapped key material that does not open, or is none of the spec
     ├─ TokenRefused          the exported key token does not belong to the named key, or is damaged
     └─ BoundaryRefused       the request itself was malformed or not allowed (a fault of ours)
    """


class BoundaryUnavailable(BoundaryError):
    """No answer: treat the request as failed, never as refused."""


class CiphertextRefused(BoundaryError):
    """The ciphertext does not open under this key and context. All causes look the same."""


class SignatureRefused(BoundaryError):
    """A signature or MAC that does not belong to the message and key. Verifying never answers False."""


class PeerKeyRefused(BoundaryError):
    """A public key of another curve, with an invalid point, or no public key."""


class MaterialRefused(BoundaryError):
    """Key material that does not unwrap, or is not valid for the key spec; never says which."""


class TokenRefused(BoundaryError):
    """An exported key token failed its binding or its integrity check."""


class BoundaryRefused(BoundaryError):
    """The boundary does not do that."""


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """What an exported key token is bound to; authenticated with it (INVARIANT B2)."""

    account_id: str
    region: str
    key_id: str
    key_spec: str
    key_usage: str


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new backing key, as the store will keep it."""

    exported_token: bytes
    material_id: str
    """64 lower-case hex digits, derived from key id and material."""


class Boundary(Protocol):
    """The boundary as the rooms see it. Every call may raise BoundaryUnavailable.

    `aad` is the canonical encryption context (see docs/formats/ciphertext.md).
    `key_id` is the key the caller of the boundary believes it uses: a token bound to another key
    raises TokenRefused.
    """

    def generate_key(self, binding: KeyBinding) -> Awaitable[GeneratedKey]:
        """Make a backing key and export it under the Region's active domain key."""
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

    def generate_random(self, number_of_bytes: int) -> Awaitable[bytes]:
        """1 to 1024 random bytes."""
        ...

    def forget_key(self, key_id: str, region: str) -> Awaitable[None]:
        """Drop every cached backing key of a destroyed KMS key."""
        ...

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str, service: str
    ) -> Awaitable[bytes]:
        """The 32-byte SigV4 signing key of one day, Region and service, from a secret access key token."""
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

    def is_ready(self) -> Awaitable[bool]:
        """Whether the boundary answers and holds its root key."""
        ...
