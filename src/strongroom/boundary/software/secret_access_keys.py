"""Secret access keys of callers: made, kept and used here, so that a front worker never holds one."""

from __future__ import annotations

import base64
import hmac
import os
import re
from typing import Final

from strongroom.boundary.interface import BoundaryRefused

_SECRET = re.compile(rb"[\x21-\x7e]{1,128}")
_SCOPE_BYTES_MAX: Final = 255
_RANDOM_BYTES: Final = 30
_PROXY_RANDOM_BYTES: Final = 32


def generate_secret() -> bytes:
    """A new secret access key: 40 characters of the base64 alphabet, 240 random bits."""
    return base64.b64encode(os.urandom(_RANDOM_BYTES))


def generate_proxy_secret() -> bytes:
    """A new secret for callers of the external key store proxy: 44 characters of the base64 alphabet.

    Source: External Key Store Proxy API Specification, Appendix A (256 bits); CreateCustomKeyStore,
    RawSecretAccessKey (43 to 64 characters).
    """
    return base64.b64encode(os.urandom(_PROXY_RANDOM_BYTES))


def require_secret(secret: bytes) -> None:
    """Raises ValueError unless `secret` is 1 to 128 printable ASCII characters without blanks."""
    if _SECRET.fullmatch(secret) is None:
        raise ValueError("not a secret access key")


def derive_signing_key(secret: bytes, date: bytes, region: bytes, service: bytes) -> bytes:
    """The SigV4 signing key of a day, Region and service. Raises BoundaryRefused for overlong parts.

    The parts are what a caller claims: a wrong one gives a key that fits no signature.
    Source: AWS Signature Version 4, "Derive a signing key".
    """
    key = b"AWS4" + secret
    for part in (date, region, service, b"aws4_request"):
        if len(part) > _SCOPE_BYTES_MAX:
            raise BoundaryRefused
        key = hmac.digest(key, part, "sha256")
    return key
