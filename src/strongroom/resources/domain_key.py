"""Domain keys over time, and the exported key tokens that are wrapped under them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

GLOBAL_REGION: Final = "aws-global"
"""Whose domain key wraps what belongs to no Region (docs/formats/exported-key-token.md)."""

IDLE_SINCE_SETTING: Final = "domain_key_idle_since/"
"""With the id of an older domain key, in hex: when a pass had left no token under it."""


@dataclass(frozen=True, slots=True)
class DomainKeyRecord:
    """One domain key of a Region; of each Region the highest generation wraps."""

    region: str
    generation: int
    domain_key_id: bytes
    created_at: datetime


class TokenPlace(IntEnum):
    """Where tokens are held. What is in no place is not re-wrapped, and its domain key not retired."""

    KEY_MATERIAL = 0
    KEY_STORE_PASSWORD = 1
    KEY_STORE_PROXY_SECRET = 2
    ACCESS_KEY = 3
    PROXY_CREDENTIAL = 4
    REPLICATION_KEY = 5


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A token, where it is held, and what the boundary must know to re-wrap it."""

    place: TokenPlace
    row: tuple[str, ...]
    token: bytes
    origin: str
    """Of a KMS key's material; else empty."""
    identity: str
    """What others remember of the row under."""
