"""What a backing key's exported key token is bound to."""

from __future__ import annotations

from strongroom.boundary.interface import BoundaryRefused, KeyBinding
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind, require_account_id, require_region
from strongroom.boundary.software.key_derivation import material_id_of


def require_place(binding: KeyBinding) -> None:
    """Account and Region could be those of a key. Raises BoundaryRefused."""
    try:
        require_region(binding.region)
        require_account_id(binding.account_id)
    except ValueError:
        raise BoundaryRefused from None


def backing_key_header(binding: KeyBinding, material: bytes) -> TokenHeader:
    """What the token of `material` will be bound to. Raises BoundaryRefused."""
    try:
        require_region(binding.region)
        require_account_id(binding.account_id)
        material_id = material_id_of(material, binding.key_id)
    except ValueError:
        raise BoundaryRefused from None
    return TokenHeader(
        TokenKind.BACKING_KEY,
        b"",
        material_id,
        binding.account_id,
        binding.region,
        binding.key_id,
        binding.key_spec,
        binding.key_usage,
        binding.origin,
    )
