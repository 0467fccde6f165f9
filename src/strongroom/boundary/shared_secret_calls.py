"""The calls of a worker that concern MACs, key agreement and key encapsulation; part of `BoundaryClient`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from strongroom.boundary.asymmetric_calls import parse_nothing
from strongroom.boundary.messages import Opcode, parse_fields
from strongroom.reply import Reply


class SharedSecretCalls(ABC):
    """What two parties do who have a secret together, and how they come to have it."""

    @abstractmethod
    def _call(
        self,
        opcode: int,
        parse: Callable[[bytes], Any] | None,
        *fields: bytes,
        patience_seconds: float | None = None,
    ) -> Reply[Any]: ...

    def generate_mac(self, token: bytes, key_id: str, message: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.GENERATE_MAC, None, token, key_id.encode(), message)

    def verify_mac(self, token: bytes, key_id: str, message: bytes, mac: bytes) -> Awaitable[None]:
        return self._call(Opcode.VERIFY_MAC, parse_nothing, token, key_id.encode(), message, mac)

    def derive_shared_secret(self, token: bytes, key_id: str, peer_public_key: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.DERIVE_SHARED_SECRET, None, token, key_id.encode(), peer_public_key)

    def encapsulate(self, token: bytes, key_id: str) -> Awaitable[tuple[bytes, bytes]]:
        return self._call(Opcode.ENCAPSULATE, _parse_encapsulated, token, key_id.encode())

    def decapsulate(self, token: bytes, key_id: str, ciphertext: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.DECAPSULATE, None, token, key_id.encode(), ciphertext)


def _parse_encapsulated(body: bytes) -> tuple[bytes, bytes]:
    shared_secret, ciphertext = parse_fields(body, 2)
    return shared_secret, ciphertext
