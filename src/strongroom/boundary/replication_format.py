"""Replication messages: how key material looks on its way from one Region's boundary to another's.

The header is in clear, is what the sealing binds the material to, and is authenticated with everything
else by the last field, which only a boundary that the receiving one trusts can make. No cryptography
here: software/ seals and opens. The table for readers is docs/formats/replication.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from strongroom.boundary.key_hierarchy import (
    MATERIAL_ID_BYTES,
    require_account_id,
    require_name,
    require_region,
)

VERSION: Final = 1
SUITE_MLKEM768_X25519_AES_256_GCM: Final = 1
SOURCE_SAME_SERVER: Final = 1
"""The authentication is an HMAC under a key derived from the root key that both boundaries have."""
REPLICATION_KEY_ID_BYTES: Final = 32
AUTHENTICATION_BYTES: Final = 32
MESSAGE_BYTES_MAX: Final = 16384
"""An RSA-4096 private key in PKCS #8 takes about 2,400, the encapsulated key 1,120."""
MULTI_REGION_PREFIX: Final = "mrk-"

_START = struct.Struct(">BBB32s32s6B")


@dataclass(frozen=True, slots=True)
class ReplicationHeader:
    """What a replication message says in clear, and what its material is bound to."""

    replication_key_id: bytes
    """Of the receiving Region: SHA-256 of its public key."""
    material_id: bytes
    account_id: str
    source_region: str
    receiving_region: str
    key_id: str
    key_spec: str
    key_usage: str


@dataclass(frozen=True, slots=True)
class ReplicationMessage:
    """A message taken apart; nothing in it is authenticated yet."""

    header: ReplicationHeader
    header_bytes: bytes
    sealed: bytes
    authenticated: bytes
    """All that the authentication covers: everything before it."""
    authentication: bytes


def is_multi_region_key_id(key_id: str) -> bool:
    """Whether the id is of a multi-Region key: of no other may material leave its Region."""
    return key_id.startswith(MULTI_REGION_PREFIX)


def render_header(header: ReplicationHeader) -> bytes:
    """The header's one byte form. Raises ValueError when a field cannot be in a message."""
    _require_fields(header)
    texts = [
        text.encode("ascii")
        for text in (
            header.account_id,
            header.source_region,
            header.receiving_region,
            header.key_id,
            header.key_spec,
            header.key_usage,
        )
    ]
    start = _START.pack(
        VERSION,
        SUITE_MLKEM768_X25519_AES_256_GCM,
        SOURCE_SAME_SERVER,
        header.replication_key_id,
        header.material_id,
        *(len(text) for text in texts),
    )
    return start + b"".join(texts)


def parse_message(message: bytes) -> ReplicationMessage:
    """Take a message apart. Raises ValueError for anything that this version did not write."""
    if not _START.size + AUTHENTICATION_BYTES < len(message) <= MESSAGE_BYTES_MAX:
        raise ValueError("not a replication message: length")
    version, suite, source, replication_key_id, material_id, *lengths = _START.unpack_from(message)
    if (version, suite, source) != (VERSION, SUITE_MLKEM768_X25519_AES_256_GCM, SOURCE_SAME_SERVER):
        raise ValueError("not a replication message: version")
    texts: list[str] = []
    position = _START.size
    for length in lengths:
        texts.append(message[position : position + length].decode("ascii"))
        position += length
    end = len(message) - AUTHENTICATION_BYTES
    if position >= end:
        raise ValueError("not a replication message: length")
    header = ReplicationHeader(replication_key_id, material_id, *texts)
    _require_fields(header)
    return ReplicationMessage(header, message[:position], message[position:end], message[:end], message[end:])


def _require_fields(header: ReplicationHeader) -> None:
    if len(header.replication_key_id) != REPLICATION_KEY_ID_BYTES:
        raise ValueError("not a replication message: replication key id")
    if len(header.material_id) != MATERIAL_ID_BYTES:
        raise ValueError("not a replication message: material id")
    require_account_id(header.account_id)
    require_region(header.source_region)
    require_region(header.receiving_region)
    for text in (header.key_id, header.key_spec, header.key_usage):
        require_name(text)
    if not is_multi_region_key_id(header.key_id):
        raise ValueError("not a replication message: a single-Region key")
    if header.source_region == header.receiving_region:
        raise ValueError("not a replication message: one Region")
