"""sts:GetCallerIdentity: who the signature says you are."""

from __future__ import annotations

from strongroom.aws.generated.sts_shapes import GetCallerIdentityRequest, GetCallerIdentityResponse
from strongroom.operations.context import Call
from strongroom.operations.operation import NO_PERMISSION_NEEDED, Operation


async def get_caller_identity(call: Call, request: GetCallerIdentityRequest) -> GetCallerIdentityResponse:
    principal = call.principal
    return GetCallerIdentityResponse(
        user_id=principal.principal_id, account=principal.account_id, arn=principal.arn
    )


GET_CALLER_IDENTITY = Operation(
    service="sts",
    name="GetCallerIdentity",
    input=GetCallerIdentityRequest,
    output=GetCallerIdentityResponse,
    check=None,
    access=NO_PERMISSION_NEEDED,
    states=None,
    usage=None,
    read_only=True,
    records=(),
    response_records=(),
    run=get_caller_identity,
)

OPERATIONS = (GET_CALLER_IDENTITY,)
