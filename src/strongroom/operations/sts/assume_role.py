"""sts:AssumeRole: a session of a role, for whom its trust policy lets."""

from __future__ import annotations

from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import AssumeRoleRequest, AssumeRoleResponse
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, Recorded, RoleTarget, records
from strongroom.operations.role_assumption import parse_role_arn
from strongroom.operations.role_sessions import check_session_policies, open_role_session


def _check(request: AssumeRoleRequest) -> None:
    parse_role_arn(request.role_arn)
    if request.serial_number is not None or request.token_code is not None:
        raise sts_refusals.mfa_not_validated()
    if request.provided_contexts:
        raise sts_refusals.provided_contexts()
    check_session_policies(request.policy, request.policy_arns)


async def assume_role(call: Call, request: AssumeRoleRequest) -> AssumeRoleResponse:
    session = await open_role_session(
        call,
        session_name=request.role_session_name,
        duration_seconds=request.duration_seconds,
        policy=request.policy,
        policy_arns=request.policy_arns,
    )
    return AssumeRoleResponse(
        credentials=session.credentials,
        assumed_role_user=session.assumed_role_user,
        packed_policy_size=session.packed_policy_size,
        source_identity=session.source_identity,
    )


ASSUME_ROLE = Operation(
    service="sts",
    name="AssumeRole",
    input=AssumeRoleRequest,
    output=AssumeRoleResponse,
    check=_check,
    access=(RoleTarget("sts:AssumeRole"),),
    states=None,
    usage=None,
    read_only=True,
    records=(
        *records("role_arn", "role_session_name", "duration_seconds", "external_id", "policy", "policy_arns"),
        Recorded("tags", shown_as="principalTags"),
        *records("transitive_tag_keys", "source_identity", "serial_number"),
    ),
    response_records=(
        "credentials.access_key_id",
        "credentials.expiration",
        "assumed_role_user",
        "packed_policy_size",
        "source_identity",
    ),
    run=assume_role,
)

OPERATIONS = (ASSUME_ROLE,)
