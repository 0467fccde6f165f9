"""The standard's examples, which the system's libcrypto must reproduce before SM2 is offered.

Source: GB/T 32918.5-2017, the annexes on signatures and on encryption, whose x2 is also what the key and C1
agree on. The same values stand in OpenSSL's test/sm2_internal_test.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from strongroom.boundary.interface import BoundaryError
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software.key_wrapping import NO_MATERIAL
from strongroom.boundary.software.libcrypto import NAMES, Libcrypto, LibcryptoRefused, open_library
from strongroom.boundary.software.sm2 import (
    KEY_SPEC,
    SM2DSA,
    SM2PKE,
    Sm2AgreementKey,
    Sm2EncryptionKey,
    Sm2SigningKey,
)
from strongroom.boundary.software.sm2_format import render_private_key, render_public_key

SCALAR: Final = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
POINT: Final = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
SIGNED: Final = b"message digest"
SIGNATURE: Final = bytes.fromhex(
    "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
ENCRYPTED: Final = b"encryption standard"
CIPHERTEXT: Final = bytes.fromhex(
    "307c022004ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "022100e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
    "042059983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    "041321886ca989ca9c7d58087307ca93092d651efa"
)
C1: Final = bytes.fromhex(
    "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
)
X2: Final = bytes.fromhex("335e18d751e51f040e27d468138b7ab1dc86ad7f981d7d416222fd6ab3ed230d")


def sound_libcrypto(names: Sequence[str] = NAMES) -> Libcrypto | None:
    """The library, if there is one with SM2 and it gives the standard's answers."""
    libcrypto = open_library(names)
    if libcrypto is None:
        return None
    try:
        _require_known_answers(libcrypto)
    except (BoundaryError, LibcryptoRefused, UnsupportedAlgorithm, ValueError):
        return None
    return libcrypto


def _require_known_answers(libcrypto: Libcrypto) -> None:
    """Raises one of those errors when an answer is another."""
    header = TokenHeader(TokenKind.BACKING_KEY, b"", NO_MATERIAL, "", "", "", KEY_SPEC, "")
    material = render_private_key(SCALAR, POINT)
    signing = Sm2SigningKey(libcrypto, header, material)  # the public half is computed and compared
    signing.verify(SIGNED, "RAW", SM2DSA, SIGNATURE)
    signing.verify(SIGNED, "RAW", SM2DSA, signing.sign(SIGNED, "RAW", SM2DSA))
    encryption = Sm2EncryptionKey(libcrypto, header, material)
    again = encryption.encrypt_asymmetric(ENCRYPTED, SM2PKE)
    agreement = Sm2AgreementKey(libcrypto, header, material)
    if (
        encryption.decrypt_asymmetric(CIPHERTEXT, SM2PKE) != ENCRYPTED
        or encryption.decrypt_asymmetric(again, SM2PKE) != ENCRYPTED
        or agreement.derive_shared_secret(render_public_key(C1)) != X2
    ):
        raise ValueError("another answer")
