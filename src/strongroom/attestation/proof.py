"""The cryptography of a document: its chain of certificates, its signature, and the key in it.

Imported only where a root is configured: it brings in a library of several megabytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from strongroom.attestation.certificates import verify_chain
from strongroom.attestation.document import SIGNATURE_BYTES, AttestationDocument

RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 4096
RSA_EXPONENT_MAX: Final = (1 << 32) - 1


def load_root(pem: bytes) -> bytes:
    """DER. Raises ValueError unless there is exactly one certificate, of an elliptic curve key."""
    certificates = x509.load_pem_x509_certificates(pem)
    if len(certificates) != 1:
        raise ValueError("not one certificate")
    if not isinstance(certificates[0].public_key(), ec.EllipticCurvePublicKey):
        raise ValueError("not a certificate of an elliptic curve key")
    return certificates[0].public_bytes(Encoding.DER)


def verify_document(document: AttestationDocument, root: bytes, now: datetime) -> bytes:
    """The public key in a document that `root` vouches for, in its one DER form.

    Raises ValueError, and whatever the parsers beneath do, for anything else.
    """
    key = verify_chain(root, document.certificate_bundle, document.certificate, now)
    half = SIGNATURE_BYTES // 2
    r, s = (
        int.from_bytes(number, "big") for number in (document.signature[:half], document.signature[half:])
    )
    key.verify(encode_dss_signature(r, s), document.signed, ec.ECDSA(hashes.SHA384()))
    if document.public_key is None:
        raise ValueError("no public key")
    return _rsa_key(document.public_key)


def _rsa_key(encoded: bytes) -> bytes:
    """The key in its one DER form."""
    key = load_der_public_key(encoded)
    if not isinstance(key, rsa.RSAPublicKey) or not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise ValueError("unfit for a recipient")
    if key.public_numbers().e > RSA_EXPONENT_MAX:
        raise ValueError("unfit for a recipient")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
