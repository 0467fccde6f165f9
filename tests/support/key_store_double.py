"""A double of the port behind custom key stores: it obeys the test, and keeps what it was given."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.operations.key_store_backend import KeyStoreError, OnBehalf, ProxyFailed
from strongroom.resources.custom_key_store import CustomKeyStore


class KeyStoreDouble:
    """A KeyStoreBackend. `failures` says by call what it raises next, once each time it is asked."""

    def __init__(self) -> None:
        self.failures: dict[str, KeyStoreError] = {}
        self.calls: list[str] = []
        self.seen: list[CustomKeyStore] = []
        self.keys: dict[str, str | None] = {}
        self.asked: list[OnBehalf] = []
        self._secret = AESGCM.generate_key(256)

    def _note(self, call: str, store: CustomKeyStore) -> None:
        self.calls.append(call)
        self.seen.append(store)
        if call in self.failures:
            raise self.failures[call]

    async def check_configuration(
        self, store: CustomKeyStore, before: CustomKeyStore | None, on_behalf: OnBehalf
    ) -> None:
        self._note("check_configuration", store)
        self.asked.append(on_behalf)

    async def check_connection(self, store: CustomKeyStore) -> None:
        self._note("check_connection", store)

    async def connect(self, store: CustomKeyStore) -> None:
        self._note("connect", store)

    async def keep_connected(self, store: CustomKeyStore) -> None:
        self._note("keep_connected", store)

    async def disconnect(self, store: CustomKeyStore) -> None:
        self._note("disconnect", store)

    async def create_key(
        self, store: CustomKeyStore, key_id: str, xks_key_id: str | None, on_behalf: OnBehalf
    ) -> None:
        self._note("create_key", store)
        self.asked.append(on_behalf)
        self.keys[key_id] = xks_key_id

    async def delete_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        self._note("delete_key", store)
        del self.keys[key_id]

    async def generate_random(self, store: CustomKeyStore, number_of_bytes: int) -> bytes:
        self._note("generate_random", store)
        return b"\x42" * number_of_bytes

    async def wrap(
        self, store: CustomKeyStore, xks_key_id: str, plaintext: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        self._note("wrap", store)
        self.asked.append(on_behalf)
        nonce = os.urandom(12)
        return nonce + AESGCM(self._secret).encrypt(nonce, plaintext, xks_key_id.encode() + b"/" + aad)

    async def unwrap(
        self, store: CustomKeyStore, xks_key_id: str, wrapped: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        self._note("unwrap", store)
        self.asked.append(on_behalf)
        try:
            return AESGCM(self._secret).decrypt(wrapped[:12], wrapped[12:], xks_key_id.encode() + b"/" + aad)
        except (InvalidTag, ValueError):
            raise ProxyFailed(ProxyFailure.CIPHERTEXT_REFUSED) from None
