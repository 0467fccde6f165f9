"""A certificate authority for tests, and certificates of it, for a day."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class Authority:
    """Writes its own certificate to `ca_file`, and what it issues into the same directory."""

    def __init__(self, directory: Path, name: str = "tests") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = directory / f"{name}-ca.pem"
        self.ca_file.write_bytes(self._certify(name, self._key, is_ca=True).public_bytes(_PEM))

    def issue(self, subject: str, *, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key files of a name or an address; with days below 0 it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        stem = f"{self._name}-{subject}"
        files = self._directory / f"{stem}.pem", self._directory / f"{stem}-key.pem"
        files[0].write_bytes(self._certify(subject, key, is_ca=False, days=days).public_bytes(_PEM))
        files[1].write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return files

    def _certify(
        self, subject: str, key: ec.EllipticCurvePrivateKey, *, is_ca: bool, days: int = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            name: x509.GeneralName = x509.DNSName(subject)
            with contextlib.suppress(ValueError):
                name = x509.IPAddress(ipaddress.ip_address(subject))
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        return builder.sign(self._key, hashes.SHA256())
