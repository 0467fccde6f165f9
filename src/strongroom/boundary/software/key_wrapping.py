"""Wrapping keys under keys: the root key over domain keys, domain keys over everything else."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey, TokenRetired
from strongroom.boundary.domain_key_anchor import VOUCHED_REGIONS_MAX, Vouched
from strongroom.boundary.interface import BoundaryRefused, TokenRefused
from strongroom.boundary.key_hierarchy import (
    IV_BYTES,
    LABEL_ROOT_KEY_ID,
    MATERIAL_ID_BYTES,
    WRAPPING_KEY_ID_BYTES,
    Token,
    TokenHeader,
    TokenKind,
    parse_token,
    render_header,
)
from strongroom.boundary.software.key_derivation import derive_key

KEY_BYTES: Final = 32
DOMAIN_KEYS_MAX: Final = 4096
NO_MATERIAL: Final = bytes(MATERIAL_ID_BYTES)


def root_key_id(root_key: bytes) -> bytes:
    """The root key's name: 16 bytes that only this key gives, and that do not give it away."""
    return derive_key(root_key, LABEL_ROOT_KEY_ID, b"")[:WRAPPING_KEY_ID_BYTES]


class WrappingKey:
    """A root or domain key, usable but not readable.

    Secrets: only the cipher context is kept; no attribute or repr shows the key.
    Invariant: at most 2**32 wrappings under one key, for IVs are random 96-bit values
    (SP 800-38D, section 8.3); see docs/formats/exported-key-token.md.
    """

    __slots__ = ("_cipher", "generation", "key_id", "region")

    def __init__(self, key_id: bytes, region: str, key: bytes, generation: int = 1) -> None:
        self.key_id = key_id
        self.region = region
        self.generation = generation
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"<WrappingKey {self.key_id.hex()}>"

    def wrap(self, header: TokenHeader, secret: bytes) -> bytes:
        """The token that holds `secret`, bound to `header` (INVARIANT B2)."""
        header_bytes = render_header(replace(header, wrapping_key_id=self.key_id))
        iv = os.urandom(IV_BYTES)
        return header_bytes + iv + self._cipher.encrypt(iv, secret, header_bytes)

    def unwrap(self, token: Token) -> bytes:
        """What `token` holds. Raises TokenRefused."""
        try:
            return self._cipher.decrypt(token.iv, token.wrapped, token.header_bytes)
        except InvalidTag:
            raise TokenRefused from None


class DomainKeyRing:
    """The domain keys in memory: for each Region at most one wraps, all unwrap.

    Concurrency: one thread. Bounded: the oldest loaded key is dropped first and loaded again on demand.
    """

    __slots__ = ("_active", "_generations", "_keys", "_root", "_vouched")

    def __init__(self, root_key: bytes, vouched: Mapping[str, Vouched] | None = None) -> None:
        """`vouched` is what an earlier ring has noted of the domain keys that there are."""
        self._vouched = dict(vouched or {})
        self._root = WrappingKey(root_key_id(root_key), "", root_key)
        self._keys: OrderedDict[bytes, WrappingKey] = OrderedDict()
        self._active: dict[str, bytes] = {}
        self._generations = {region: known.newest for region, known in self._vouched.items()}

    def create(self, region: str, generation: int) -> tuple[bytes, bytes]:
        """A new domain key's id and token. It is not in use before `load`. Raises ValueError."""
        domain_key_id = os.urandom(WRAPPING_KEY_ID_BYTES)
        header = TokenHeader(
            TokenKind.DOMAIN_KEY,
            b"",
            NO_MATERIAL,
            "",
            region,
            domain_key_id.hex(),
            str(generation),
            "",
        )
        return domain_key_id, self._root.wrap(header, os.urandom(KEY_BYTES))

    def load(self, token_bytes: bytes, activate: bool) -> None:
        """Take a domain key in; with `activate` it is the one that wraps from now on. Raises TokenRefused.

        Whoever activates one of an earlier generation than the Region's has had here changes nothing
        (INVARIANT B12): a worker that read the store before a rotation, or an older row put back.
        """
        header, key = self._open(token_bytes)
        domain_key_id, region = bytes.fromhex(header.key_id), header.region
        self._keys[domain_key_id] = WrappingKey(domain_key_id, region, key, header.generation)
        self._keys.move_to_end(domain_key_id)
        if activate and header.generation >= self._generations.get(region, 0):
            self._active[region] = domain_key_id
            self._generations[region] = header.generation
        while len(self._keys) > DOMAIN_KEYS_MAX:
            dropped_id, dropped = self._keys.popitem(last=False)
            if self._active.get(dropped.region) == dropped_id:
                del self._active[dropped.region]

    def forget(self, token_bytes: bytes) -> bytes:
        """Open nothing of a retired domain key any more; returns its id.

        Raises TokenRefused; BoundaryRefused for one that no later one has followed here; NoActiveDomainKey
        while that is not known.
        """
        header, _ = self._open(token_bytes)
        self.require_active(header.region)
        if header.generation >= self._generations[header.region]:
            raise BoundaryRefused
        domain_key_id = bytes.fromhex(header.key_id)
        self._keys.pop(domain_key_id, None)
        return domain_key_id

    def vouch(self, token_bytes: bytes, alone: bool) -> None:
        """Note that this is its Region's newest, and with `alone` that nothing of the store is under another.

        Raises TokenRefused; BoundaryRefused for one that a later one has followed, and for too many Regions.
        """
        header, _ = self._open(token_bytes)
        region, generation = header.region, header.generation
        is_new = region not in self._vouched
        if generation < self._generations.get(region, 0) or (
            is_new and len(self._vouched) >= VOUCHED_REGIONS_MAX
        ):
            raise BoundaryRefused
        self._generations[region] = generation
        self._vouched[region] = Vouched(generation, generation if alone else self._serving_from(region))

    @property
    def vouched(self) -> Mapping[str, Vouched]:
        """What is noted, by Region."""
        return self._vouched

    def _serving_from(self, region: str) -> int:
        known = self._vouched.get(region)
        return 1 if known is None else known.serving_from

    def is_active(self, region: str, domain_key_id: bytes) -> bool:
        """Whether it is the one that wraps."""
        return self._active.get(region) == domain_key_id

    def is_retired(self, domain_key_id: bytes) -> bool:
        """Whether it opens nothing of the store any more. Of one that is not here nothing is known."""
        key = self._keys.get(domain_key_id)
        return key is not None and key.generation < self._serving_from(key.region)

    def require_serving(self, header: TokenHeader) -> None:
        """Raises TokenRetired for a token of the store under a domain key that is retired (INVARIANT B13)."""
        if self.is_retired(header.wrapping_key_id) and not header.is_kept_by_callers:
            generation = self._keys[header.wrapping_key_id].generation
            raise TokenRetired(f"domain key {generation} of {header.region}")

    def _open(self, token_bytes: bytes) -> tuple[TokenHeader, bytes]:
        """A domain key's token: what it says, and the key. Raises TokenRefused."""
        token = require_token(token_bytes, TokenKind.DOMAIN_KEY)
        if token.header.wrapping_key_id != self._root.key_id:
            raise TokenRefused
        return token.header, self._root.unwrap(token)

    def require_active(self, region: str, domain_key_id: bytes | None = None) -> None:
        """Raises NoActiveDomainKey where none wraps, or another than `domain_key_id`."""
        active = self._active.get(region)
        if active is None or (domain_key_id is not None and active != domain_key_id):
            raise NoActiveDomainKey(region)

    def wrap(self, header: TokenHeader, secret: bytes) -> bytes:
        """Wrap under the active domain key of the header's Region. Raises NoActiveDomainKey."""
        domain_key_id = self._active.get(header.region)
        if domain_key_id is None:
            raise NoActiveDomainKey(header.region)
        return self._keys[domain_key_id].wrap(header, secret)

    def unwrap(self, token: Token) -> bytes:
        """Unwrap what a domain key wrapped. Raises TokenRefused, DomainKeyUnknown."""
        domain_key = self._keys.get(token.header.wrapping_key_id)
        if domain_key is None:
            raise DomainKeyUnknown(token.header.wrapping_key_id)
        if domain_key.region != token.header.region:
            raise TokenRefused
        self.require_serving(token.header)
        return domain_key.unwrap(token)

    def __len__(self) -> int:
        return len(self._keys)


def require_token(token_bytes: bytes, *kinds: TokenKind) -> Token:
    """Take a token of one of these kinds apart. Raises TokenRefused."""
    try:
        token = parse_token(token_bytes)
    except ValueError:
        raise TokenRefused from None
    if token.header.kind not in kinds:
        raise TokenRefused
    return token
