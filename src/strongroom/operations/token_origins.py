"""Whether a key is the one that its exported key tokens are bound to: its origin, account and Region.

Who can write the database could else turn a key of a key store, or one of imported key material, into a key
of ours: for the next ciphertext no key outside would be needed. Or put a copy of a key's rows into another
account or Region. The boundary binds all three; the columns are compared with them here, before a key is used
and before it gets new material.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import NamedTuple

from strongroom.boundary.interface import TokenRefused
from strongroom.boundary.key_hierarchy import parse_token
from strongroom.resources.key import Key

logger = logging.getLogger("strongroom.operations")


class Named(NamedTuple):
    """What a token is bound to; empty where it does not say."""

    origin: str
    account_id: str
    region: str


_NOTHING = Named("", "", "")


def has_switched_origin(key: Key) -> bool:
    """Whether the current material is bound to another origin than the record says."""
    current_id = key.current_material_id
    current = None if current_id is None else key.materials[current_id]
    return current is not None and not _is_of_origin(key, current.exported_token)


def require_origin(key: Key) -> None:
    """For a key that is to get new material: all that it has must be its own. Raises TokenRefused."""
    for material in key.materials.values():
        if not (_is_of_origin(key, material.exported_token) and _is_at_home(key, material.exported_token)):
            raise TokenRefused


def require_at_home(key: Key, token: bytes | None) -> None:
    """For a token of the key's that is to be used: of this account and Region. Raises TokenRefused."""
    if not _is_at_home(key, token):
        _tell(key.arn)
        raise TokenRefused


def require_current_at_home(key: Key) -> None:
    """`require_at_home` of the current material. Raises TokenRefused."""
    if key.current_material_id is not None:
        require_at_home(key, key.materials[key.current_material_id].exported_token)


def _is_of_origin(key: Key, token: bytes | None) -> bool:
    return token is None or named_by(token).origin in ("", key.origin)


def _is_at_home(key: Key, token: bytes | None) -> bool:
    if token is None:
        return True
    named = named_by(token)
    return named is _NOTHING or (named.account_id == key.account_id and named.region == key.region)


@lru_cache(64)
def _tell(arn: str) -> None:
    """Once for each key, as long as there are few."""
    logger.error(
        "The material of %s was made for another account or Region: somebody wrote it into the database. "
        "Look for its row in a backup.",
        arn,
    )


@lru_cache(8192)
def named_by(token: bytes) -> Named:
    """What a token names; of one that is none, nothing: the boundary refuses it. Version 1 has no origin."""
    try:
        header = parse_token(token).header
    except ValueError:
        return _NOTHING
    return Named(header.origin, header.account_id, header.region)
