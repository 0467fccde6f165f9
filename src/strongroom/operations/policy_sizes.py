"""How long policies may be. IAM counts characters, and no white space.

Source: IAM User Guide, "IAM and AWS STS quotas" (reference_iam-quotas).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom.aws import iam_entity_refusals
from strongroom.resources.iam import EntityKind

MANAGED_POLICY_CHARACTERS_MAX: Final = 6_144
TRUST_POLICY_CHARACTERS_MAX: Final = 2_048
INLINE_CHARACTERS_MAX: Final = {EntityKind.USER: 2_048, EntityKind.GROUP: 5_120, EntityKind.ROLE: 10_240}
"""Of all inline policies of one entity together."""


def policy_characters(text: str) -> int:
    """The size of a policy as IAM counts it."""
    return len("".join(text.split()))


def require_managed_policy_size(text: str) -> None:
    """Raises ApiError LimitExceeded."""
    if policy_characters(text) > MANAGED_POLICY_CHARACTERS_MAX:
        raise iam_entity_refusals.quota_exceeded("PolicySize", MANAGED_POLICY_CHARACTERS_MAX)


def require_trust_policy_size(text: str) -> None:
    """Raises ApiError LimitExceeded."""
    if policy_characters(text) > TRUST_POLICY_CHARACTERS_MAX:
        raise iam_entity_refusals.quota_exceeded("ACLSizePerRole", TRUST_POLICY_CHARACTERS_MAX)


def require_inline_policy_sizes(kind: EntityKind, name: str, texts: Iterable[str]) -> None:
    """All inline policies that the entity is to have. Raises ApiError LimitExceeded."""
    limit = INLINE_CHARACTERS_MAX[kind]
    if sum(policy_characters(text) for text in texts) > limit:
        raise iam_entity_refusals.inline_policies_too_long(limit, kind.value, name)
