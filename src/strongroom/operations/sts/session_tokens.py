"""sts:GetSessionToken: temporary credentials of a user, or of the account's root."""

from __future__ import annotations

from typing import Final

from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import GetSessionTokenRequest, GetSessionTokenResponse
from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import make_temporary_credentials
from strongroom.operations.context import Call
from strongroom.operations.operation import NO_PERMISSION_NEEDED, Operation, records
from strongroom.operations.role_sessions import render_credentials

USER_SECONDS: Final = 43_200
ROOT_SECONDS_MAX: Final = 3_600


def _check(request: GetSessionTokenRequest) -> None:
    if request.serial_number is not None or request.token_code is not None:
        raise sts_refusals.mfa_not_validated()


async def get_session_token(call: Call, request: GetSessionTokenRequest) -> GetSessionTokenResponse:
    principal = call.principal
    if principal.session is not None:  # a role's: those of users and roots the road has refused
        raise sts_refusals.not_with_session_credentials("GetSessionToken")
    if principal.type is PrincipalType.AWS_SERVICE or principal.forwarding is not None:
        raise sts_refusals.not_by_service("GetSessionToken")
    seconds = request.duration_seconds or USER_SECONDS
    if principal.type is PrincipalType.ROOT:  # "if the duration is longer, defaults to one hour"
        seconds = min(seconds, ROOT_SECONDS_MAX)
    made = await make_temporary_credentials(
        call.rooms.boundary,
        call.rooms.clock,
        kind=principal.type,
        account_id=principal.account_id,
        unique_id=principal.unique_id,
        duration_seconds=seconds,
    )
    return GetSessionTokenResponse(credentials=render_credentials(made))


GET_SESSION_TOKEN = Operation(
    service="sts",
    name="GetSessionToken",
    input=GetSessionTokenRequest,
    output=GetSessionTokenResponse,
    check=_check,
    access=NO_PERMISSION_NEEDED,
    states=None,
    usage=None,
    read_only=True,
    records=records("duration_seconds", "serial_number"),
    response_records=("credentials.access_key_id", "credentials.expiration"),
    run=get_session_token,
)

OPERATIONS = (GET_SESSION_TOKEN,)
