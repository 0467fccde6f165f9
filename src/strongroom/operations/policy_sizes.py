"""How long policies may be. IAM counts characters, and no white space.

Source: IAM User Guide, "IAM and AWS STS quotas" (reference_iam-quotas).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom.aws import iam_entity_refusals
from strongroom.operations.iam_quotas import (
    GROUP_POLICY_CHARACTERS,
    MANAGED_POLICY_CHARACTERS,
    ROLE_POLICY_CHARACTERS,
    TRUST_POLICY_CHARACTERS,
    USER_POLICY_CHARACTERS,
)
from strongroom.resources.iam import EntityKind

INLINE_POLICY_CHARACTERS: Final = {
    EntityKind.USER: USER_POLICY_CHARACTERS,
    EntityKind.GROUP: GROUP_POLICY_CHARACTERS,
    EntityKind.ROLE: ROLE_POLICY_CHARACTERS,
}
"""Of all inline policies of one entity together."""


def policy_characters(text: str) -> int:
    """The size of a policy as IAM counts it."""
    return len("".join(text.split()))


def require_managed_policy_size(text: str) -> None:
    """Raises ApiError LimitExceeded."""
    if policy_characters(text) > MANAGED_POLICY_CHARACTERS:
        raise iam_entity_refusals.quota_exceeded("PolicySize", MANAGED_POLICY_CHARACTERS)


def require_trust_policy_size(text: str) -> None:
    """Raises ApiError LimitExceeded."""
    if policy_characters(text) > TRUST_POLICY_CHARACTERS:
        raise iam_entity_refusals.quota_exceeded("ACLSizePerRole", TRUST_POLICY_CHARACTERS)


def require_inline_policy_sizes(kind: EntityKind, name: str, texts: Iterable[str]) -> None:
    """All inline policies that the entity is to have. Raises ApiError LimitExceeded."""
    limit = INLINE_POLICY_CHARACTERS[kind]
    if sum(policy_characters(text) for text in texts) > limit:
        raise iam_entity_refusals.inline_policies_too_long(limit, kind.value, name)
