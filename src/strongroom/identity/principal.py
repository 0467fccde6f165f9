"""Who is calling, once proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from strongroom.resources.identifiers import AccessKeyId, AccountId, Region


class PrincipalType(StrEnum):
    """CloudTrail's names for kinds of callers."""

    ROOT = "Root"
    IAM_USER = "IAMUser"
    ASSUMED_ROLE = "AssumedRole"
    AWS_SERVICE = "AWSService"
    WEB_IDENTITY_USER = "WebIdentityUser"
    """Somebody with a token, on the way to a role's session; of no account, and known in STS only."""


@dataclass(frozen=True, slots=True)
class Session:
    """What AWS STS bound to temporary credentials when it gave them out."""

    issued_at: datetime
    expires_at: datetime
    policies: tuple[str, ...] = ()
    """The session policy as text."""
    policy_arns: tuple[str, ...] = ()
    """Managed session policies; their text is read at each request."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Session tags, those of the role among them where the role has that key too (session tags win)."""
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None
    federated_provider: str | None = None
    """aws:FederatedProvider: the OIDC provider's ARN."""
    session_name: str | None = None
    """Of an assumed role."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The integrated service through which a request comes, which signed it in the caller's place."""

    service: str
    """`s3`: its principal is s3.amazonaws.com; kms:ViaService is s3.<region>.amazonaws.com."""
    region: Region

    @property
    def service_principal(self) -> str:
        """As aws:CalledVia has it."""
        return f"{self.service}.amazonaws.com"


@dataclass(frozen=True, slots=True)
class AuthenticatedPrincipal:
    """A caller whose signature was verified. Only `identity.authenticate` makes one; of who has a web
    identity token, whose issuer's signature was verified, `operations.web_identities` does."""

    type: PrincipalType
    account_id: AccountId
    arn: str
    """arn:aws:iam::<account>:root, .../user/<path><name>, an assumed role's session ARN
    (arn:aws:sts::<account>:assumed-role/<role>/<session>), a service principal, or of a web identity the
    ARN of its OIDC provider."""
    principal_id: str
    """The unique id that CloudTrail calls principalId; the account id for a root."""
    access_key_id: AccessKeyId
    unique_id: str = ""
    """AIDA... of a user, AROA... of an assumed role; the account id for a root, empty for a service."""
    session: Session | None = None
    """Only with temporary credentials."""
    forwarding: Forwarding | None = None
    """Only where an integrated service acts for this caller."""
    role_arn: str = ""
    """Of an assumed role: the ARN of the role itself, as aws:PrincipalArn and CloudTrail's sessionIssuer
    have it."""
    source_arn: str | None = None
    """aws:SourceArn: the resource for which an integrated service calls. Only from a service."""
    source_account: AccountId | None = None
    """aws:SourceAccount, as `source_arn`."""
    user_name: str | None = None
    """Of a web identity: the subject of its token."""
    own_account_id: AccountId = AccountId("")  # noqa: RUF009  (a NewType of str)
    """Of a service that calls as itself: the account of the keys that it owns. Customers never see it."""

    @property
    def resource_account_id(self) -> AccountId:
        """The account in which the caller names and makes what it names without an account."""
        return self.account_id or self.own_account_id


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """The caller and what the signature's credential scope said."""

    principal: AuthenticatedPrincipal
    region: Region
    service: str
    """`kms`, `sts` or `iam`: the service name in the credential scope."""
