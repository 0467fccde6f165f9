"""From a configured root to the certificate of an enclave: every link verified, nothing assumed.

Source: RFC 5280, 6.1; github.com/aws/aws-nitro-enclaves-nsm-api, docs/attestation_process.md, "Certificates
chain validation".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

UNDERSTOOD: Final = frozenset((ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE))
"""A critical extension that is not among these refuses the chain (RFC 5280, 4.2)."""
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class ChainRefused(ValueError):
    """The certificates do not lead from the root to a key that may sign documents now."""


def verify_chain(
    root: bytes, bundle: Sequence[bytes], leaf: bytes, now: datetime
) -> ec.EllipticCurvePublicKey:
    """The P-384 key of `leaf`, all DER; the first of `bundle` must be the root itself.

    Raises ChainRefused, and whatever the parser of certificates may raise.
    """
    if not bundle or bundle[0] != root:
        raise ChainRefused
    issuer = x509.load_der_x509_certificate(root)
    _require_authority(issuer, now, below=len(bundle) - 1)
    issuer.verify_directly_issued_by(issuer)
    for position, encoded in enumerate(bundle[1:], start=1):
        certificate = x509.load_der_x509_certificate(encoded)
        _require_issued(certificate, issuer)
        _require_authority(certificate, now, below=len(bundle) - 1 - position)
        issuer = certificate
    certificate = x509.load_der_x509_certificate(leaf)
    _require_issued(certificate, issuer)
    _require_sound(certificate, now)
    _require_end_entity(certificate)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise ChainRefused
    return key


def _require_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """By name and signature, with ECDSA and a hash of the SHA-2 family."""
    if not isinstance(issuer.public_key(), ec.EllipticCurvePublicKey):
        raise ChainRefused
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        raise ChainRefused
    certificate.verify_directly_issued_by(issuer)


def _require_sound(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ChainRefused
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in UNDERSTOOD:
            raise ChainRefused


def _require_authority(certificate: x509.Certificate, now: datetime, below: int) -> None:
    """A CA that may sign certificates, with at most `below` CAs between it and the enclave's certificate."""
    _require_sound(certificate, now)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    if not constraints.ca or not usage.key_cert_sign:
        raise ChainRefused
    if constraints.path_length is not None and constraints.path_length < below:
        raise ChainRefused


def _require_end_entity(certificate: x509.Certificate) -> None:
    """Not a CA; where it says what its key is for, that must be signatures."""
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise ChainRefused
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            raise ChainRefused
