"""Attestation documents, verified against the roots that the operator configured; there is no other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from strongroom.attestation.certificates import verify_chain
from strongroom.attestation.document import SIGNATURE_BYTES, AttestationDocument, parse_document

FRESH_FOR: Final = timedelta(minutes=5)
"""Documents carry nothing of ours that would tie them to a request, so an old one is not taken."""
RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 4096
RSA_EXPONENT_MAX: Final = (1 << 32) - 1

_IMAGE_REGISTER: Final = 0


class AttestationRefused(Exception):
    """The document is not to be trusted. All causes look the same: who is honest knows what it sent."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """For whom an answer is encrypted: an environment whose attestation document was verified."""

    public_key: bytes
    """DER SubjectPublicKeyInfo of an RSA key."""
    module_id: str
    registers: Mapping[int, bytes]
    """PCRs as in the document."""
    root_label: str
    """The operator's name of the root that the document leads to."""

    @property
    def image_digest(self) -> str | None:
        """kms:RecipientAttestation:ImageSha384, in hexadecimal; None matches nothing."""
        return self.measurement(_IMAGE_REGISTER)

    def measurement(self, number: int) -> str | None:
        """kms:RecipientAttestation:PCR<number>, in hexadecimal; None matches nothing.

        A register of zeros is that of an enclave in debug mode, or was never extended: it is no measurement.
        """
        register = self.registers.get(number)
        return register.hex() if register is not None and any(register) else None


class AttestationVerifier:
    """Knows the roots. Concurrency: any thread; a document takes 2 to 3 ms."""

    __slots__ = ("_roots",)

    def __init__(self, roots: Mapping[str, bytes]) -> None:
        """`roots` are certificates in PEM by their label. Raises ValueError."""
        self._roots = {_load_root(pem): label for label, pem in roots.items()}

    @property
    def trusts_nobody(self) -> bool:
        """Whether no root is configured, so that every document is refused."""
        return not self._roots

    def verify(self, encoded: bytes, now: datetime) -> Recipient:
        """Raises AttestationRefused, and nothing else."""
        try:
            return self._verify(encoded, now)
        except (KeyboardInterrupt, SystemExit):
            raise
        # INVARIANT N1: the parsers beneath raise a dozen types over hostile bytes; each of them is a refusal,
        # and so is a panic in a library's Rust, which is no Exception.
        except BaseException:
            raise AttestationRefused from None

    def _verify(self, encoded: bytes, now: datetime) -> Recipient:
        document = parse_document(encoded)
        # INVARIANT N2: the chain begins at a configured root, byte for byte.
        root = document.certificate_bundle[0]
        label = self._roots.get(root)
        if label is None or abs(_said_at(document) - now) > FRESH_FOR:
            raise AttestationRefused
        key = verify_chain(root, document.certificate_bundle, document.certificate, now)
        half = SIGNATURE_BYTES // 2
        r, s = (
            int.from_bytes(number, "big") for number in (document.signature[:half], document.signature[half:])
        )
        key.verify(encode_dss_signature(r, s), document.signed, ec.ECDSA(hashes.SHA384()))
        if document.public_key is None:
            raise AttestationRefused
        return Recipient(_rsa_key(document.public_key), document.module_id, document.registers, label)


def _said_at(document: AttestationDocument) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=document.timestamp_milliseconds)


def _load_root(pem: bytes) -> bytes:
    """DER. Raises ValueError unless there is exactly one certificate, of an elliptic curve key."""
    certificates = x509.load_pem_x509_certificates(pem)
    if len(certificates) != 1:
        raise ValueError("not one certificate")
    if not isinstance(certificates[0].public_key(), ec.EllipticCurvePublicKey):
        raise ValueError("not a certificate of an elliptic curve key")
    return certificates[0].public_bytes(Encoding.DER)


def _rsa_key(encoded: bytes) -> bytes:
    """The key in its one DER form."""
    key = load_der_public_key(encoded)
    if not isinstance(key, rsa.RSAPublicKey) or not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise AttestationRefused
    if key.public_numbers().e > RSA_EXPONENT_MAX:
        raise AttestationRefused
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
