"""The software cryptographic module: backing keys in this process's memory, nowhere else.

Key families each have their own file and one row for each spec and usage in families.py.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import cryptography
from cryptography.hazmat.backends.openssl.backend import backend as openssl

from strongroom.boundary.backing_keys import AsymmetricKey, BackingKey
from strongroom.boundary.domain_key_anchor import ANCHOR_PURPOSE
from strongroom.boundary.interface import (
    BoundaryRefused,
    GeneratedKey,
    ImportBinding,
    ImportParameters,
    ImportTokenExpired,
    KeyBinding,
    KeySpecNotOffered,
    MaterialRefused,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import (
    GLOBAL_REGION,
    Token,
    TokenHeader,
    TokenKind,
    parse_token,
    wrapping_key_id_of,
)
from strongroom.boundary.messages import DATA_KEY_BYTES_MAX, RANDOM_BYTES_MAX
from strongroom.boundary.secret_transport import TransportKeys, TransportKeyUnknown
from strongroom.boundary.software import imported_material, pair_consistency, recipient, secret_access_keys
from strongroom.boundary.software.anchors import make_anchor, read_anchor
from strongroom.boundary.software.bindings import backing_key_header, require_place
from strongroom.boundary.software.checkpoints import CheckpointSigner
from strongroom.boundary.software.families import DATA_KEY_PAIR_USAGES, FAMILIES, LIBCRYPTO, Families, Family
from strongroom.boundary.software.key_wrapping import NO_MATERIAL, DomainKeyRing, require_token
from strongroom.boundary.software.new_keys import new_material, nobodys
from strongroom.boundary.software.random_source import NoncePool
from strongroom.boundary.software.replication import Replication, require_multi_region
from strongroom.boundary.software.symmetric import NONCE_BYTES, SymmetricBackingKey
from strongroom.boundary.software.tickets import TicketOffice
from strongroom.confinement.sandbox import OpenDoors

BACKING_KEYS_MAX: Final = 8192
"""Unwrapped backing keys in memory: about 1 KiB each."""

SLOW_SPECS: Final = frozenset(key_spec for (key_spec, _), family in FAMILIES.items() if family.is_slow)

GENERATED: Final = "AWS_KMS"
IMPORTED: Final = "EXTERNAL"
"""The two origins that say which calls key material may come and go by."""

REWRAPPED_KINDS: Final = frozenset(
    (
        TokenKind.BACKING_KEY,
        TokenKind.SECRET_ACCESS_KEY,
        TokenKind.STORE_SECRET,
        TokenKind.REPLICATION_KEY,
        TokenKind.PROXY_CREDENTIAL,
    )
)
"""What the store keeps under domain keys. Import tokens are their callers', and end soon."""

STORE_SECRET_BYTES_MAX: Final = 128
"""A password of 32 characters in UTF-8, or a proxy's secret access key of 64."""

PROXY_SERVICE: Final = b"kms-xks-proxy"
"""In the scope of requests to external key store proxies: the secret signs for nothing else."""

K = TypeVar("K", bound=BackingKey)


class SoftwareModule:
    """A CryptographicModule in software.

    Concurrency: one thread, and no fork after the first call. Secrets: holds the hierarchy; it has no
    repr of its own and no method that gives a key back.
    """

    doors: OpenDoors | None = None

    def __init__(
        self,
        root_key: bytes,
        root_secret: bytes | None,
        families: Families = FAMILIES,
        anchor: bytes = b"",
    ) -> None:
        """`root_secret` is the secret access key that `wrap_root_secret` wraps. Raises ValueError.

        `families` are the keys that it makes and uses. `anchor` is what a module with this root key has last
        given as one; empty: none has. Raises AnchorRefused for any other.
        """
        if root_secret is not None:
            secret_access_keys.require_secret(root_secret)
        self._root_secret = root_secret
        self._transport_keys = TransportKeys()
        self._families = families
        self._tickets = TicketOffice(root_key)
        self.checkpoints = CheckpointSigner(root_key)
        self._domain_keys = DomainKeyRing(root_key, read_anchor(self._tickets, anchor))
        self._replication = Replication(root_key, self._domain_keys)
        self._backing_keys: OrderedDict[bytes, BackingKey] = OrderedDict()
        self._nonces = NoncePool()

    def generate_key(self, binding: KeyBinding) -> GeneratedKey:
        return self.export_key(binding, self.prepare_key(binding)())

    def require_key_spec(self, key_spec: str) -> None:
        if not self.offers(key_spec):
            raise BoundaryRefused

    def offers(self, key_spec: str) -> bool:
        """Whether keys of the spec are made and used at all."""
        return any(key_spec == offered for offered, _ in self._families)

    def require_movable_keys(self) -> None:
        """All are: this module has their material."""

    def is_slow(self, key_spec: str) -> bool:
        return key_spec in SLOW_SPECS

    def prepare_key(self, binding: KeyBinding) -> Callable[[], bytes]:
        family = self._families.get((binding.key_spec, binding.key_usage))
        if family is None or binding.origin == IMPORTED:
            raise BoundaryRefused
        require_place(binding)
        self._domain_keys.require_active(binding.region)
        return partial(new_material, binding.key_spec, binding.key_usage, family)

    def export_key(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        """The exported key token of new material. Raises BoundaryRefused, NoActiveDomainKey."""
        header = backing_key_header(binding, material)
        return GeneratedKey(self._domain_keys.wrap(header, material), header.material_id.hex())

    def get_import_parameters(self, binding: ImportBinding, ends_at_microseconds: int) -> ImportParameters:
        return self.export_wrapping_key(binding, ends_at_microseconds, self.prepare_wrapping_key(binding)())

    def import_key_material(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> GeneratedKey:
        take_in = self.prepare_import(import_token, now_microseconds, encrypted_material, binding)
        return self.export_import(binding, take_in())

    def prepare_wrapping_key(self, binding: ImportBinding) -> Callable[[], bytes]:
        header = imported_material.import_token_header(binding)
        self.require_key_spec(binding.wrapping_key_spec)
        self._domain_keys.require_active(header.region)
        return partial(imported_material.generate_wrapping_key, binding.wrapping_key_spec)

    def export_wrapping_key(
        self, binding: ImportBinding, ends_at_microseconds: int, wrapping_key: bytes
    ) -> ImportParameters:
        header = imported_material.import_token_header(binding)
        secret = imported_material.render_import_secret(ends_at_microseconds, wrapping_key)
        return ImportParameters(
            imported_material.public_half(binding.wrapping_key_spec, wrapping_key),
            self._domain_keys.wrap(header, secret),
        )

    def prepare_import(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> Callable[[], bytes]:
        family = self._families.get((binding.key_spec, binding.key_usage))
        if family is None or binding.origin != IMPORTED:
            raise BoundaryRefused
        token = imported_material.require_import_token(import_token, binding)
        if not self.offers(token.header.key_spec):  # its wrapping key could be made when it was
            raise TokenRefused
        ends_at, private_key = imported_material.parse_import_secret(self._domain_keys.unwrap(token))
        if now_microseconds >= ends_at:
            raise ImportTokenExpired
        unwrapped = imported_material.unwrap_material(private_key, token.header.key_usage, encrypted_material)

        def take_in() -> bytes:
            try:
                material = imported_material.canonical_material(binding.key_spec, unwrapped)
                pair_consistency.require_consistent(
                    binding.key_spec, family.load(nobodys(binding.key_spec, binding.key_usage), material)
                )
            except (ValueError, pair_consistency.Inconsistent):
                return b""
            return material

        return take_in

    def export_import(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        family = self._families.get((binding.key_spec, binding.key_usage))
        if family is None or not material:
            raise MaterialRefused
        try:
            family.load(backing_key_header(binding, material), material)
        except ValueError:
            raise MaterialRefused from None
        return self.export_key(binding, material)

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
        family = self._pair_family(pair_spec)
        return partial(new_material, pair_spec, DATA_KEY_PAIR_USAGES[pair_spec], family)

    def export_data_key_pair(
        self, token: bytes, key_id: bytes, pair_spec: str, material: bytes, aad: bytes
    ) -> tuple[bytes, bytes, bytes]:
        key = self._symmetric_key(token, key_id)
        nobody = nobodys(pair_spec, DATA_KEY_PAIR_USAGES[pair_spec])
        pair = self._pair_family(pair_spec).load(nobody, material)
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
        self._forget_tokens(lambda _, key: key.key_id == key_id and key.region == region)

    def _forget_tokens(self, is_forgotten: Callable[[bytes, BackingKey], bool]) -> None:
        for token in [token for token, key in self._backing_keys.items() if is_forgotten(token, key)]:
            del self._backing_keys[token]

    def wrap_root_secret(self, access_key_id: str, account_id: str) -> bytes:
        if self._root_secret is None:
            raise BoundaryRefused
        return self._wrap_secret(self._root_secret, access_key_id, account_id)

    def create_access_key_secret(self, access_key_id: str, account_id: str) -> tuple[bytes, bytes]:
        secret = secret_access_keys.generate_secret()
        return secret, self._wrap_secret(secret, access_key_id, account_id)

    def wrap_store_secret(self, account_id: str, region: str, store_id: str, secret: bytes) -> bytes:
        if not 1 <= len(secret) <= STORE_SECRET_BYTES_MAX:
            raise BoundaryRefused
        header = TokenHeader(TokenKind.STORE_SECRET, b"", NO_MATERIAL, account_id, region, store_id, "", "")
        try:
            return self._domain_keys.wrap(header, secret)
        except ValueError:
            raise BoundaryRefused from None

    def make_transport_key(self, cluster: str) -> bytes:
        return self._transport_keys.make(cluster)

    def seal_store_secret(
        self, token: bytes, account_id: str, region: str, store_id: str, cluster: str
    ) -> bytes:
        secret = self._open_store_secret(token, account_id, region, store_id)
        try:
            return self._transport_keys.seal(cluster, store_id, secret)
        except TransportKeyUnknown:
            raise BoundaryRefused from None

    def _open_store_secret(self, token: bytes, account_id: str, region: str, store_id: str) -> bytes:
        parsed = require_token(token, TokenKind.STORE_SECRET)
        header = parsed.header
        if (header.account_id, header.region, header.key_id) != (account_id, region, store_id):
            raise TokenRefused
        return self._domain_keys.unwrap(parsed)

    def derive_store_signing_key(
        self, token: bytes, account_id: str, region: str, store_id: str, date: bytes
    ) -> bytes:
        secret = self._open_store_secret(token, account_id, region, store_id)
        return secret_access_keys.derive_signing_key(secret, date, region.encode("ascii"), PROXY_SERVICE)

    def create_proxy_secret(self, access_key_id: str) -> tuple[bytes, bytes]:
        secret = secret_access_keys.generate_proxy_secret()
        header = TokenHeader(
            TokenKind.PROXY_CREDENTIAL, b"", NO_MATERIAL, "", GLOBAL_REGION, access_key_id, "", ""
        )
        try:
            return secret, self._domain_keys.wrap(header, secret)
        except ValueError:
            raise BoundaryRefused from None

    def derive_proxy_signing_key(self, token: bytes, access_key_id: str, date: bytes, region: bytes) -> bytes:
        parsed = require_token(token, TokenKind.PROXY_CREDENTIAL)
        if parsed.header.key_id != access_key_id:
            raise TokenRefused
        secret = self._domain_keys.unwrap(parsed)
        return secret_access_keys.derive_signing_key(secret, date, region, PROXY_SERVICE)

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: bytes, region: bytes, service: bytes
    ) -> bytes:
        parsed = require_token(token, TokenKind.SECRET_ACCESS_KEY)
        if parsed.header.key_id != access_key_id:
            raise TokenRefused
        secret = self._domain_keys.unwrap(parsed)
        return secret_access_keys.derive_signing_key(secret, date, region, service)

    def create_domain_key(self, region: str, generation: int = 1) -> tuple[bytes, bytes]:
        try:
            return self._domain_keys.create(region, generation)
        except ValueError:
            raise BoundaryRefused from None

    def load_domain_key(self, token: bytes, activate: bool) -> None:
        self._domain_keys.load(token, activate)

    def forget_domain_key(self, token_bytes: bytes) -> bytes:
        domain_key_id = self._domain_keys.forget(token_bytes)
        self._forget_tokens(lambda token, _: wrapping_key_id_of(token) == domain_key_id)
        return domain_key_id

    def vouch_for_domain_key(self, token_bytes: bytes, alone: bool) -> bytes:
        self._domain_keys.vouch(token_bytes, alone)
        self._forget_tokens(lambda token, _: self._domain_keys.is_retired(wrapping_key_id_of(token)))
        return make_anchor(self._tickets, self._domain_keys.vouched)

    def is_active(self, header: TokenHeader) -> bool:
        """Whether the domain key of this header is the one that wraps (INVARIANT B12)."""
        return self._domain_keys.is_active(header.region, bytes.fromhex(header.key_id))

    def require_serving(self, header: TokenHeader) -> None:
        """Raises TokenRetired: see DomainKeyRing."""
        self._domain_keys.require_serving(header)

    def is_retired(self, domain_key_id: bytes) -> bool:
        """Whether a domain key opens nothing of the store any more."""
        return self._domain_keys.is_retired(domain_key_id)

    def rewrap(self, token_bytes: bytes, origin: str, domain_key_id: bytes) -> bytes:
        try:
            token = parse_token(token_bytes)
        except ValueError:
            raise TokenRefused from None
        header = token.header
        if header.kind is TokenKind.TOKEN_KEY:  # a PKCS#11 token opens it, and no other
            raise KeySpecNotOffered
        if header.kind not in REWRAPPED_KINDS or header.origin not in ("", origin):
            raise TokenRefused
        self._domain_keys.require_active(header.region, domain_key_id)
        try:
            rewrapped = self._domain_keys.wrap(
                replace(header, origin=origin), self._domain_keys.unwrap(token)
            )
        except ValueError:
            raise TokenRefused from None
        known = self._backing_keys.get(token_bytes)
        if (
            known is not None
        ):  # so that nobody waits for it to be loaded again; the older token's users come still
            self._remember(rewrapped, known)
        return rewrapped

    def make_ticket(self, purpose: bytes, context: bytes, text: bytes) -> bytes:
        if purpose == ANCHOR_PURPOSE:  # of this module alone, whoever asks
            raise BoundaryRefused
        return self._tickets.make(purpose, context, text)

    def read_ticket(self, purpose: bytes, context: bytes, ticket: bytes) -> bytes:
        return self._tickets.read(purpose, context, ticket)

    def create_replication_key(self, region: str) -> bytes:
        return self._replication.create_key(region)

    def export_for_region(self, token: bytes, key_id: bytes, receiving_token: bytes) -> bytes:
        parsed = require_token(token, TokenKind.BACKING_KEY)
        if parsed.header.key_id.encode("ascii") != key_id:  # INVARIANT B2
            raise TokenRefused
        require_multi_region(parsed.header.key_id)
        if parsed.header.origin not in ("", GENERATED):  # imported material is imported in each Region
            raise BoundaryRefused
        return self._replication.seal(parsed.header, self._domain_keys.unwrap(parsed), receiving_token)

    def import_from_region(self, message: bytes, receiving_token: bytes, binding: KeyBinding) -> GeneratedKey:
        header, material = self._replication.open(message, receiving_token)
        is_of_binding = (
            header.account_id,
            header.receiving_region,
            header.key_id,
            header.key_spec,
            header.key_usage,
        ) == (binding.account_id, binding.region, binding.key_id, binding.key_spec, binding.key_usage)
        if not is_of_binding or binding.origin != GENERATED:
            raise MaterialRefused
        key = self.export_key(binding, material)
        if key.material_id != header.material_id.hex():
            raise MaterialRefused
        self._load(parse_token(key.exported_token), material)  # whole and of its spec, or it is not taken
        return key

    def describe(self) -> Mapping[str, str]:
        return {
            "module": "software",
            "SM2": self._describe_sm2(),
            "audit checkpoint key": self.checkpoints.key_id,
            "libraries": f"cryptography {cryptography.__version__}, {openssl.openssl_version_text()}",
            "domain keys in memory": str(len(self._domain_keys)),
            "backing keys in memory": str(len(self._backing_keys)),
        }

    def _describe_sm2(self) -> str:
        if self.offers("SM2"):
            return "offered"
        return "not offered: " + (
            "the system's libcrypto lacks it" if LIBCRYPTO is None else "it is not FIPS-approved"
        )

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
            self._remember(token, key)
        else:
            backing_keys.move_to_end(token)
        # INVARIANT B2: the token must be bound to the key that the caller was authorized for.
        if key.key_id != key_id:
            raise TokenRefused
        return key

    def _remember(self, token: bytes, key: BackingKey) -> None:
        self._backing_keys[token] = key
        if len(self._backing_keys) > BACKING_KEYS_MAX:
            self._backing_keys.popitem(last=False)

    def _unwrap(self, token_bytes: bytes) -> BackingKey:
        token = require_token(token_bytes, TokenKind.BACKING_KEY, TokenKind.TOKEN_KEY)
        if token.header.kind is TokenKind.TOKEN_KEY:  # a PKCS#11 token opens it, and no other
            raise KeySpecNotOffered
        return self._load(token, self._domain_keys.unwrap(token))

    def _load(self, token: Token, material: bytes) -> BackingKey:
        family = self._families.get((token.header.key_spec, token.header.key_usage))
        if family is None:
            raise KeySpecNotOffered
        try:
            return family.load(token.header, material)
        except ValueError:  # authentic, and yet not of its spec
            raise TokenRefused from None

    def _pair_family(self, pair_spec: str) -> Family:
        """Raises BoundaryRefused."""
        family = self._families.get((pair_spec, DATA_KEY_PAIR_USAGES.get(pair_spec, "")))
        if family is None:
            raise BoundaryRefused
        return family

    def _wrap_secret(self, secret: bytes, access_key_id: str, account_id: str) -> bytes:
        header = TokenHeader(
            TokenKind.SECRET_ACCESS_KEY, b"", NO_MATERIAL, account_id, GLOBAL_REGION, access_key_id, "", ""
        )
        try:
            return self._domain_keys.wrap(header, secret)
        except ValueError:
            raise BoundaryRefused from None
