"""Requests that concern MACs, key agreement and key encapsulation. Part of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from strongroom.boundary.backing_keys import AgreementKey, BackingKey, EncapsulationKey, MacKey
from strongroom.boundary.messages import Opcode, parse_fields, parse_four_fields, render_fields

K = TypeVar("K", bound=BackingKey)


class KeyModule(Protocol):
    """What of a cryptographic module these requests need; see dispatch.CryptographicModule."""

    def key_of(self, kind: type[K], token: bytes, key_id: bytes) -> K:
        """The backing key of a token, if it is of that kind (strongroom.boundary.backing_keys)."""
        ...


class SharedSecretRequests:
    """MACs, shared secrets. Concurrency: one thread."""

    def __init__(self, module: KeyModule) -> None:
        self._module = module
        self.handlers: Mapping[int, Callable[[bytes], bytes]] = {
            Opcode.GENERATE_MAC: self._generate_mac,
            Opcode.VERIFY_MAC: self._verify_mac,
            Opcode.DERIVE_SHARED_SECRET: self._derive_shared_secret,
            Opcode.ENCAPSULATE: self._encapsulate,
            Opcode.DECAPSULATE: self._decapsulate,
        }

    def _generate_mac(self, body: bytes) -> bytes:
        token, key_id, message = parse_fields(body, 3)
        return self._module.key_of(MacKey, token, key_id).generate_mac(message)

    def _verify_mac(self, body: bytes) -> bytes:
        token, key_id, message, mac = parse_four_fields(body)
        self._module.key_of(MacKey, token, key_id).verify_mac(message, mac)
        return b""

    def _derive_shared_secret(self, body: bytes) -> bytes:
        token, key_id, peer_public_key = parse_fields(body, 3)
        return self._module.key_of(AgreementKey, token, key_id).derive_shared_secret(peer_public_key)

    def _encapsulate(self, body: bytes) -> bytes:
        token, key_id = parse_fields(body, 2)
        return render_fields(*self._module.key_of(EncapsulationKey, token, key_id).encapsulate())

    def _decapsulate(self, body: bytes) -> bytes:
        token, key_id, ciphertext = parse_fields(body, 3)
        return self._module.key_of(EncapsulationKey, token, key_id).decapsulate(ciphertext)
