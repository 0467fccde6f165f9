"""sts:GetAccessKeyInfo: the account that an access key belongs to."""

from __future__ import annotations

from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import GetAccessKeyInfoRequest, GetAccessKeyInfoResponse
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_account, records
from strongroom.resources.identifiers import AccessKeyId


async def get_access_key_info(call: Call, request: GetAccessKeyInfoRequest) -> GetAccessKeyInfoResponse:
    """Of any account, active or not. Temporary ones are kept nowhere, so nobody knows whose they are."""
    access_key = await call.rooms.store.find_access_key(AccessKeyId(request.access_key_id))
    if access_key is None or not access_key.account_id:  # a service's belongs to no account
        raise sts_refusals.access_key_unknown()
    return GetAccessKeyInfoResponse(account=access_key.account_id)


GET_ACCESS_KEY_INFO = Operation(
    service="sts",
    name="GetAccessKeyInfo",
    input=GetAccessKeyInfoRequest,
    output=GetAccessKeyInfoResponse,
    check=None,
    access=on_account("sts:GetAccessKeyInfo"),
    states=None,
    usage=None,
    read_only=True,
    records=records("access_key_id"),
    response_records=(),
    run=get_access_key_info,
)

OPERATIONS = (GET_ACCESS_KEY_INFO,)
