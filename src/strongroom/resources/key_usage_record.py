"""When a KMS key was last used for cryptography: what GetKeyLastUsage tells."""

from __future__ import annotations

from typing import NamedTuple

from strongroom.aws.generated.enums import KeyLastUsageTrackingOperation
from strongroom.resources.identifiers import AccountId, KeyId, Region


class KeyUsageRecord(NamedTuple):
    """The last successful cryptographic operation with a key in its Region.

    A tuple, since one is made for nearly every request. Units: `used_at` in seconds since 1970.
    """

    account_id: AccountId
    region: Region
    key_id: KeyId
    operation: KeyLastUsageTrackingOperation
    used_at: float
    event_id: str
    """CloudTrail's eventID of the operation's record."""
    request_id: str
