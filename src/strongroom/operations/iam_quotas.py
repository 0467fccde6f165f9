"""How much of everything an account has of IAM: AWS's default quotas, not adjustable here.

Source: IAM User Guide, "IAM and AWS STS quotas" (reference_iam-quotas); GetAccountSummary of a new account.
"""

from __future__ import annotations

from typing import Final

USERS_PER_ACCOUNT: Final = 5000
GROUPS_PER_ACCOUNT: Final = 300
ROLES_PER_ACCOUNT: Final = 1000
POLICIES_PER_ACCOUNT: Final = 1500
GROUPS_PER_USER: Final = 10
ACCESS_KEYS_PER_USER: Final = 2
ATTACHED_POLICIES_PER_ENTITY: Final = 10
VERSIONS_PER_POLICY: Final = 5
USER_POLICY_CHARACTERS: Final = 2048
GROUP_POLICY_CHARACTERS: Final = 5120
ROLE_POLICY_CHARACTERS: Final = 10_240
MANAGED_POLICY_CHARACTERS: Final = 6144
TRUST_POLICY_CHARACTERS: Final = 2048
