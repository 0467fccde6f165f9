"""Attestation documents as a Nitro hypervisor would make them, under a root named TEST.

Nothing but this file trusts the root: it is made anew in each run, and its private key is never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

ROOT_NAME = "TEST"
MODULE_ID = "i-0123456789abcdef0-enc0123456789abcdef"
PROTECTED = cbor2.dumps({1: -35})
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """A certificate and the key it certifies."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def certify(
    name: str,
    issuer: Authority | None,
    *,
    ca: bool = True,
    path_length: int | None = None,
    key_cert_sign: bool = True,
    digital_signature: bool = True,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    curve: ec.EllipticCurve | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Authority:
    """A certificate for a new key, signed by `issuer`, or by itself."""
    key = ec.generate_private_key(curve or ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - DAY)
        .not_valid_after(not_after or now + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature, False, False, False, False, key_cert_sign, False, False, False),
            critical=True,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Authority(builder.sign(key if issuer is None else issuer.key, hashes.SHA384()), key)


@dataclass(frozen=True)
class Enclave:
    """An enclave with its chain and its RSA key; `document` attests it."""

    root: Authority
    between: tuple[Authority, ...]
    leaf: Authority
    rsa_key: rsa.RSAPrivateKey
    registers: dict[int, bytes] = field(
        default_factory=lambda: {number: bytes((number + 1,)) * 48 for number in (0, 1, 2, 3, 4, 8)}
    )

    @property
    def public_key(self) -> bytes:
        return self.rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def claims(self, now: datetime, **changed: Any) -> dict[str, Any]:
        """The payload's members; a value of `...` takes one out."""
        claims: dict[str, Any] = {
            "module_id": MODULE_ID,
            "digest": "SHA384",
            "timestamp": int(now.timestamp() * 1000),
            "pcrs": self.registers,
            "certificate": self.leaf.der,
            "cabundle": [authority.der for authority in (self.root, *self.between)],
            "public_key": self.public_key,
            "user_data": None,
            "nonce": None,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    def document(self, now: datetime, *, tagged: bool = False, **changed: Any) -> bytes:
        """A signed attestation document."""
        return self.sign(cbor2.dumps(self.claims(now, **changed)), tagged=tagged)

    def sign(self, payload: bytes, *, tagged: bool = False) -> bytes:
        """COSE_Sign1 over whatever payload."""
        signed = cbor2.dumps(["Signature1", PROTECTED, b"", payload])
        r, s = decode_dss_signature(self.leaf.key.sign(signed, ec.ECDSA(hashes.SHA384())))
        size = (self.leaf.key.curve.key_size + 7) // 8
        envelope: Any = [PROTECTED, {}, payload, r.to_bytes(size, "big") + s.to_bytes(size, "big")]
        return cbor2.dumps(cbor2.CBORTag(18, envelope) if tagged else envelope)

    def with_leaf(self, leaf: Authority) -> Enclave:
        return replace(self, leaf=leaf)

    def with_between(self, *between: Authority) -> Enclave:
        """The same root, other authorities between, and a leaf of the last."""
        return replace(self, between=between, leaf=certify("enclave", between[-1], ca=False))


def new_enclave(root: Authority | None = None, rsa_bits: int = 2048) -> Enclave:
    """A chain of AWS's shape: root, Region, zone, instance, enclave."""
    root = root or certify(ROOT_NAME, None)
    region = certify("region", root, path_length=2)
    zone = certify("zone", region, path_length=1)
    instance = certify("instance", zone, path_length=0)
    leaf = certify("enclave", instance, ca=False, key_cert_sign=False)
    return Enclave(root, (region, zone, instance), leaf, rsa.generate_private_key(65537, rsa_bits))
