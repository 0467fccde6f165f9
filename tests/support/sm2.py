"""SM2 in tests: whether this host has it, openssl as the other side, and a host that lacks it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from strongroom.boundary.software.families import LIBCRYPTO

IS_OFFERED = LIBCRYPTO is not None
needs_sm2 = pytest.mark.skipif(
    not IS_OFFERED, reason="the system's libcrypto has no SM2: nothing of SM2 was tested"
)
DISTINGUISHING_ID = "1234567812345678"


def openssl(directory: Path, *arguments: str, given: bytes = b"") -> tuple[int, bytes]:
    """Run openssl in a directory; its exit code and what it wrote."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=directory, input=given, capture_output=True, check=False
    )
    return done.returncode, done.stdout


def openssl_key(directory: Path, name: str = "key") -> bytes:
    """A key pair that openssl made, in NAME.pem; PKCS #8 in DER, as the Developer Guide makes it."""
    code, pem = openssl(directory, "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:sm2")
    assert code == 0
    (directory / f"{name}.pem").write_bytes(pem)
    code, der = openssl(directory, "pkcs8", "-topk8", "-outform", "DER", "-nocrypt", "-in", f"{name}.pem")
    assert code == 0
    return der


def openssl_verifies(
    directory: Path,
    public_key: bytes,
    message: bytes,
    signature: bytes,
    distinguishing_id: str = DISTINGUISHING_ID,
) -> bool:
    """Whether openssl takes an SM2 signature of a raw message under a distinguishing id."""
    (directory / "public.der").write_bytes(public_key)
    (directory / "message").write_bytes(message)
    (directory / "signature").write_bytes(signature)
    code, _ = openssl(
        directory,
        *(
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "public.der",
            "-keyform",
            "DER",
            "-rawin",
            "-digest",
            "sm3",
        ),
        *("-in", "message", "-sigfile", "signature", "-pkeyopt", f"distid:{distinguishing_id}"),
    )
    return code == 0


def openssl_signs(directory: Path, key: str, message: bytes) -> bytes:
    """openssl's signature of a raw message by KEY.pem."""
    (directory / "message").write_bytes(message)
    code, signature = openssl(
        directory,
        *("pkeyutl", "-sign", "-inkey", f"{key}.pem", "-rawin", "-digest", "sm3", "-in", "message"),
        *("-pkeyopt", f"distid:{DISTINGUISHING_ID}"),
    )
    assert code == 0
    return signature


def openssl_encrypts(directory: Path, public_key: bytes, plaintext: bytes) -> bytes:
    (directory / "public.der").write_bytes(public_key)
    options = ("-encrypt", "-pubin", "-inkey", "public.der", "-keyform", "DER")
    code, ciphertext = openssl(directory, "pkeyutl", *options, given=plaintext)
    assert code == 0
    return ciphertext


def openssl_decrypts(directory: Path, key: str, ciphertext: bytes) -> bytes:
    code, plaintext = openssl(directory, "pkeyutl", "-decrypt", "-inkey", f"{key}.pem", given=ciphertext)
    assert code == 0
    return plaintext


def without_libcrypto(directory: Path) -> Mapping[str, str]:
    """The environment of a process that finds in libcrypto's place a library without its functions."""
    mapped = Path("/proc/self/maps").read_text().splitlines()
    library = next(line.split()[-1] for line in mapped if "/libm.so" in line)
    directory.mkdir(exist_ok=True)
    shutil.copy(library, directory / "libcrypto.so.3")
    return {**os.environ, "LD_LIBRARY_PATH": str(directory)}
