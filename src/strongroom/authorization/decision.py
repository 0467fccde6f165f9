"""What was decided, and why: enough to answer the caller and to explain it later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.aws import refusals
from strongroom.aws.errors import ApiError
from strongroom.identity.principal import AuthenticatedPrincipal


class Reason(StrEnum):
    """Why a request is allowed or not; each denial has its own sentence."""

    KEY_POLICY_ALLOWS = "a statement of the key policy allows it"
    ACCOUNT_ROOT = "the account root needs no identity-based policy"
    EXPLICIT_DENY = "a statement of the key policy denies it"
    NO_KEY_POLICY_ALLOWS = "no statement of the key policy allows it"
    NO_IDENTITY_POLICY_ALLOWS = "no identity-based policy allows it"
    NOT_ACROSS_ACCOUNTS = "the operation cannot be used on a KMS key of another account"
    KEY_POLICY_UNREADABLE = "the stored key policy cannot be read"


@dataclass(frozen=True, slots=True)
class StatementReference:
    """A statement of the key policy, by its place (from 0) and its Sid."""

    index: int
    sid: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on.

    Invariant: made only by evaluation, never changed.
    """

    allowed: bool
    reason: Reason
    statements: tuple[StatementReference, ...]
    """The statements that decided: the denying ones, or else the allowing ones, or none."""


def denial(decision: Decision, principal: AuthenticatedPrincipal, action: str, resource_arn: str) -> ApiError:
    """AWS's AccessDeniedException for a decision that does not allow."""
    if decision.reason is Reason.EXPLICIT_DENY:
        return refusals.explicitly_denied_by_resource(principal.arn, action, resource_arn)
    if decision.reason is Reason.NO_IDENTITY_POLICY_ALLOWS:
        return refusals.access_denied_by_identity(principal.arn, action, resource_arn)
    return refusals.access_denied_by_resource(principal.arn, action, resource_arn)


def require_allowed(
    decision: Decision, principal: AuthenticatedPrincipal, action: str, resource_arn: str
) -> None:
    """Raises AWS's AccessDeniedException unless the decision allows."""
    if not decision.allowed:
        raise denial(decision, principal, action, resource_arn)
