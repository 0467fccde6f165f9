"""The condition keys of requests that open a role's session.

Source: IAM User Guide, "IAM and AWS STS condition context keys" (reference_policies_iam-condition-keys);
Service Authorization Reference, "Actions, resources, and condition keys for AWS Security Token Service".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.aws.generated.sts_shapes import AssumeRoleRequest, AssumeRoleWithWebIdentityRequest
from strongroom.operations.circumstances import Circumstances, Look, Values, render

ABSENT_STS_KEYS: Final[Mapping[str, str]] = {
    "sts:AWSServiceName": "of sts:GetServiceBearerToken, which is no operation here",
    "sts:DurationSeconds": "of sts:GetServiceBearerToken and GetWebIdentityToken",
    "sts:RoleAuthorizedByIdp": "the guide does not describe it",
    "sts:RequestContext/${ContextKey}": "there is no IAM Identity Center",
    "sts:TaskPolicyArn": "of AssumeRoot",
    "sts:IdentityTokenAudience": "of GetWebIdentityToken",
    "sts:SigningAlgorithm": "of GetWebIdentityToken",
    "sts:RequestContextProviders": "there is no IAM Identity Center",
}
"""Why no request has them."""


def _external_id(asked: Circumstances) -> Values:
    request = asked.request
    return render(request.external_id) if isinstance(request, AssumeRoleRequest) else None


def _role_session_name(asked: Circumstances) -> Values:
    request = asked.request
    if isinstance(request, AssumeRoleRequest | AssumeRoleWithWebIdentityRequest):
        return (request.role_session_name,)
    return None


def _source_identity(asked: Circumstances) -> Values:
    """What the new session will have: asked for, or from the caller's own session."""
    return None if asked.assumption is None else render(asked.assumption.source_identity)


def _transitive_tag_keys(asked: Circumstances) -> Values:
    """Those that are inherited among them."""
    return None if asked.assumption is None else asked.assumption.transitive_tag_keys or None


STS_KEYS: Final[Mapping[str, Look]] = {
    "sts:externalid": _external_id,
    "sts:rolesessionname": _role_session_name,
    "sts:sourceidentity": _source_identity,
    "sts:transitivetagkeys": _transitive_tag_keys,
}
