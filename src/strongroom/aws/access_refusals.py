"""The sentences that deny access by a policy of the caller's side, or by a role's trust policy.

Those of key policies and of missing identity-based policies are in refusals.py, with the source tags; one
more here:
  [IUG]  IAM User Guide, "Troubleshoot access denied error messages"
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def access_denied_by_boundary(principal_arn: str, action: str, resource: str) -> ApiError:
    """The caller's permissions boundary does not allow what another policy does."""
    return _access_denied(  # [IUG]
        principal_arn, action, resource, f"because no permissions boundary allows the {action} action"
    )


def access_denied_by_session(principal_arn: str, action: str, resource: str) -> ApiError:
    """The session policies of the caller do not allow what another policy does."""
    return _access_denied(  # [IUG] [GH awslabs/mountpoint-s3, of kms:GenerateDataKey]
        principal_arn, action, resource, f"because no session policy allows the {action} action"
    )


def access_denied_by_trust(principal_arn: str, action: str, resource: str) -> ApiError:
    """The role trust policy does not let the caller assume the role."""
    return _access_denied(  # [IUG]
        principal_arn, action, resource, f"because no role trust policy allows the {action} action"
    )


def explicitly_denied_by_identity(principal_arn: str, action: str, resource: str) -> ApiError:
    """A statement of an identity-based policy denies it."""
    return _access_denied(  # [IUG]
        principal_arn, action, resource, "with an explicit deny in an identity-based policy"
    )


def explicitly_denied_by_boundary(principal_arn: str, action: str, resource: str) -> ApiError:
    """A statement of the permissions boundary denies it."""
    return _access_denied(  # [IUG]
        principal_arn, action, resource, "with an explicit deny in a permissions boundary"
    )


def explicitly_denied_by_session(principal_arn: str, action: str, resource: str) -> ApiError:
    """A statement of a session policy denies it."""
    return _access_denied(  # [IUG] [GH]
        principal_arn, action, resource, "with an explicit deny in a session policy"
    )


def explicitly_denied_by_trust(principal_arn: str, action: str, resource: str) -> ApiError:
    """A statement of the role trust policy denies it."""
    return _access_denied(  # [IUG]
        principal_arn, action, resource, "with an explicit deny in the role trust policy"
    )


def _access_denied(principal_arn: str, action: str, resource: str, because: str) -> ApiError:
    return ApiError(
        "AccessDeniedException",
        f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource} {because}",
    )
