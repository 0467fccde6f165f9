"""Whether a key is of the origin that its exported key tokens are bound to.

Who can write the database could else turn a key of a key store, or one of imported key material, into a key
of ours: for the next ciphertext no key outside would be needed. The boundary binds the origin; the column is
compared with it here, before a key is used and before it gets new material.
"""

from __future__ import annotations

from functools import lru_cache

from strongroom.boundary.interface import TokenRefused
from strongroom.boundary.key_hierarchy import parse_token
from strongroom.resources.key import Key


def has_switched_origin(key: Key) -> bool:
    """Whether the current material is bound to another origin than the record says."""
    current_id = key.current_material_id
    current = None if current_id is None else key.materials[current_id]
    return current is not None and not _is_of(key, current.exported_token)


def require_origin(key: Key) -> None:
    """For a key that is to get new material: all that it has must be of its origin. Raises TokenRefused."""
    if not all(_is_of(key, material.exported_token) for material in key.materials.values()):
        raise TokenRefused


def _is_of(key: Key, token: bytes | None) -> bool:
    return token is None or origin_named(token) in ("", key.origin)


@lru_cache(8192)
def origin_named(token: bytes) -> str:
    """The origin that a token is bound to; of one that is none, and of the first version, nothing."""
    try:
        return parse_token(token).header.origin
    except ValueError:
        return ""
