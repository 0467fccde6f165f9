"""What was decided, and why: enough to answer the caller and to explain it later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.aws import access_refusals, refusals
from strongroom.aws.errors import ApiError
from strongroom.identity.principal import AuthenticatedPrincipal


class PolicyType(StrEnum):
    """The types of policies that a decision is made from."""

    KEY = "key policy"
    TRUST = "role trust policy"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    GRANT = "grant"


class Reason(StrEnum):
    """Why a request is allowed or not; each denial has its own sentence."""

    KEY_POLICY_ALLOWS = "a statement of the key policy allows it"
    TRUST_POLICY_ALLOWS = "a statement of the role trust policy allows it"
    IDENTITY_POLICY_ALLOWS = "a statement of an identity-based policy allows it"
    GRANT_ALLOWS = "a grant allows it"
    GRANT_SAYS_WHO_RETIRES_IT = "the grant names who may retire it"
    ACCOUNT_ROOT = "the account root needs no identity-based policy"

    DENIED_BY_KEY_POLICY = "a statement of the key policy denies it"
    DENIED_BY_TRUST_POLICY = "a statement of the role trust policy denies it"
    DENIED_BY_IDENTITY_POLICY = "a statement of an identity-based policy denies it"
    DENIED_BY_BOUNDARY = "a statement of the permissions boundary denies it"
    DENIED_BY_SESSION_POLICY = "a statement of a session policy denies it"

    NO_KEY_POLICY_ALLOWS = "no statement of the key policy allows it"
    NO_TRUST_POLICY_ALLOWS = "no statement of the role trust policy allows it"
    NO_IDENTITY_POLICY_ALLOWS = "no identity-based policy allows it"
    NO_BOUNDARY_ALLOWS = "the permissions boundary does not allow it"
    NO_SESSION_POLICY_ALLOWS = "no session policy allows it"

    NOT_ACROSS_ACCOUNTS = "the operation cannot be used on a KMS key of another account"
    KEY_POLICY_UNREADABLE = "the stored key policy cannot be read"
    TRUST_POLICY_UNREADABLE = "the stored role trust policy cannot be read"
    CALLER_POLICY_UNREADABLE = "a stored policy of the caller cannot be read"
    CALLER_GONE = "the caller's user or role is gone"
    AMBIGUOUS_CONDITION = "a condition key that has one value has two in this request"


DENIED_BY = {
    PolicyType.KEY: Reason.DENIED_BY_KEY_POLICY,
    PolicyType.TRUST: Reason.DENIED_BY_TRUST_POLICY,
    PolicyType.IDENTITY: Reason.DENIED_BY_IDENTITY_POLICY,
    PolicyType.BOUNDARY: Reason.DENIED_BY_BOUNDARY,
    PolicyType.SESSION: Reason.DENIED_BY_SESSION_POLICY,
}
"""The explicit denies, by the kind of policy that the denying statement stands in."""

A_GRANT_MAY_STILL_ALLOW = frozenset(
    {
        Reason.NO_KEY_POLICY_ALLOWS,
        Reason.NO_IDENTITY_POLICY_ALLOWS,
        Reason.NO_BOUNDARY_ALLOWS,
        Reason.NO_SESSION_POLICY_ALLOWS,
    }
)
"""Nothing allows, but nothing forbids either."""


@dataclass(frozen=True, slots=True)
class StatementReference:
    """A statement by its place (from 0) and its Sid, and the policy that it stands in.

    Shape of `policy`: `key policy`, `role trust policy`, the ARN of a managed policy, `inline policy NAME of
    user/NAME`, `permissions boundary ARN`, `session policy`, `session policy ARN`, `grant ID`.
    """

    index: int
    sid: str | None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on.

    Invariant: made only by evaluation, never changed.
    """

    allowed: bool
    reason: Reason
    statements: tuple[StatementReference, ...] = ()
    """The statements that decided: the denying ones; or all that were needed to allow; or none."""


_SENTENCES = {
    Reason.DENIED_BY_KEY_POLICY: refusals.explicitly_denied_by_resource,
    Reason.DENIED_BY_TRUST_POLICY: access_refusals.explicitly_denied_by_trust,
    Reason.DENIED_BY_IDENTITY_POLICY: access_refusals.explicitly_denied_by_identity,
    Reason.DENIED_BY_BOUNDARY: access_refusals.explicitly_denied_by_boundary,
    Reason.DENIED_BY_SESSION_POLICY: access_refusals.explicitly_denied_by_session,
    Reason.NO_KEY_POLICY_ALLOWS: refusals.access_denied_by_resource,
    Reason.NOT_ACROSS_ACCOUNTS: refusals.access_denied_by_resource,
    Reason.KEY_POLICY_UNREADABLE: refusals.access_denied_by_resource,
    Reason.NO_TRUST_POLICY_ALLOWS: access_refusals.access_denied_by_trust,
    Reason.TRUST_POLICY_UNREADABLE: access_refusals.access_denied_by_trust,
    Reason.NO_IDENTITY_POLICY_ALLOWS: refusals.access_denied_by_identity,
    Reason.CALLER_POLICY_UNREADABLE: refusals.access_denied_by_identity,
    Reason.CALLER_GONE: refusals.access_denied_by_identity,
    Reason.AMBIGUOUS_CONDITION: refusals.access_denied_by_identity,
    Reason.NO_BOUNDARY_ALLOWS: access_refusals.access_denied_by_boundary,
    Reason.NO_SESSION_POLICY_ALLOWS: access_refusals.access_denied_by_session,
}


def denial(decision: Decision, principal: AuthenticatedPrincipal, action: str, resource_arn: str) -> ApiError:
    """AWS's AccessDeniedException for a decision that does not allow.

    It says which kind of policy denies or is missing; which statement, only the operator is told.
    Source: IAM User Guide, "Troubleshoot access denied error messages".
    """
    return _SENTENCES[decision.reason](principal.arn, action, resource_arn)


def require_allowed(
    decision: Decision, principal: AuthenticatedPrincipal, action: str, resource_arn: str
) -> None:
    """Raises AWS's AccessDeniedException unless the decision allows."""
    if not decision.allowed:
        raise denial(decision, principal, action, resource_arn)
