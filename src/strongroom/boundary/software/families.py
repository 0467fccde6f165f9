"""The key families of the software module: for each spec and usage, how material is made and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from strongroom.boundary.backing_keys import BackingKey
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.messages import SLOW_KEY_SPECS
from strongroom.boundary.software import (
    edwards_curve,
    elliptic_curves,
    key_agreement,
    macs,
    ml_dsa,
    ml_kem,
    rsa_keys,
    sm2,
    symmetric,
)
from strongroom.boundary.software.libcrypto import Libcrypto
from strongroom.boundary.software.sm2_self_test import sound_libcrypto


def _as_it_is(material: bytes) -> bytes:
    return material


@dataclass(frozen=True, slots=True)
class Family:
    """Keys of one spec and usage.

    `generate` makes new key material: raw bytes for symmetric and HMAC keys, DER PKCS #8 for key pairs.
    `load` makes it usable, and is also what judges imported material: it raises ValueError for anything
    that is not whole, canonical and of the spec. `take_in` makes the canonical form of material that came
    from elsewhere in another valid encoding, with the tests that are too slow for every load (of an RSA
    key's primes); it raises ValueError, and comes before `load`. `is_slow`: `generate` takes longer than
    other requests may be delayed, and works in any thread.
    """

    generate: Callable[[], bytes]
    load: Callable[[TokenHeader, bytes], BackingKey]
    take_in: Callable[[bytes], bytes] = _as_it_is
    is_slow: bool = False


ENCRYPT_DECRYPT: Final = "ENCRYPT_DECRYPT"
SIGN_VERIFY: Final = "SIGN_VERIFY"
GENERATE_VERIFY_MAC: Final = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT: Final = "KEY_AGREEMENT"
ENCAPSULATE_DECAPSULATE: Final = "ENCAPSULATE_DECAPSULATE"


def _rsa(key_spec: str, load: Callable[[TokenHeader, bytes], BackingKey]) -> Family:
    return Family(
        partial(rsa_keys.generate_material, key_spec),
        load,
        partial(rsa_keys.take_in_material, key_spec),
        is_slow=key_spec in SLOW_KEY_SPECS,
    )


Families: TypeAlias = Mapping[tuple[str, str], Family]
"""By (key spec, key usage). What is not here is BoundaryRefused to make, and KeySpecNotOffered to use."""


def _sm2(libcrypto: Libcrypto) -> Families:
    loads: Mapping[str, Callable[[Libcrypto, TokenHeader, bytes], BackingKey]] = {
        SIGN_VERIFY: sm2.Sm2SigningKey,
        ENCRYPT_DECRYPT: sm2.Sm2EncryptionKey,
        KEY_AGREEMENT: sm2.Sm2AgreementKey,
    }
    return {
        (sm2.KEY_SPEC, usage): Family(
            partial(sm2.generate_material, libcrypto),
            partial(load, libcrypto),
            partial(sm2.take_in_material, libcrypto),
        )
        for usage, load in loads.items()
    }


BUILT_IN_FAMILIES: Final[Families] = {
    (symmetric.KEY_SPEC, symmetric.KEY_USAGE): Family(
        symmetric.generate_material, symmetric.SymmetricBackingKey
    ),
    **{(spec, ENCRYPT_DECRYPT): _rsa(spec, rsa_keys.RsaEncryptionKey) for spec in rsa_keys.KEY_BITS},
    **{(spec, SIGN_VERIFY): _rsa(spec, rsa_keys.RsaSigningKey) for spec in rsa_keys.KEY_BITS},
    **{
        (spec, SIGN_VERIFY): Family(
            partial(elliptic_curves.generate_material, spec),
            elliptic_curves.EllipticCurveSigningKey,
            partial(elliptic_curves.take_in_material, spec),
        )
        for spec in elliptic_curves.CURVES
    },
    (edwards_curve.KEY_SPEC, SIGN_VERIFY): Family(
        edwards_curve.generate_material, edwards_curve.EdwardsSigningKey, edwards_curve.take_in_material
    ),
    **{
        (spec, SIGN_VERIFY): Family(
            partial(ml_dsa.generate_material, spec),
            ml_dsa.MlDsaSigningKey,
            partial(ml_dsa.take_in_material, spec),
        )
        for spec in ml_dsa.PRIVATE_KEYS
    },
    **{
        (spec, GENERATE_VERIFY_MAC): Family(partial(macs.generate_material, spec), macs.HmacKey)
        for spec in macs.HASHES
    },
    **{
        (spec, KEY_AGREEMENT): Family(
            partial(elliptic_curves.generate_material, spec),
            key_agreement.EllipticCurveAgreementKey,
            partial(elliptic_curves.take_in_material, spec),
        )
        for spec in key_agreement.KEY_SPECS
    },
    (ml_kem.EXPANDED_KEY_SPEC, ENCAPSULATE_DECAPSULATE): Family(
        ml_kem.generate_expanded_material, ml_kem.ExpandedMlKemKey
    ),
    **{
        (spec, ENCAPSULATE_DECAPSULATE): Family(
            partial(ml_kem.generate_material, spec),
            ml_kem.MlKemKey,
            partial(ml_kem.take_in_material, spec),
        )
        for spec in ml_kem.PRIVATE_KEYS
    },
}
"""What needs no library of the system's."""

LIBCRYPTO: Final = sound_libcrypto()
"""The system's libcrypto, if it has SM2."""

FAMILIES: Final[Families] = {
    **BUILT_IN_FAMILIES,
    **({} if LIBCRYPTO is None else _sm2(LIBCRYPTO)),
}
"""All that this process offers."""

DATA_KEY_PAIR_USAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (*rsa_keys.KEY_BITS, *elliptic_curves.CURVES, edwards_curve.KEY_SPEC, sm2.KEY_SPEC), SIGN_VERIFY
    ),
    **dict.fromkeys((ml_kem.EXPANDED_KEY_SPEC, *ml_kem.PRIVATE_KEYS), ENCAPSULATE_DECAPSULATE),
}
"""By data key pair spec: the usage whose family makes the pair. A family without a row makes none."""
