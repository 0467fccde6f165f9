"""sts:AssumeRoleWithWebIdentity: a session of a role, for whom a token of a trusted issuer names."""

from __future__ import annotations

from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import (
    AssumeRoleWithWebIdentityRequest,
    AssumeRoleWithWebIdentityResponse,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, RoleTarget, records
from strongroom.operations.role_assumption import parse_role_arn
from strongroom.operations.role_sessions import check_session_policies, open_role_session
from strongroom.operations.web_identities import audience_of


def _check(request: AssumeRoleWithWebIdentityRequest) -> None:
    parse_role_arn(request.role_arn)
    if request.provider_id is not None:
        raise sts_refusals.provider_id()
    check_session_policies(request.policy, request.policy_arns)


async def assume_role_with_web_identity(
    call: Call, request: AssumeRoleWithWebIdentityRequest
) -> AssumeRoleWithWebIdentityResponse:
    identity = call.web_identity
    assert identity is not None  # noqa: S101
    session = await open_role_session(
        call,
        session_name=request.role_session_name,
        duration_seconds=request.duration_seconds,
        policy=request.policy,
        policy_arns=request.policy_arns,
    )
    return AssumeRoleWithWebIdentityResponse(
        credentials=session.credentials,
        subject_from_web_identity_token=identity.subject,
        assumed_role_user=session.assumed_role_user,
        packed_policy_size=session.packed_policy_size,
        provider=identity.issuer,
        audience=audience_of(identity),
        source_identity=session.source_identity,
    )


ASSUME_ROLE_WITH_WEB_IDENTITY = Operation(
    service="sts",
    name="AssumeRoleWithWebIdentity",
    input=AssumeRoleWithWebIdentityRequest,
    output=AssumeRoleWithWebIdentityResponse,
    check=_check,
    access=(RoleTarget("sts:AssumeRoleWithWebIdentity", by_web_identity=True),),
    states=None,
    usage=None,
    read_only=True,
    records=records(
        "role_arn", "role_session_name", "duration_seconds", "provider_id", "policy", "policy_arns"
    ),
    response_records=(
        "credentials.access_key_id",
        "credentials.expiration",
        "subject_from_web_identity_token",
        "assumed_role_user",
        "packed_policy_size",
        "provider",
        "audience",
        "source_identity",
    ),
    run=assume_role_with_web_identity,
)

OPERATIONS = (ASSUME_ROLE_WITH_WEB_IDENTITY,)
