"""A grant: a permission on one KMS key, given to a principal beside the key policy."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from strongroom.aws.generated.enums import GrantOperation
from strongroom.resources.identifiers import AccountId, KeyId, Region

GrantId = NewType("GrantId", str)
"""64 lower-case hex digits."""

GRANT_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def new_grant_id() -> GrantId:
    """A fresh grant id that nobody can guess."""
    return GrantId(secrets.token_hex(32))


@dataclass(frozen=True, slots=True)
class GrantConstraints:
    """What must hold for a grant to permit. Absent ones are None.

    Source: GrantConstraints in the KMS API reference.
    """

    encryption_context_subset: Mapping[str, str] | None = None
    encryption_context_equals: Mapping[str, str] | None = None
    source_arn: str | None = None


NO_CONSTRAINTS = GrantConstraints()


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What a grant permits: these operations, under these constraints."""

    operations: frozenset[GrantOperation]
    constraints: GrantConstraints


@dataclass(frozen=True, slots=True)
class GrantReference:
    """What a grant token says: which grant, of which key. Not that the grant is still there."""

    account_id: AccountId
    """Of the KMS key."""
    region: Region
    key_id: KeyId
    grant_id: GrantId


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which of a key's grants to list; an absent member takes all."""

    grant_id: GrantId | None = None
    grantee_principal: str | None = None
    grantee_service_principal: str | None = None


ALL_GRANTS = GrantFilter()


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant's record. Grants only allow, they never deny.

    Invariant: exactly one of `grantee_principal` and `grantee_service_principal` is given.
    """

    account_id: AccountId
    """Of the KMS key."""
    region: Region
    key_id: KeyId
    grant_id: GrantId
    name: str | None
    grantee_principal: str | None
    grantee_service_principal: str | None
    retiring_principal: str | None
    retiring_service_principal: str | None
    issuing_account: str
    """The account that made the grant, as the ARN of its root."""
    operations: tuple[GrantOperation, ...]
    constraints: GrantConstraints
    created_at: datetime
    grantee_id: str | None = None
    """The unique id that the grantee's ARN meant when the grant was made; None for roots and services."""
    retiring_id: str | None = None
    """The same of the retiring principal."""

    @property
    def reference(self) -> GrantReference:
        """What names the grant."""
        return GrantReference(self.account_id, self.region, self.key_id, self.grant_id)
