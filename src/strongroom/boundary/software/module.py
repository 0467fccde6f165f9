"""The software cryptographic module: backing keys in this process's memory, nowhere else.

Key families each have their own file and one row for each spec and usage in families.py.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from strongroom.boundary.backing_keys import AsymmetricKey, BackingKey
from strongroom.boundary.interface import BoundaryRefused, GeneratedKey, KeyBinding, TokenRefused
from strongroom.boundary.key_hierarchy import (
    GLOBAL_REGION,
    TokenHeader,
    TokenKind,
    require_account_id,
    require_region,
)
from strongroom.boundary.messages import DATA_KEY_BYTES_MAX, RANDOM_BYTES_MAX
from strongroom.boundary.software import recipient, secret_access_keys
from strongroom.boundary.software.families import DATA_KEY_PAIR_USAGES, FAMILIES, Family
from strongroom.boundary.software.key_derivation import material_id_of
from strongroom.boundary.software.key_wrapping import NO_MATERIAL, DomainKeyRing, require_token
from strongroom.boundary.software.random_source import NoncePool
from strongroom.boundary.software.symmetric import NONCE_BYTES, SymmetricBackingKey
from strongroom.boundary.software.tickets import TicketOffice

BACKING_KEYS_MAX: Final = 8192
"""Unwrapped backing keys in memory: about 1 KiB each."""

SLOW_SPECS: Final = frozenset(key_spec for (key_spec, _), family in FAMILIES.items() if family.is_slow)

K = TypeVar("K", bound=BackingKey)


class SoftwareModule:
    """A CryptographicModule in software.

    Concurrency: one thread, and no fork after the first call. Secrets: holds the hierarchy; it has no
    repr of its own and no method that gives a key back.
    """

    def __init__(self, root_key: bytes, root_secret: bytes | None) -> None:
        """`root_secret` is the secret access key that `wrap_root_secret` wraps. Raises ValueError."""
        if root_secret is not None:
            secret_access_keys.require_secret(root_secret)
        self._root_secret = root_secret
        self._domain_keys = DomainKeyRing(root_key)
        self._tickets = TicketOffice(root_key)
        self._backing_keys: OrderedDict[bytes, BackingKey] = OrderedDict()
        self._nonces = NoncePool()

    def generate_key(self, binding: KeyBinding) -> GeneratedKey:
        return self.export_key(binding, self.prepare_key(binding)())

    def is_slow(self, key_spec: str) -> bool:
        return key_spec in SLOW_SPECS

    def prepare_key(self, binding: KeyBinding) -> Callable[[], bytes]:
        family = FAMILIES.get((binding.key_spec, binding.key_usage))
        if family is None:
            raise BoundaryRefused
        _require_place(binding)
        self._domain_keys.require_active(binding.region)
        return family.generate

    def export_key(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        """The exported key token of new material. Raises BoundaryRefused, NoActiveDomainKey."""
        _require_place(binding)
        try:
            material_id = material_id_of(material, binding.key_id)
        except ValueError:
            raise BoundaryRefused from None
        header = TokenHeader(
            TokenKind.BACKING_KEY,
            b"",
            material_id,
            binding.account_id,
            binding.region,
            binding.key_id,
            binding.key_spec,
            binding.key_usage,
        )
        return GeneratedKey(self._domain_keys.wrap(header, material), material_id.hex())

    def encrypt(self, token: bytes, key_id: bytes, plaintext: bytes, aad: bytes) -> bytes:
        return self._symmetric_key(token, key_id).encrypt(plaintext, aad, self._nonces.take(NONCE_BYTES))

    def decrypt(self, token: bytes, key_id: bytes, blob: bytes, aad: bytes) -> bytes:
        return self._symmetric_key(token, key_id).decrypt(blob, aad)

    def generate_data_key(
        self, token: bytes, key_id: bytes, number_of_bytes: int, aad: bytes
    ) -> tuple[bytes, bytes]:
        key = self._symmetric_key(token, key_id)
        if not 1 <= number_of_bytes <= DATA_KEY_BYTES_MAX:
            raise BoundaryRefused
        data_key = os.urandom(number_of_bytes)
        return data_key, key.encrypt(data_key, aad, self._nonces.take(NONCE_BYTES))

    def prepare_data_key_pair(self, token: bytes, key_id: bytes, pair_spec: str) -> Callable[[], bytes]:
        self._symmetric_key(token, key_id)
        return _pair_family(pair_spec).generate

    def export_data_key_pair(
        self, token: bytes, key_id: bytes, pair_spec: str, material: bytes, aad: bytes
    ) -> tuple[bytes, bytes, bytes]:
        key = self._symmetric_key(token, key_id)
        nobody = TokenHeader(
            TokenKind.BACKING_KEY, b"", NO_MATERIAL, "", "", "", pair_spec, DATA_KEY_PAIR_USAGES[pair_spec]
        )
        pair = _pair_family(pair_spec).load(nobody, material)
        if not isinstance(pair, AsymmetricKey):
            raise BoundaryRefused
        blob = key.encrypt(material, aad, self._nonces.take(NONCE_BYTES))
        return pair.public_key(), material, blob

    def generate_random(self, number_of_bytes: int) -> bytes:
        if not 1 <= number_of_bytes <= RANDOM_BYTES_MAX:
            raise BoundaryRefused
        return os.urandom(number_of_bytes)

    def require_recipient_key(self, public_key: bytes) -> None:
        recipient.require_recipient_key(public_key)

    def seal_for_recipient(self, public_key: bytes, plaintext: bytes) -> bytes:
        return recipient.seal_for_recipient(public_key, plaintext)

    def forget_key(self, key_id: bytes, region: str) -> None:
        destroyed = [
            token
            for token, key in self._backing_keys.items()
            if key.key_id == key_id and key.region == region
        ]
        for token in destroyed:
            del self._backing_keys[token]

    def wrap_root_secret(self, access_key_id: str, account_id: str) -> bytes:
        if self._root_secret is None:
            raise BoundaryRefused
        return self._wrap_secret(self._root_secret, access_key_id, account_id)

    def wrap_secret(self, access_key_id: str, account_id: str) -> tuple[bytes, bytes]:
        secret = secret_access_keys.generate_secret()
        return secret, self._wrap_secret(secret, access_key_id, account_id)

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: bytes, region: bytes, service: bytes
    ) -> bytes:
        parsed = require_token(token, TokenKind.SECRET_ACCESS_KEY)
        if parsed.header.key_id != access_key_id:
            raise TokenRefused
        secret = self._domain_keys.unwrap(parsed)
        return secret_access_keys.derive_signing_key(secret, date, region, service)

    def create_domain_key(self, region: str) -> tuple[bytes, bytes]:
        try:
            return self._domain_keys.create(region)
        except ValueError:
            raise BoundaryRefused from None

    def load_domain_key(self, token: bytes, activate: bool) -> None:
        self._domain_keys.load(token, activate)

    def make_ticket(self, purpose: bytes, context: bytes, text: bytes) -> bytes:
        return self._tickets.make(purpose, context, text)

    def read_ticket(self, purpose: bytes, context: bytes, ticket: bytes) -> bytes:
        return self._tickets.read(purpose, context, ticket)

    def describe(self) -> Mapping[str, str]:
        return {
            "module": "software",
            "domain keys in memory": str(len(self._domain_keys)),
            "backing keys in memory": str(len(self._backing_keys)),
        }

    def _symmetric_key(self, token: bytes, key_id: bytes) -> SymmetricBackingKey:
        key = self._backing_key(token, key_id)
        if type(key) is not SymmetricBackingKey:
            raise BoundaryRefused
        return key

    def key_of(self, kind: type[K], token: bytes, key_id: bytes) -> K:
        """The backing key of a token, if it is of that kind (strongroom.boundary.backing_keys).

        Raises BoundaryRefused for another kind, and what every call may raise.
        """
        key = self._backing_key(token, key_id)
        if not isinstance(key, kind):
            raise BoundaryRefused
        return key

    def _backing_key(self, token: bytes, key_id: bytes) -> BackingKey:
        backing_keys = self._backing_keys
        key = backing_keys.get(token)
        if key is None:
            key = self._unwrap(token)
            backing_keys[token] = key
            if len(backing_keys) > BACKING_KEYS_MAX:
                backing_keys.popitem(last=False)
        else:
            backing_keys.move_to_end(token)
        # INVARIANT B2: the token must be bound to the key that the caller was authorized for.
        if key.key_id != key_id:
            raise TokenRefused
        return key

    def _unwrap(self, token_bytes: bytes) -> BackingKey:
        token = require_token(token_bytes, TokenKind.BACKING_KEY)
        family = FAMILIES.get((token.header.key_spec, token.header.key_usage))
        material = self._domain_keys.unwrap(token)
        if family is None:  # authentic, but of a later version
            raise BoundaryRefused
        try:
            return family.load(token.header, material)
        except ValueError:  # authentic, and yet not of its spec
            raise TokenRefused from None

    def _wrap_secret(self, secret: bytes, access_key_id: str, account_id: str) -> bytes:
        header = TokenHeader(
            TokenKind.SECRET_ACCESS_KEY, b"", NO_MATERIAL, account_id, GLOBAL_REGION, access_key_id, "", ""
        )
        try:
            return self._domain_keys.wrap(header, secret)
        except ValueError:
            raise BoundaryRefused from None


def _require_place(binding: KeyBinding) -> None:
    """Raises BoundaryRefused."""
    try:
        require_region(binding.region)
        require_account_id(binding.account_id)
    except ValueError:
        raise BoundaryRefused from None


def _pair_family(pair_spec: str) -> Family:
    """Raises BoundaryRefused."""
    family = FAMILIES.get((pair_spec, DATA_KEY_PAIR_USAGES.get(pair_spec, "")))
    if family is None:
        raise BoundaryRefused
    return family
