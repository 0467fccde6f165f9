"""A KMS key that the external key store proxy offers to other services as an external key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from strongroom.resources.identifiers import KeyId, Region

EXTERNAL_KEY_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}", re.ASCII)
"""CreateKey, XksKeyId. A path segment of one or two dots would not survive the way."""
USAGES = ("ENCRYPT", "DECRYPT")


@dataclass(frozen=True, slots=True)
class ProxiedKey:
    """Which KMS key an external key id means, and what it may be used for."""

    region: Region
    key_id: KeyId
    usages: tuple[str, ...] = USAGES
    arn: str | None = None
    """Where the operator named the key by its ARN: the key must have it."""
