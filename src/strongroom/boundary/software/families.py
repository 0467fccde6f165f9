"""The key families of the software module: for each spec and usage, how material is made and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.boundary.backing_keys import BackingKey
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.software import key_agreement, macs, ml_kem, symmetric


@dataclass(frozen=True, slots=True)
class Family:
    """Keys of one spec and usage.

    `generate` makes new key material: raw bytes for symmetric and HMAC keys, DER PKCS #8 for key pairs.
    `load` makes it usable, and is also what judges imported material: it raises ValueError for anything
    that is not whole, canonical and of the spec.
    """

    generate: Callable[[], bytes]
    load: Callable[[TokenHeader, bytes], BackingKey]


FAMILIES: Final[Mapping[tuple[str, str], Family]] = {
    (symmetric.KEY_SPEC, symmetric.KEY_USAGE): Family(
        symmetric.generate_material, symmetric.SymmetricBackingKey
    ),
    **{
        (spec, macs.KEY_USAGE): Family(macs.material_generator(spec), macs.HmacBackingKey)
        for spec in macs.HASHES
    },
    **{
        (spec, key_agreement.KEY_USAGE): Family(
            key_agreement.material_generator(spec), key_agreement.AgreementBackingKey
        )
        for spec in key_agreement.CURVES
    },
    ("ML_KEM_512", ml_kem.KEY_USAGE): Family(ml_kem.generate_material_512, ml_kem.ExpandedBackingKey),
    **{
        (spec, ml_kem.KEY_USAGE): Family(ml_kem.material_generator(spec), ml_kem.SeedBackingKey)
        for spec in ml_kem.SEED_KEYS
    },
}
"""By (key spec, key usage). What is not here, BoundaryRefused says."""
