"""A caller as CloudTrail's `userIdentity` tells of it.

Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element"; instants as its records have them today.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TypedDict

from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType


class UserIdentity(TypedDict, total=False):
    """The members, by the names that audit.cloudtrail.render_user_identity has for them."""

    type: str
    principal_id: str
    arn: str
    account_id: str
    access_key_id: str
    user_name: str | None
    session_context: Mapping[str, object] | None
    invoked_by: str | None
    identity_provider: str | None


def user_identity_of(principal: AuthenticatedPrincipal) -> UserIdentity:
    """Who called. A service is told by its name and no more; of the caller for whom a service calls, the
    access key is the service's."""
    if principal.type is PrincipalType.AWS_SERVICE:
        return UserIdentity(type=principal.type, invoked_by=principal.arn)
    if principal.type is PrincipalType.WEB_IDENTITY_USER:
        return UserIdentity(
            type=principal.type,
            principal_id=principal.principal_id,
            user_name=principal.user_name,
            identity_provider=principal.arn,
        )
    forwarding = principal.forwarding
    is_user = principal.type is PrincipalType.IAM_USER
    return UserIdentity(
        type=principal.type,
        principal_id=principal.principal_id,
        arn=principal.arn,
        account_id=principal.account_id,
        access_key_id=principal.access_key_id,
        user_name=_name(principal.arn) if is_user else None,
        session_context=_session_context(principal),
        invoked_by=None if forwarding is None else forwarding.service_principal,
    )


def _session_context(principal: AuthenticatedPrincipal) -> Mapping[str, object] | None:
    session = principal.session
    if session is None:
        return None
    context: dict[str, object] = {}
    if principal.role_arn:
        context["sessionIssuer"] = {
            "type": "Role",
            "principalId": principal.unique_id,
            "arn": principal.role_arn,
            "accountId": principal.account_id,
            "userName": _name(principal.role_arn),
        }
    if session.federated_provider is not None:
        context["webIdFederationData"] = {"federatedProvider": session.federated_provider, "attributes": {}}
    issued_at = session.issued_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    context["attributes"] = {"creationDate": issued_at, "mfaAuthenticated": "false"}
    if session.source_identity is not None:
        context["sourceIdentity"] = session.source_identity
    return context


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
