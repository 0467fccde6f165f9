"""The cryptographic module with a PKCS#11 token: backing keys are in the token, and nowhere else.

Domain keys live in the token, and wrap and unwrap only; a backing key is there as a session object while it
is in use. What the token cannot do is refused by name. Credentials, tickets and the secrets of key stores are
the software module's, under the root key that the seal opened.
"""

from __future__ import annotations

import os
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from strongroom.boundary.backing_keys import BackingKey
from strongroom.boundary.ciphertext_format import render_key_id
from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import (
    BoundaryRefused,
    BoundaryUnavailable,
    GeneratedKey,
    ImportBinding,
    ImportParameters,
    KeyBinding,
    KeySpecNotOffered,
    NotInToken,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import (
    MATERIAL_ID_BYTES,
    WRAPPING_KEY_ID_BYTES,
    Token,
    TokenHeader,
    TokenKind,
    parse_token,
    render_header,
    require_account_id,
    require_region,
)
from strongroom.boundary.messages import (
    DATA_KEY_BYTES_MAX,
    PKCS11_FACT,
    RANDOM_BYTES_MAX,
    SLOW_KEY_SPECS,
)
from strongroom.boundary.pkcs11.connection import TokenConnection
from strongroom.boundary.pkcs11.errors import ReturnedError
from strongroom.boundary.pkcs11.families import Family
from strongroom.boundary.pkcs11.family_trials import offered_families
from strongroom.boundary.pkcs11.held_keys import HeldKey, HeldSymmetricKey
from strongroom.boundary.pkcs11.resident_keys import ResidentKey, ResidentKeys, split_domain_key_token
from strongroom.boundary.pkcs11.shortcomings import MATERIAL_STAYS, shortcoming
from strongroom.boundary.pkcs11.token import Token as PkcsToken
from strongroom.boundary.pkcs11.wrapped_key_format import (
    MAC_BYTES,
    parse_wrapped_key,
    render_wrapped_key,
)
from strongroom.boundary.software.families import DATA_KEY_PAIR_USAGES
from strongroom.boundary.software.module import IMPORTED, SoftwareModule
from strongroom.boundary.software.public_keys import public_half
from strongroom.confinement.sandbox import OpenDoors

HELD_KEYS_MAX: Final = 4096
"""Session objects in the token."""
_OPENING: Final = struct.Struct(">Q")
_TOKEN_FAILED: Final = b""
"""Instead of material."""
_NO_DOMAIN_KEY: Final = bytes(WRAPPING_KEY_ID_BYTES)

K = TypeVar("K", bound=BackingKey)
T = TypeVar("T")


class Pkcs11Module:
    """A CryptographicModule whose backing keys a token holds.

    Concurrency: one thread; what `prepare_...` of slow specs gives works in any. Secrets: no value
    of a backing or domain key ever comes here.
    """

    def __init__(
        self, software: SoftwareModule, connection: TokenConnection, doors: OpenDoors | None = None
    ) -> None:
        """Tries all key families on the token. Raises ReturnedError."""
        self.doors = doors
        self._software = software
        self._connection = connection
        families, self._missing = offered_families(connection.token, connection.wrapping_mechanism)
        # A spec that this server refuses everywhere (approved_only) is refused in a token, too.
        self._families = {pair: family for pair, family in families.items() if software.offers(pair[0])}
        self._resident = ResidentKeys(connection)
        self._keys: OrderedDict[bytes, HeldKey] = OrderedDict()
        self._opened = connection.opened
        # What concerns no backing key is the software module's.
        self.require_recipient_key = software.require_recipient_key
        self.seal_for_recipient = software.seal_for_recipient
        self.wrap_root_secret = software.wrap_root_secret
        self.create_access_key_secret = software.create_access_key_secret
        self.wrap_store_secret = software.wrap_store_secret
        self.make_transport_key = software.make_transport_key
        self.seal_store_secret = software.seal_store_secret
        self.derive_store_signing_key = software.derive_store_signing_key
        self.derive_signing_key = software.derive_signing_key
        self.checkpoints = software.checkpoints
        self.make_ticket = software.make_ticket
        self.read_ticket = software.read_ticket
        self.create_proxy_secret = software.create_proxy_secret
        self.derive_proxy_signing_key = software.derive_proxy_signing_key
        self.create_replication_key = software.create_replication_key

    # --- domain keys

    def create_domain_key(self, region: str, generation: int = 1) -> tuple[bytes, bytes]:
        domain_key_id, software_token = self._software.create_domain_key(region, generation)
        return domain_key_id, self._resident.create(domain_key_id, software_token)

    def load_domain_key(self, token: bytes, activate: bool) -> None:
        software_token, _ = split_domain_key_token(token)
        self._software.load_domain_key(software_token, activate)
        header = parse_token(software_token).header
        self._resident.load(header, token, activate and self._software.is_active(header))

    def forget_domain_key(self, token_bytes: bytes) -> bytes:
        """Destroys it in the token, too, for ever. Raises BoundaryUnavailable: it may still be there."""
        software_token, _ = split_domain_key_token(token_bytes)
        domain_key_id = self._software.forget_domain_key(software_token)
        for token in [token for token, key in self._keys.items() if key.domain_key_id == domain_key_id]:
            self._keys.pop(token).destroy()
        self._resident.destroy(domain_key_id)
        return domain_key_id

    def vouch_for_domain_key(self, token_bytes: bytes, alone: bool) -> bytes:
        software_token, _ = split_domain_key_token(token_bytes)
        anchor = self._software.vouch_for_domain_key(software_token, alone)
        retired = [token for token, key in self._keys.items() if self._software.is_retired(key.domain_key_id)]
        for token in retired:
            self._keys.pop(token).destroy()
        return anchor

    def rewrap(self, token_bytes: bytes, origin: str, domain_key_id: bytes) -> bytes:
        if token_bytes[1:2] != bytes([TokenKind.TOKEN_KEY]):
            return self._software.rewrap(token_bytes, origin, domain_key_id)
        header, body, mac = _split_token(token_bytes)
        if header.origin not in ("", origin):
            raise TokenRefused
        active = self._resident.active(header.region)
        if active.domain_key_id != domain_key_id:
            raise NoActiveDomainKey(header.region)
        before = self._resident.find(header.wrapping_key_id, header.region)
        self._software.require_serving(header)
        self._resident.require_bound(before, token_bytes[: -len(mac)], mac)
        family = self._families.get((header.key_spec, header.key_usage))
        if family is None:
            raise KeySpecNotOffered
        try:
            wrapped = parse_wrapped_key(body)
            unbound = render_header(replace(header, wrapping_key_id=domain_key_id, origin=origin))
        except ValueError:
            raise TokenRefused from None
        mechanism = self._connection.wrapping_mechanism
        rewrapped = self._connection.run(
            before.domain_key_id,
            lambda token: family.rewrap(token, before.wraps, active.wraps, mechanism, wrapped.wrapped),
        )
        unbound += render_wrapped_key(replace(wrapped, wrapped=rewrapped))
        return unbound + self._resident.bind(active, unbound)

    # --- backing keys

    def generate_key(self, binding: KeyBinding) -> GeneratedKey:
        return self.export_key(binding, self.prepare_key(binding)())

    def require_key_spec(self, key_spec: str) -> None:
        if not any(key_spec == offered for offered, _ in self._families):
            raise self._not_offered(key_spec, "")

    def _not_offered(self, key_spec: str, key_usage: str) -> BoundaryRefused:
        if not self._software.offers(key_spec):
            return BoundaryRefused()
        return shortcoming(key_spec, key_usage, self._missing)

    def is_slow(self, key_spec: str) -> bool:
        return key_spec in SLOW_KEY_SPECS

    def prepare_key(self, binding: KeyBinding) -> Callable[[], bytes]:
        family = self._families.get((binding.key_spec, binding.key_usage))
        if binding.origin == IMPORTED:
            raise BoundaryRefused
        if family is None:
            raise self._not_offered(binding.key_spec, binding.key_usage)
        _header_of(binding, _NO_DOMAIN_KEY, bytes(MATERIAL_ID_BYTES))
        domain_key = self._resident.active(binding.region)
        mechanism = self._connection.wrapping_mechanism
        made_by = _OPENING.pack(self._connection.opened) + domain_key.domain_key_id
        if not self.is_slow(binding.key_spec):
            return lambda: (
                made_by
                + self._connection.run(
                    domain_key.domain_key_id,
                    lambda token: render_wrapped_key(family.generate(token, domain_key.wraps, mechanism)),
                )
            )
        token = self._connection.token

        def generate_in_any_thread() -> bytes:
            try:
                made = _on_own_sessions(token, lambda own: family.generate(own, domain_key.wraps, mechanism))
            except ReturnedError:
                return _TOKEN_FAILED
            return made_by + render_wrapped_key(made)

        return generate_in_any_thread

    def export_key(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        """The exported key token of a key that `prepare_key` made: its name and spec, bound to it."""
        _require_made(material)
        (opening,) = _OPENING.unpack_from(material)
        body_at = _OPENING.size + WRAPPING_KEY_ID_BYTES
        domain_key_id, body = material[_OPENING.size : body_at], material[body_at:]
        if opening != self._connection.opened:  # wrapped by a handle that may have been another key's
            raise DomainKeyUnknown(domain_key_id)
        header = _header_of(binding, domain_key_id, os.urandom(MATERIAL_ID_BYTES))
        domain_key = self._resident.find(domain_key_id, binding.region)
        unbound = render_header(header) + body
        return GeneratedKey(unbound + self._resident.bind(domain_key, unbound), header.material_id.hex())

    def forget_key(self, key_id: bytes, region: str) -> None:
        for token in [
            token for token, key in self._keys.items() if key.key_id == key_id and key.region == region
        ]:
            self._keys.pop(token).destroy()

    def key_of(self, kind: type[K], token: bytes, key_id: bytes) -> K:
        key = self._key(token, key_id)
        if not isinstance(key, kind):
            raise BoundaryRefused
        return key

    def _symmetric_key(self, token: bytes, key_id: bytes) -> HeldSymmetricKey:
        return self.key_of(HeldSymmetricKey, token, key_id)

    def _key(self, token: bytes, key_id: bytes) -> HeldKey:
        opening = self._connection.current_opening()
        if self._opened != opening:  # every handle of before means nothing
            self._opened = opening
            self._keys.clear()
        key = self._keys.get(token)
        if key is None:
            key = self._unwrap(token)
            self._keys[token] = key
            if len(self._keys) > HELD_KEYS_MAX:
                self._keys.popitem(last=False)[1].destroy()
        else:
            self._keys.move_to_end(token)
        # INVARIANT B2: the token must be bound to the key that the caller was authorized for.
        if key.key_id != key_id:
            raise TokenRefused
        return key

    def _unwrap(self, token_bytes: bytes) -> HeldKey:
        header, body, mac = _split_token(token_bytes)
        domain_key = self._resident.find(header.wrapping_key_id, header.region)
        self._software.require_serving(header)
        self._resident.require_bound(domain_key, token_bytes[: -len(mac)], mac)
        family = self._families.get((header.key_spec, header.key_usage))
        if family is None:
            raise KeySpecNotOffered
        return self._load(family, header, domain_key, body)

    def _load(self, family: Family, header: TokenHeader, domain_key: ResidentKey, body: bytes) -> HeldKey:
        try:
            wrapped = parse_wrapped_key(body)
        except ValueError:  # authentic, and yet none
            raise TokenRefused from None
        mechanism = self._connection.wrapping_mechanism
        handle = self._connection.run(
            domain_key.domain_key_id,
            lambda token: family.unwrap(token, domain_key.wraps, mechanism, wrapped.wrapped),
        )
        return family.load(self._connection, header, handle, wrapped.public_key)

    # --- what keys do

    def encrypt(self, token: bytes, key_id: bytes, plaintext: bytes, aad: bytes) -> bytes:
        return self._symmetric_key(token, key_id).encrypt(plaintext, aad)

    def decrypt(self, token: bytes, key_id: bytes, blob: bytes, aad: bytes) -> bytes:
        return self._symmetric_key(token, key_id).decrypt(blob, aad)

    def generate_data_key(
        self, token: bytes, key_id: bytes, number_of_bytes: int, aad: bytes
    ) -> tuple[bytes, bytes]:
        key = self._symmetric_key(token, key_id)
        if not 1 <= number_of_bytes <= DATA_KEY_BYTES_MAX:
            raise BoundaryRefused
        data_key = self._random(number_of_bytes, key.domain_key_id)
        return data_key, key.encrypt(data_key, aad)

    def generate_random(self, number_of_bytes: int) -> bytes:
        if not 1 <= number_of_bytes <= RANDOM_BYTES_MAX:
            raise BoundaryRefused
        return self._random(number_of_bytes, _NO_DOMAIN_KEY)

    def _random(self, number_of_bytes: int, domain_key_id: bytes) -> bytes:
        return self._connection.run(domain_key_id, lambda token: token.random(number_of_bytes))

    def prepare_data_key_pair(self, token: bytes, key_id: bytes, pair_spec: str) -> Callable[[], bytes]:
        self._symmetric_key(token, key_id)
        family = self._pair_family(pair_spec)
        pkcs11_token = self._connection.token

        def generate_in_any_thread() -> bytes:
            try:
                return _on_own_sessions(pkcs11_token, family.generate_plain)
            except ReturnedError:
                return _TOKEN_FAILED

        return generate_in_any_thread

    def export_data_key_pair(
        self, token: bytes, key_id: bytes, pair_spec: str, material: bytes, aad: bytes
    ) -> tuple[bytes, bytes, bytes]:
        key = self._symmetric_key(token, key_id)
        self._pair_family(pair_spec)
        _require_made(material)
        return public_half(material), material, key.encrypt(material, aad)

    def _pair_family(self, pair_spec: str) -> Family:
        """Raises BoundaryRefused, NotInToken."""
        usage = DATA_KEY_PAIR_USAGES.get(pair_spec, "")
        family = self._families.get((pair_spec, usage))
        if family is None:
            raise self._not_offered(pair_spec, usage)
        return family

    # --- what a token does not do: material goes neither in nor out

    def require_movable_keys(self) -> None:
        raise NotInToken(MATERIAL_STAYS)

    def prepare_wrapping_key(self, binding: ImportBinding) -> Callable[[], bytes]:
        raise NotInToken(MATERIAL_STAYS)

    def export_wrapping_key(
        self, binding: ImportBinding, ends_at_microseconds: int, wrapping_key: bytes
    ) -> ImportParameters:
        raise NotInToken(MATERIAL_STAYS)

    def prepare_import(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> Callable[[], bytes]:
        raise NotInToken(MATERIAL_STAYS)

    def export_import(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        raise NotInToken(MATERIAL_STAYS)

    def export_for_region(self, token: bytes, key_id: bytes, receiving_token: bytes) -> bytes:
        raise NotInToken(MATERIAL_STAYS)

    def import_from_region(self, message: bytes, receiving_token: bytes, binding: KeyBinding) -> GeneratedKey:
        raise NotInToken(MATERIAL_STAYS)

    def describe(self) -> Mapping[str, str]:
        return {
            "module": f"PKCS#11: {self._connection.description}",
            PKCS11_FACT: self._connection.describe(),
            "audit checkpoint key": self.checkpoints.key_id,
            "domain keys in the token": str(len(self._resident)),
            "backing keys in the token": str(len(self._keys)),
            **{f"not offered: {name}": why for name, why in self._missing.items()},
        }


def _on_own_sessions(token: PkcsToken, make: Callable[[PkcsToken], T]) -> T:
    """What a thread beside the loop makes, by sessions of its own. Raises ReturnedError."""
    own = token.another()
    try:
        return make(own)
    finally:
        own.close()


def _require_made(material: bytes) -> None:
    """A token that failed beside the loop fails the request; it does not refuse the key spec."""
    if material == _TOKEN_FAILED:
        raise BoundaryUnavailable


def _split_token(token_bytes: bytes) -> tuple[TokenHeader, bytes, bytes]:
    """Header, body and HMAC of a token of kind 12. Raises TokenRefused, KeySpecNotOffered."""
    try:
        token: Token = parse_token(token_bytes)
    except ValueError:
        raise TokenRefused from None
    if token.header.kind is TokenKind.BACKING_KEY:  # made in software, and used nowhere else
        raise KeySpecNotOffered
    rest = token_bytes[len(token.header_bytes) :]
    if token.header.kind is not TokenKind.TOKEN_KEY or len(rest) <= MAC_BYTES:
        raise TokenRefused
    return token.header, rest[:-MAC_BYTES], rest[-MAC_BYTES:]


def _header_of(binding: KeyBinding, domain_key_id: bytes, material_id: bytes) -> TokenHeader:
    """What a token will be bound to. Raises BoundaryRefused."""
    header = TokenHeader(
        TokenKind.TOKEN_KEY,
        domain_key_id,
        material_id,
        binding.account_id,
        binding.region,
        binding.key_id,
        binding.key_spec,
        binding.key_usage,
        binding.origin,
    )
    try:
        require_region(binding.region)
        require_account_id(binding.account_id)
        render_key_id(binding.key_id)
        render_header(header)
    except ValueError:
        raise BoundaryRefused from None
    return header
