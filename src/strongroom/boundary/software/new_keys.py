"""New key material, found sound before it is anybody's key."""

from __future__ import annotations

from typing import Final

from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software import pair_consistency
from strongroom.boundary.software.families import Family
from strongroom.boundary.software.key_wrapping import NO_MATERIAL

_NO_KEY_ID: Final = "00000000-0000-0000-0000-000000000000"


def nobodys(key_spec: str, key_usage: str) -> TokenHeader:
    """What a key is loaded with that belongs to no KMS key, or not yet."""
    return TokenHeader(TokenKind.BACKING_KEY, b"", NO_MATERIAL, "", "", _NO_KEY_ID, key_spec, key_usage)


def new_material(key_spec: str, key_usage: str, family: Family) -> bytes:
    """New key material; of a key pair, once its halves were found to belong together.

    Raises SelfTestFailed, which ends the process.
    """
    material = family.generate()
    try:
        pair_consistency.require_consistent(key_spec, family.load(nobodys(key_spec, key_usage), material))
    except (ValueError, pair_consistency.Inconsistent):
        raise pair_consistency.failed(key_spec) from None
    return material
