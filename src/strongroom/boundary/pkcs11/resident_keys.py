"""Domain keys that live in the token: one that wraps and unwraps, and one that binds.

Both are named by the domain key's id. A domain key's token, as the store keeps it, is that of the software
module (it wraps credentials) and 32 bytes more, an HMAC over it by the key that binds: so a PKCS#11 token
that is not the one where the domain key was made is found out before anything is wrapped there.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import BoundaryUnavailable, TokenRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.pkcs11.connection import TokenConnection
from strongroom.boundary.pkcs11.errors import KeyNotFound
from strongroom.boundary.pkcs11.mechanisms import plain
from strongroom.boundary.pkcs11.numbers import Cka, Ckm, Cko
from strongroom.boundary.pkcs11.probe import mac_key_values
from strongroom.boundary.pkcs11.token import RESIDENT_SECRET, KeyHandle, Token
from strongroom.boundary.pkcs11.wrapped_key_format import MAC_BYTES

WRAPS: Final = {
    Cka.WRAP: True,
    Cka.UNWRAP: True,
    Cka.ENCRYPT: False,
    Cka.DECRYPT: False,
}
"""A domain key never encrypts data: who could decrypt with it could unwrap keys into the open."""
RESIDENT_KEYS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class ResidentKey:
    """A domain key's two handles."""

    domain_key_id: bytes
    region: str
    wraps: KeyHandle
    binds: KeyHandle


class ResidentKeys:
    """The domain keys found in the token since it was opened.

    Concurrency: one thread. Bounded: the oldest is dropped first, and loaded again on demand.
    """

    def __init__(self, connection: TokenConnection) -> None:
        self._connection = connection
        self._opened = connection.opened
        self._keys: OrderedDict[bytes, ResidentKey] = OrderedDict()
        self._active: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def create(self, domain_key_id: bytes, software_token: bytes) -> bytes:
        """Make the two keys in the token; returns the domain key's token. Raises BoundaryUnavailable."""

        def make(token: Token) -> bytes:
            token.generate_aes_key(_wraps_label(domain_key_id), {**RESIDENT_SECRET, **WRAPS})
            values = mac_key_values(_binds_label(domain_key_id), resident=True)
            binds = token.generate_key(Ckm.GENERIC_SECRET_KEY_GEN, values)
            return software_token + _mac(token, binds, software_token)

        return self._connection.run(domain_key_id, make)

    def load(self, header: TokenHeader, domain_key_token: bytes, activate: bool) -> None:
        """Find the domain key of `header`, which was opened before, in the token.

        With `activate` it wraps from now on: whether it may is judged before. Raises TokenRefused: it is not
        there, or another one is.
        """
        self._forget_if_reopened()
        domain_key_id, region = bytes.fromhex(header.key_id), header.region
        software_token, check = split_domain_key_token(domain_key_token)

        def find(token: Token) -> ResidentKey:
            try:
                wraps = token.find_key(_wraps_label(domain_key_id))
                binds = token.find_key(_binds_label(domain_key_id))
            except KeyNotFound:
                raise TokenRefused from None
            for key in (wraps, binds):
                if token.read_flag(key, Cka.EXTRACTABLE) or not token.read_flag(key, Cka.SENSITIVE):
                    raise TokenRefused
                if token.read_flag(key, Cka.DECRYPT) or token.read_flag(key, Cka.ENCRYPT):
                    raise TokenRefused
            if not hmac.compare_digest(_mac(token, binds, software_token), check):
                raise TokenRefused
            return ResidentKey(domain_key_id, region, wraps, binds)

        opened = self._connection.opened
        key = self._connection.run(domain_key_id, find)
        if opened == self._connection.opened:
            self._keys[domain_key_id] = key
            if activate:
                self._active[region] = domain_key_id
        while len(self._keys) > RESIDENT_KEYS_MAX:
            self._keys.popitem(last=False)

    def active(self, region: str) -> ResidentKey:
        """The domain key that wraps. Raises NoActiveDomainKey."""
        self._forget_if_reopened()
        key = self._keys.get(self._active.get(region, b""))
        if key is None:
            raise NoActiveDomainKey(region)
        return key

    def find(self, domain_key_id: bytes, region: str) -> ResidentKey:
        """A domain key by its id. Raises DomainKeyUnknown, TokenRefused."""
        self._forget_if_reopened()
        key = self._keys.get(domain_key_id)
        if key is None:
            raise DomainKeyUnknown(domain_key_id)
        if key.region != region:
            raise TokenRefused
        return key

    def bind(self, key: ResidentKey, data: bytes) -> bytes:
        """The HMAC that binds `data`."""
        return self._connection.run(key.domain_key_id, lambda token: _mac(token, key.binds, data))

    def require_bound(self, key: ResidentKey, data: bytes, mac: bytes) -> None:
        """Raises TokenRefused for any other HMAC than `bind` gives."""
        if not hmac.compare_digest(self.bind(key, data), mac):
            raise TokenRefused

    def destroy(self, domain_key_id: bytes) -> None:
        """Destroy a domain key in the token, whatever of it is there. Raises BoundaryUnavailable."""
        self._keys.pop(domain_key_id, None)

        def destroy_all(token: Token) -> None:
            for label in (_wraps_label(domain_key_id), _binds_label(domain_key_id)):
                text = label.encode("ascii")
                for key in token.find_keys({Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True, Cka.LABEL: text}):
                    token.destroy(key)

        try:
            self._connection.run(domain_key_id, destroy_all)
        except DomainKeyUnknown:  # the token was opened again: whatever is left is found by its label
            try:
                self._connection.run(domain_key_id, destroy_all)
            except DomainKeyUnknown:
                raise BoundaryUnavailable from None

    def _forget_if_reopened(self) -> None:
        opening = self._connection.current_opening()
        if self._opened != opening:
            self._opened = opening
            self._keys.clear()
            self._active.clear()


def split_domain_key_token(token: bytes) -> tuple[bytes, bytes]:
    """The software module's token, and the HMAC over it."""
    return token[:-MAC_BYTES], token[-MAC_BYTES:]


def _mac(token: Token, key: KeyHandle, data: bytes) -> bytes:
    return token.sign(key, plain(Ckm.SHA256_HMAC), data)


def _wraps_label(domain_key_id: bytes) -> str:
    return f"strongroom domain key {domain_key_id.hex()}"


def _binds_label(domain_key_id: bytes) -> str:
    return f"strongroom binding key {domain_key_id.hex()}"
