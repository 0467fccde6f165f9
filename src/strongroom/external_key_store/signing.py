"""AWS Signature Version 4 for requests to a proxy: `host;x-amz-date`, and the hash of the body.

Source: External Key Store Proxy API Specification, Appendix A.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

SERVICE = "kms-xks-proxy"


def authorization_of(
    *, signing_key: bytes, access_key_id: str, region: str, host: str, path: str, timestamp: str, body: bytes
) -> str:
    """The Authorization header of a POST. `timestamp` is YYYYMMDDTHHMMSSZ; `path` has no character to
    encode. Secrets: `signing_key` signs for one day, Region and service."""
    canonical = "\n".join(
        (
            "POST",
            path,
            "",
            f"host:{host}",
            f"x-amz-date:{timestamp}",
            "",
            "host;x-amz-date",
            sha256(body).hexdigest(),
        )
    )
    scope = f"{timestamp[:8]}/{region}/{SERVICE}/aws4_request"
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", timestamp, scope, sha256(canonical.encode()).hexdigest())
    ).encode()
    signature = hmac.digest(signing_key, to_sign, "sha256").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )
