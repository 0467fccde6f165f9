"""A custom key store's password on its way from the boundary to the process of its HSM cluster.

    sealed = id of the transport key (8) || nonce (12) || AES-256-GCM(secret, AAD = cluster NUL store)

The boundary makes a transport key for each start of either process and gives it to the other one over a
socket pair of their own; workers and the job runner carry only what is sealed.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_ID_BYTES: Final = 8
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
HANDED_BYTES: Final = KEY_ID_BYTES + KEY_BYTES
"""What goes over the socket pair: the id, then the key."""


class TransportKeyUnknown(Exception):
    """The secret was sealed under a transport key that is not there (any more)."""


class TransportKeys:
    """The sender's side: one key for each cluster. Secrets: holds them."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def make(self, cluster: str) -> bytes:
        """A fresh key; the one before opens nothing that is sealed from now on. Shape: HANDED_BYTES."""
        self._keys[cluster] = os.urandom(HANDED_BYTES)
        return self._keys[cluster]

    def seal(self, cluster: str, store_id: str, secret: bytes) -> bytes:
        """The secret for that cluster's process. Raises TransportKeyUnknown."""
        handed = self._keys.get(cluster)
        if handed is None:
            raise TransportKeyUnknown
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(handed[KEY_ID_BYTES:]).encrypt(nonce, secret, _aad(cluster, store_id))
        return handed[:KEY_ID_BYTES] + nonce + sealed


class ReceivedTransportKey:
    """The receiver's side: the latest key. Secrets: holds it."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._handed = b""

    def take(self, handed: bytes) -> None:
        """Use this key from now on. Raises ValueError."""
        if len(handed) != HANDED_BYTES:
            raise ValueError("not a transport key")
        self._handed = handed

    def open_sealed(self, store_id: str, sealed: bytes) -> bytes:
        """The secret. Raises TransportKeyUnknown for whatever does not open."""
        start = KEY_ID_BYTES + NONCE_BYTES
        if not self._handed or sealed[:KEY_ID_BYTES] != self._handed[:KEY_ID_BYTES] or len(sealed) < start:
            raise TransportKeyUnknown
        try:
            return AESGCM(self._handed[KEY_ID_BYTES:]).decrypt(
                sealed[KEY_ID_BYTES:start], sealed[start:], _aad(self._cluster, store_id)
            )
        except (InvalidTag, ValueError):
            raise TransportKeyUnknown from None


def _aad(cluster: str, store_id: str) -> bytes:
    return f"strongroom store secret\0{cluster}\0{store_id}".encode()
