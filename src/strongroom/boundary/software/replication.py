"""Region to Region: key material sealed to the receiving Region's key pair, and authenticated by the sender.

HPKE (RFC 9180, base mode) seals: ML-KEM-768 with X25519, HKDF-SHA-256, AES-256-GCM, so that a message
kept today does not open with a quantum computer later. HPKE alone would let anyone seal; so the message
ends with an HMAC that only a boundary with the same root key can make (INVARIANT B10).
The table for readers is docs/formats/replication.md.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from strongroom.boundary.interface import BoundaryRefused, MaterialRefused, TokenRefused
from strongroom.boundary.key_hierarchy import LABEL_REPLICATION_SOURCE, TokenHeader, TokenKind, require_region
from strongroom.boundary.replication_format import (
    ReplicationHeader,
    is_multi_region_key_id,
    parse_message,
    render_header,
)
from strongroom.boundary.software.key_derivation import finish_derivation, start_derivation
from strongroom.boundary.software.key_wrapping import NO_MATERIAL, DomainKeyRing, require_token
from strongroom.boundary.software.pair_consistency import failed

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_SEED_BYTES: Final = 64
_X25519_BYTES: Final = 32


class Replication:
    """Replication key pairs of Regions, and what is sealed to them.

    Secrets: keeps a keyed HMAC of the root key; private keys are unwrapped for each use and not kept.
    """

    __slots__ = ("_domain_keys", "_source")

    def __init__(self, root_key: bytes, domain_keys: DomainKeyRing) -> None:
        self._domain_keys = domain_keys
        self._source = start_derivation(root_key, LABEL_REPLICATION_SOURCE)

    def create_key(self, region: str) -> bytes:
        """The token of a new key pair of a Region. Raises BoundaryRefused, NoActiveDomainKey."""
        try:
            require_region(region)
        except ValueError:
            raise BoundaryRefused from None
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        _require_pair(MLKEM768X25519PrivateKey(mlkem, x25519))
        header = TokenHeader(
            TokenKind.REPLICATION_KEY, b"", NO_MATERIAL, "", region, _id_of(mlkem, x25519).hex(), "", ""
        )
        return self._domain_keys.wrap(header, mlkem.private_bytes_raw() + x25519.private_bytes_raw())

    def seal(self, token: TokenHeader, material: bytes, receiving_token: bytes) -> bytes:
        """The replication message of a backing key, for the Region whose key pair `receiving_token` holds.

        The public key comes out of a token that only this boundary makes and opens, so nobody outside
        can have material sealed to a key of their own (INVARIANT B10).
        Raises BoundaryRefused, TokenRefused, DomainKeyUnknown.
        """
        region, key_id, private_key = self._open_key(receiving_token)
        header = ReplicationHeader(
            key_id,
            token.material_id,
            token.account_id,
            token.region,
            region,
            token.key_id,
            token.key_spec,
            token.key_usage,
        )
        try:
            header_bytes = render_header(header)
        except ValueError:  # a single-Region key, or the key's own Region
            raise BoundaryRefused from None
        message = header_bytes + _SUITE.encrypt(material, private_key.public_key(), header_bytes)
        return message + self._authentication(header, message)

    def open(self, message: bytes, receiving_token: bytes) -> tuple[ReplicationHeader, bytes]:
        """What a message says and the material in it.

        Raises MaterialRefused, always the same, for a message that is not whole, not from a boundary of
        this server, or not for this key pair; TokenRefused, DomainKeyUnknown.
        """
        region, key_id, private_key = self._open_key(receiving_token)
        try:
            parsed = parse_message(message)
        except ValueError:
            raise MaterialRefused from None
        header = parsed.header
        expected = self._authentication(header, parsed.authenticated)
        if not hmac.compare_digest(expected, parsed.authentication):
            raise MaterialRefused
        if (header.receiving_region, header.replication_key_id) != (region, key_id):
            raise MaterialRefused
        try:
            return header, _SUITE.decrypt(parsed.sealed, private_key, parsed.header_bytes)
        except InvalidTag:
            raise MaterialRefused from None

    def _open_key(self, token_bytes: bytes) -> tuple[str, bytes, MLKEM768X25519PrivateKey]:
        token = require_token(token_bytes, TokenKind.REPLICATION_KEY)
        private = self._domain_keys.unwrap(token)
        if len(private) != _MLKEM_SEED_BYTES + _X25519_BYTES:
            raise TokenRefused
        mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:_MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(private[_MLKEM_SEED_BYTES:])
        key_id = _id_of(mlkem, x25519)
        if key_id.hex() != token.header.key_id:
            raise TokenRefused
        return token.header.region, key_id, MLKEM768X25519PrivateKey(mlkem, x25519)

    def _authentication(self, header: ReplicationHeader, authenticated: bytes) -> bytes:
        regions = f"{header.source_region}>{header.receiving_region}".encode("ascii")
        return hmac.digest(finish_derivation(self._source, regions), authenticated, "sha256")


def require_multi_region(key_id: str) -> None:
    """Raises BoundaryRefused for a single-Region key: its material never leaves its Region."""
    if not is_multi_region_key_id(key_id):
        raise BoundaryRefused


def _require_pair(private_key: MLKEM768X25519PrivateKey) -> None:
    """What is sealed to a new key pair must open. Raises SelfTestFailed, which ends the process."""
    probe = b"pair-wise consistency test"
    try:
        if _SUITE.decrypt(_SUITE.encrypt(probe, private_key.public_key()), private_key) == probe:
            return
    except InvalidTag:
        pass
    raise failed("replication")


def _id_of(mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> bytes:
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return hashlib.sha256(public).digest()
