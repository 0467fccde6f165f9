"""CMS for a recipient: opened by openssl, and of the structure that AWS's enclave library demands."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.enveloped_data import parse_enveloped_data

from strongroom.boundary.interface import BoundaryRefused
from strongroom.boundary.software.recipient import seal_for_recipient

KEY = rsa.generate_private_key(65537, 2048)
OAEP_SHA_256 = bytes.fromhex(
    "06092a864886f70d010107"  # id-RSAES-OAEP
    "302fa00f300d06096086480165030402010500"  # [0] SHA-256
    "a11c301a06092a864886f70d010108300d06096086480165030402010500"  # [1] MGF1 with SHA-256
)


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 4096])
def test_sealed_plaintext_has_the_structure_and_opens(length: int) -> None:
    plaintext = bytes(range(256)) * 16
    enveloped = parse_enveloped_data(seal_for_recipient(spki(KEY.public_key()), plaintext[:length]))
    assert enveloped.key_encryption == OAEP_SHA_256
    bits = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert enveloped.key_identifier == sha256(bits).digest()[:20]
    assert enveloped.open(KEY) == plaintext[:length]


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_sealed_plaintext_is_opened_by_openssl(tmp_path: Path, bits: int) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is needed to read CMS with another implementation"
    key = rsa.generate_private_key(65537, bits)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "sealed").write_bytes(seal_for_recipient(spki(key.public_key()), b"for the enclave"))
    command = [openssl, "cms", "-decrypt", "-inform", "DER", "-in", "sealed", "-inkey", "key.pem"]
    opened = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=False)
    assert (opened.returncode, opened.stdout) == (0, b"for the enclave"), opened.stderr


def test_every_sealing_has_its_own_key_and_iv() -> None:
    sealed = [parse_enveloped_data(seal_for_recipient(spki(KEY.public_key()), b"same")) for _ in range(8)]
    assert len({one.iv for one in sealed}) == len({one.ciphertext for one in sealed}) == 8


@pytest.mark.parametrize(
    "public_key",
    [
        b"",
        b"\x30\x03\x02\x01\x01",
        bytes(2000),
        spki(ec.generate_private_key(ec.SECP256R1()).public_key()),
        spki(rsa.RSAPublicNumbers(65537, (1 << 1023) + 1).public_key()),
        spki(rsa.RSAPublicNumbers(65537, (1 << 4103) + 1).public_key()),
    ],
    ids=["nothing", "no key", "zeros", "elliptic curve", "1024 bits", "4104 bits"],
)
def test_recipient_key_that_is_no_rsa_key_of_a_fit_length_is_refused(public_key: bytes) -> None:
    with pytest.raises(BoundaryRefused):
        seal_for_recipient(public_key, b"secret")
