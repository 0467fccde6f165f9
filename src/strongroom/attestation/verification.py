"""Attestation documents, verified against the roots that the operator configured; there is no other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.attestation.document import AttestationDocument, parse_document

FRESH_FOR: Final = timedelta(minutes=5)
"""Documents carry nothing of ours that would tie them to a request, so an old one is not taken."""
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
        self._roots: dict[bytes, str] = {}
        if roots:
            from strongroom.attestation.proof import load_root  # late: 8 MB that few servers need

            self._roots = {load_root(pem): label for label, pem in roots.items()}

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
        from strongroom.attestation.proof import verify_document  # there since a root was loaded

        public_key = verify_document(document, root, now)
        return Recipient(public_key, document.module_id, document.registers, label)


def _said_at(document: AttestationDocument) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=document.timestamp_milliseconds)
