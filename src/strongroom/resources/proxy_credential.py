"""A credential with which another key management service signs its requests to the external key store proxy.

Unrelated to access keys of IAM. Source: External Key Store Proxy API Specification 1.0.3, Appendix A.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.resources.identifiers import AccessKeyId

CREDENTIALS_MAX = 2
"""The old and the new one, while callers change over ("SigV4 credentials rotation")."""
PROXY_ACCESS_KEY_ID = re.compile(r"[A-Z2-7]{20,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProxyCredential:
    """The record. Secrets: the secret is a token that only the boundary opens."""

    access_key_id: AccessKeyId
    secret_token: bytes = field(repr=False)
    created_at: datetime


def new_proxy_access_key_id() -> AccessKeyId:
    """20 characters that tell nothing of the secret."""
    return AccessKeyId(base64.b32encode(os.urandom(15)).decode("ascii")[:20])
