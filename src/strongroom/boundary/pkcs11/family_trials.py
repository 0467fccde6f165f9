"""What a token really does: each key family is tried from end to end before it is offered.

Sizes of RSA keys are one family here, for an RSA_4096 key takes seconds to make: what works with RSA_2048 is
taken to work with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from strongroom.boundary.interface import CiphertextRefused
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.pkcs11.errors import ReturnedError
from strongroom.boundary.pkcs11.families import ALL_FAMILIES, Families, Family
from strongroom.boundary.pkcs11.held_keys import (
    HeldAgreementKey,
    HeldKey,
    HeldMacKey,
    HeldRsaEncryptionKey,
    HeldSigningKey,
    HeldSymmetricKey,
)
from strongroom.boundary.pkcs11.probe import SESSION_SECRET
from strongroom.boundary.pkcs11.resident_keys import WRAPS
from strongroom.boundary.pkcs11.structures import Mechanism
from strongroom.boundary.pkcs11.token import KeyHandle, Token
from strongroom.boundary.pkcs11.wrapped_key_format import WrappedKey
from strongroom.boundary.software.elliptic_curves import ALGORITHM_OF_CURVE, CURVES

_TEXT: Final = b"each family is tried"
_KEY_ID: Final = "00000000-0000-0000-0000-000000000000"
_RSA_SPECS: Final = ("RSA_2048", "RSA_3072", "RSA_4096")

T = TypeVar("T")


class _DoesNotWork(Exception):
    """The token answered, and wrongly."""


@dataclass(frozen=True, slots=True)
class _TrialSource:
    """A token whose failures are what the trial is for."""

    token: Token

    def run(self, domain_key_id: bytes, call: Callable[[Token], T]) -> T:
        return call(self.token)

    def after_failure(self, domain_key_id: bytes, error: ReturnedError) -> Exception:
        return error


def offered_families(token: Token, mechanism: Mechanism) -> tuple[Families, Mapping[str, str]]:
    """What this token offers; and for each family that it does not, why not, for the status."""
    wrapping_key = token.generate_aes_key("", {**SESSION_SECRET, **WRAPS})
    offered: dict[tuple[str, str], Family] = {}
    missing: dict[str, str] = {}
    pairs: dict[str, WrappedKey] = {}  # the same key pair serves every usage: RSA keys are slow to make
    for (key_spec, key_usage), family in ALL_FAMILIES.items():
        if key_spec in _RSA_SPECS[1:]:
            if (_RSA_SPECS[0], key_usage) in offered:
                offered[key_spec, key_usage] = family
            continue
        try:
            _try_family(token, wrapping_key, mechanism, family, key_usage, pairs)
        except (ReturnedError, CiphertextRefused, _DoesNotWork, ValueError) as error:
            missing[f"{key_spec} {key_usage}"] = str(error) or type(error).__name__
        else:
            offered[key_spec, key_usage] = family
    token.destroy(wrapping_key)
    return offered, missing


def _try_family(
    token: Token,
    wrapping_key: KeyHandle,
    mechanism: Mechanism,
    family: Family,
    key_usage: str,
    pairs: dict[str, WrappedKey],
) -> None:
    made = pairs.get(family.key_spec) or family.generate(token, wrapping_key, mechanism)
    pairs[family.key_spec] = made
    handle = family.unwrap(token, wrapping_key, mechanism, made.wrapped)
    header = TokenHeader(
        TokenKind.TOKEN_KEY, bytes(16), bytes(32), "", "", _KEY_ID, family.key_spec, key_usage
    )
    key = family.load(_TrialSource(token), header, handle, made.public_key)
    try:
        _use(key)
    finally:
        key.destroy()


def _use(key: HeldKey) -> None:
    if isinstance(key, HeldSymmetricKey):
        _use_symmetric(key)
    elif isinstance(key, HeldMacKey):
        key.verify_mac(_TEXT, key.generate_mac(_TEXT))
    elif isinstance(key, HeldSigningKey):
        for algorithm in _signing_algorithms(key.key_spec):
            key.verify(_TEXT, "RAW", algorithm, key.sign(_TEXT, "RAW", algorithm))
    elif isinstance(key, HeldRsaEncryptionKey):
        for algorithm in ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"):
            if key.decrypt_asymmetric(key.encrypt_asymmetric(_TEXT, algorithm), algorithm) != _TEXT:
                raise _DoesNotWork(algorithm)
    elif isinstance(key, HeldAgreementKey):
        if key.derive_shared_secret(key.public_key()) != key.derive_shared_secret(key.public_key()):
            raise _DoesNotWork("ECDH")
    else:
        raise _DoesNotWork(type(key).__name__)


def _use_symmetric(key: HeldSymmetricKey) -> None:
    blob = key.encrypt(_TEXT, b"")
    if key.decrypt(blob, b"") != _TEXT:
        raise _DoesNotWork("AES_GCM")
    try:
        key.decrypt(blob[:-1] + bytes([blob[-1] ^ 1]), b"")
    except CiphertextRefused:
        return
    raise _DoesNotWork("AES_GCM opens with a wrong tag")


def _signing_algorithms(key_spec: str) -> list[str]:
    if key_spec in CURVES:
        return [f"ECDSA_{ALGORITHM_OF_CURVE[CURVES[key_spec].name]}"]
    return [
        f"{scheme}_{digest}"
        for scheme in ("RSASSA_PSS", "RSASSA_PKCS1_V1_5")
        for digest in ("SHA_256", "SHA_384", "SHA_512")
    ]
