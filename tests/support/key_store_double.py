"""A double of the port behind custom key stores: it obeys the test, and keeps what it was given."""

from __future__ import annotations

from strongroom.operations.key_store_backend import KeyStoreError
from strongroom.resources.custom_key_store import CustomKeyStore


class KeyStoreDouble:
    """A KeyStoreBackend. `failures` says by call what it raises next, once each time it is asked."""

    def __init__(self) -> None:
        self.failures: dict[str, KeyStoreError] = {}
        self.calls: list[str] = []
        self.seen: list[CustomKeyStore] = []
        self.keys: dict[str, str | None] = {}

    def _note(self, call: str, store: CustomKeyStore) -> None:
        self.calls.append(call)
        self.seen.append(store)
        if call in self.failures:
            raise self.failures[call]

    async def check_configuration(self, store: CustomKeyStore, before: CustomKeyStore | None) -> None:
        self._note("check_configuration", store)

    async def check_connection(self, store: CustomKeyStore) -> None:
        self._note("check_connection", store)

    async def connect(self, store: CustomKeyStore) -> None:
        self._note("connect", store)

    async def disconnect(self, store: CustomKeyStore) -> None:
        self._note("disconnect", store)

    async def create_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        self._note("create_key", store)
        self.keys[key_id] = xks_key_id

    async def delete_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        self._note("delete_key", store)
        del self.keys[key_id]

    async def generate_random(self, store: CustomKeyStore, number_of_bytes: int) -> bytes:
        self._note("generate_random", store)
        return b"\x42" * number_of_bytes
