"""A role's session, as AssumeRole and AssumeRoleWithWebIdentity open it: how long, and within which policies.

Source: AssumeRole in the STS API reference; IAM User Guide, "Methods to assume a role" (role chaining).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.authorization.iam_policy import parse_identity_policy
from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import AssumedRoleUser, Credentials, PolicyDescriptorType
from strongroom.identity.principal import PrincipalType
from strongroom.identity.session_token import SessionTooLarge
from strongroom.identity.temporary_credentials import (
    TemporaryCredentials,
    make_temporary_credentials,
    packed_policy_size,
)
from strongroom.operations.context import Call
from strongroom.resources.iam import Role
from strongroom.resources.identifiers import AccountId
from strongroom.store.interface import Store

SESSION_POLICIES_CHARACTERS_MAX: Final = 2_048
POLICY_ARNS_MAX: Final = 10
DURATION_SECONDS: Final = 3_600
"""Of a session whose caller does not say; and the most there is for a session that a session opens."""


@dataclass(frozen=True, slots=True)
class RoleSession:
    """What STS answers of a new session. Secrets: `credentials`."""

    credentials: Credentials
    assumed_role_user: AssumedRoleUser
    packed_policy_size: int | None
    source_identity: str | None


def check_session_policies(policy: str | None, policy_arns: Sequence[PolicyDescriptorType] | None) -> None:
    """What can be said of session policies before anything is looked up.

    Raises: ApiError MalformedPolicyDocument, ValidationError.
    """
    arns = [one.arn or "" for one in policy_arns or ()]
    if len(arns) > POLICY_ARNS_MAX:
        raise sts_refusals.too_many_policy_arns(POLICY_ARNS_MAX)
    if len(policy or "") + sum(map(len, arns)) > SESSION_POLICIES_CHARACTERS_MAX:
        raise sts_refusals.session_policies_too_long(SESSION_POLICIES_CHARACTERS_MAX)
    if policy is not None:
        parse_identity_policy(policy)


async def open_role_session(
    call: Call,
    *,
    session_name: str,
    duration_seconds: int | None,
    policy: str | None,
    policy_arns: Sequence[PolicyDescriptorType] | None,
) -> RoleSession:
    """Temporary credentials of the role that the road has allowed. Raises: ApiError."""
    assumption = call.assumption
    assert assumption is not None  # noqa: S101
    role = assumption.role
    assert role is not None  # noqa: S101
    is_web_identity = call.principal.type is PrincipalType.WEB_IDENTITY_USER
    is_chained = call.principal.session is not None and not is_web_identity
    policies = () if policy is None else (policy,)
    arns = await _require_managed(call.rooms.store, policy_arns, role.account_id)
    try:
        made = await make_temporary_credentials(
            call.rooms.boundary,
            call.rooms.clock,
            kind=PrincipalType.ASSUMED_ROLE,
            account_id=role.account_id,
            unique_id=role.unique_id,
            duration_seconds=_require_duration(duration_seconds, role, is_chained=is_chained),
            session_name=session_name,
            policies=policies,
            policy_arns=arns,
            tags=assumption.tags,
            transitive_tag_keys=assumption.transitive_tag_keys,
            source_identity=assumption.source_identity,
            federated_provider=call.principal.arn if is_web_identity else None,
        )
    except SessionTooLarge:
        percent = packed_policy_size(policies, arns, assumption.tags) or 0
        raise sts_refusals.packed_policy_too_large(max(percent, 101)) from None
    partition = assumption.role_arn.split(":", 2)[1]
    return RoleSession(
        credentials=render_credentials(made),
        assumed_role_user=AssumedRoleUser(
            assumed_role_id=f"{role.unique_id}:{session_name}",
            arn=f"arn:{partition}:sts::{role.account_id}:assumed-role/{role.name}/{session_name}",
        ),
        packed_policy_size=made.packed_policy_size,
        source_identity=assumption.source_identity,
    )


def render_credentials(made: TemporaryCredentials) -> Credentials:
    """As STS answers them, once."""
    return Credentials(
        access_key_id=made.access_key_id,
        secret_access_key=made.secret_access_key,
        session_token=made.session_token,
        expiration=made.expiration.timestamp(),
    )


def _require_duration(wanted: int | None, role: Role, *, is_chained: bool) -> int:
    if wanted is None:
        return DURATION_SECONDS
    if is_chained and wanted > DURATION_SECONDS:
        raise sts_refusals.duration_over_chained()
    if wanted > role.max_session_seconds:
        raise sts_refusals.duration_over_roles()
    return wanted


async def _require_managed(
    store: Store, given: Sequence[PolicyDescriptorType] | None, account_id: AccountId
) -> tuple[str, ...]:
    """The ARNs of managed session policies, which are AWS's or of the role's account and exist now.

    They are kept in the partition `aws`, as those of attached policies are.
    """
    arns = []
    for one in given or ():
        arn = one.arn or ""
        parts = arn.split(":", 5)
        if len(parts) == 6 and parts[0] == "arn" and parts[1].startswith("aws"):
            kept = ":".join(["arn", "aws", *parts[2:]])
            if parts[4] in ("aws", account_id) and await store.find_policy_text(kept) is not None:
                arns.append(kept)
                continue
        raise sts_refusals.policy_arn_invalid(arn)
    return tuple(dict.fromkeys(arns))
