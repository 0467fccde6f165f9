"""Requests of the external key store proxy: its callers' secrets, and keys in an external key's place.

Part of the dispatcher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from strongroom.boundary.backing_keys import BackingKey, ProxiedKey
from strongroom.boundary.messages import Opcode, parse_fields, parse_four_fields, render_fields

K = TypeVar("K", bound=BackingKey)


class ProxyModule(Protocol):
    """What of a cryptographic module these requests need; see dispatch.CryptographicModule."""

    def key_of(self, kind: type[K], token: bytes, key_id: bytes) -> K: ...

    def create_proxy_secret(self, access_key_id: str) -> tuple[bytes, bytes]: ...

    def derive_proxy_signing_key(
        self, token: bytes, access_key_id: str, date: bytes, region: bytes
    ) -> bytes: ...


class ProxyRequests:
    """The proxy's requests. Concurrency: one thread."""

    def __init__(self, module: ProxyModule) -> None:
        self._module = module
        self.handlers: Mapping[int, Callable[[bytes], bytes]] = {
            Opcode.CREATE_PROXY_SECRET: self._create_secret,
            Opcode.DERIVE_PROXY_SIGNING_KEY: self._derive_signing_key,
            Opcode.XKS_ENCRYPT: self._encrypt,
            Opcode.XKS_DECRYPT: self._decrypt,
        }

    def _create_secret(self, body: bytes) -> bytes:
        (access_key_id,) = parse_fields(body, 1)
        return render_fields(*self._module.create_proxy_secret(access_key_id.decode("ascii")))

    def _derive_signing_key(self, body: bytes) -> bytes:
        token, access_key_id, date, region = parse_four_fields(body)
        return self._module.derive_proxy_signing_key(token, access_key_id.decode("ascii"), date, region)

    def _encrypt(self, body: bytes) -> bytes:
        token, key_id, plaintext, aad = parse_four_fields(body)
        return self._module.key_of(ProxiedKey, token, key_id).encrypt_external(plaintext, aad)

    def _decrypt(self, body: bytes) -> bytes:
        token, key_id, sealed, aad = parse_four_fields(body)
        return self._module.key_of(ProxiedKey, token, key_id).decrypt_external(sealed, aad)
