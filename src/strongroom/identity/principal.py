"""Who is calling, once proven."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.resources.identifiers import AccessKeyId, AccountId, Region


class PrincipalType(StrEnum):
    """CloudTrail's names for kinds of callers."""

    ROOT = "Root"
    IAM_USER = "IAMUser"
    ASSUMED_ROLE = "AssumedRole"
    AWS_SERVICE = "AWSService"


@dataclass(frozen=True, slots=True)
class AuthenticatedPrincipal:
    """A caller whose signature was verified. Only `identity.authenticate` makes one."""

    type: PrincipalType
    account_id: AccountId
    arn: str
    """arn:aws:iam::<account>:root, .../user/<name>, or an assumed role's session ARN."""
    principal_id: str
    """The unique id that CloudTrail calls principalId; the account id for a root."""
    access_key_id: AccessKeyId


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """The caller and what the signature's credential scope said."""

    principal: AuthenticatedPrincipal
    region: Region
    service: str
    """`kms` or `sts`: the service name in the credential scope."""
