"""The calls of the external key store proxy; part of `BoundaryClient`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from strongroom.boundary.messages import Opcode, parse_fields
from strongroom.reply import Reply


class ProxyCalls(ABC):
    """Its callers' secrets, and keys in an external key's place."""

    @abstractmethod
    def _call(
        self,
        opcode: int,
        parse: Callable[[bytes], Any] | None,
        *fields: bytes,
        patience_seconds: float | None = None,
    ) -> Reply[Any]: ...

    def create_proxy_secret(self, access_key_id: str) -> Awaitable[tuple[str, bytes]]:
        return self._call(Opcode.CREATE_PROXY_SECRET, _parse_new_secret, access_key_id.encode())

    def derive_proxy_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str
    ) -> Awaitable[bytes]:
        scope = map(str.encode, (access_key_id, date, region))
        return self._call(Opcode.DERIVE_PROXY_SIGNING_KEY, None, token, *scope)

    def xks_encrypt(self, token: bytes, key_id: str, plaintext: bytes, aad: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.XKS_ENCRYPT, None, token, key_id.encode(), plaintext, aad)

    def xks_decrypt(self, token: bytes, key_id: str, sealed: bytes, aad: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.XKS_DECRYPT, None, token, key_id.encode(), sealed, aad)


def _parse_new_secret(body: bytes) -> tuple[str, bytes]:
    secret, token = parse_fields(body, 2)
    return secret.decode("ascii"), token
