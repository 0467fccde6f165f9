"""When a KMS key was last used for cryptography: what GetKeyLastUsage tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.aws.generated.enums import KeyLastUsageTrackingOperation
from strongroom.resources.identifiers import AccountId, KeyId, Region


@dataclass(frozen=True, slots=True)
class KeyUsageRecord:
    """The last successful cryptographic operation with a key in its Region."""

    account_id: AccountId
    region: Region
    key_id: KeyId
    operation: KeyLastUsageTrackingOperation
    used_at: datetime
    event_id: str
    """CloudTrail's eventID of the operation's record."""
    request_id: str
