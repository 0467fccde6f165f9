"""An attestation document taken apart: COSE_Sign1 around the claims of an enclave. Nothing is verified here.

Source: github.com/aws/aws-nitro-enclaves-nsm-api, docs/attestation_process.md (fields and their limits);
RFC 9052, 4.2 and 4.4 (COSE_Sign1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.attestation.cbor import Item, parse_cbor, render_bytes

DOCUMENT_BYTES_MAX: Final = 262_144
CERTIFICATE_BYTES_MAX: Final = 1024
CERTIFICATES_MAX: Final = 8
"""AWS's chains have four above the enclave's own certificate."""
OPTIONAL_BYTES_MAX: Final = 1024
MODULE_ID_CHARACTERS_MAX: Final = 256
REGISTERS_MAX: Final = 32
REGISTER_BYTES: Final = (32, 48, 64)
SIGNATURE_BYTES: Final = 96
TIMESTAMP_MAX: Final = 1 << 53

_COSE_SIGN1_TAG: Final = 18
_PROTECTED: Final = bytes.fromhex("a1013822")
"""{1: -35}: the algorithm is ES384."""


class DocumentRefused(ValueError):
    """Not an attestation document."""


@dataclass(frozen=True, slots=True)
class AttestationDocument:
    """What a document claims. Worth nothing until its signature and certificates are verified."""

    module_id: str
    timestamp_milliseconds: int
    registers: Mapping[int, bytes]
    """PCRs by their number."""
    certificate: bytes
    certificate_bundle: tuple[bytes, ...]
    """The root first."""
    public_key: bytes | None
    signed: bytes
    """The Sig_structure: what the signature is over."""
    signature: bytes
    """r, then s."""


def parse_document(encoded: bytes) -> AttestationDocument:
    """Raises DocumentRefused, CborRefused."""
    if not 1 <= len(encoded) <= DOCUMENT_BYTES_MAX:
        raise DocumentRefused
    envelope = parse_cbor(encoded, _COSE_SIGN1_TAG)
    if not isinstance(envelope, list) or len(envelope) != 4:
        raise DocumentRefused
    protected, unprotected, payload, signature = envelope
    if protected != _PROTECTED or unprotected != {} or not isinstance(payload, bytes):
        raise DocumentRefused
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise DocumentRefused
    claims = parse_cbor(payload)
    if not isinstance(claims, dict) or claims.get("digest") != "SHA384":
        raise DocumentRefused
    for name in ("user_data", "nonce"):
        _optional_bytes(claims.get(name), 0)
    bundle = claims.get("cabundle")
    if not isinstance(bundle, list) or not 1 <= len(bundle) <= CERTIFICATES_MAX:
        raise DocumentRefused
    return AttestationDocument(
        module_id=_module_id(claims.get("module_id")),
        timestamp_milliseconds=_timestamp(claims.get("timestamp")),
        registers=_registers(claims.get("pcrs")),
        certificate=_certificate(claims.get("certificate")),
        certificate_bundle=tuple(map(_certificate, bundle)),
        public_key=_optional_bytes(claims.get("public_key"), 1),
        signed=b"\x84\x6aSignature1" + render_bytes(_PROTECTED) + b"\x40" + render_bytes(payload),
        signature=signature,
    )


def _module_id(item: Item) -> str:
    if not isinstance(item, str) or not 1 <= len(item) <= MODULE_ID_CHARACTERS_MAX:
        raise DocumentRefused
    return item


def _timestamp(item: Item) -> int:
    if not isinstance(item, int) or not 0 < item < TIMESTAMP_MAX:
        raise DocumentRefused
    return item


def _registers(item: Item) -> Mapping[int, bytes]:
    if not isinstance(item, dict) or not 1 <= len(item) <= REGISTERS_MAX:
        raise DocumentRefused
    registers: dict[int, bytes] = {}
    for number, value in item.items():
        if not isinstance(number, int) or not 0 <= number < REGISTERS_MAX:
            raise DocumentRefused
        if not isinstance(value, bytes) or len(value) not in REGISTER_BYTES:
            raise DocumentRefused
        registers[number] = value
    return registers


def _certificate(item: Item) -> bytes:
    if not isinstance(item, bytes) or not 1 <= len(item) <= CERTIFICATE_BYTES_MAX:
        raise DocumentRefused
    return item


def _optional_bytes(item: Item, least: int) -> bytes | None:
    if item is None:
        return None
    if not isinstance(item, bytes) or not least <= len(item) <= OPTIONAL_BYTES_MAX:
        raise DocumentRefused
    return item
