"""GetPublicKey."""

from __future__ import annotations

from strongroom.aws import asymmetric_refusals
from strongroom.aws.generated.enums import KeyUsageType
from strongroom.aws.generated.shapes import GetPublicKeyRequest, GetPublicKeyResponse
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key_spec import KEY_SPECS, KeyType, customer_master_key_spec
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY


async def get_public_key(call: Call, request: GetPublicKeyRequest) -> GetPublicKeyResponse:
    """The public key, and of the algorithm lists the one that goes with the key's usage."""
    del request
    key = call.key
    row = KEY_SPECS[key.key_spec]
    if row.type is not KeyType.ASYMMETRIC:
        raise asymmetric_refusals.no_public_key()
    public_key = await call.rooms.boundary.get_public_key(key.current_token, key.key_id)
    usage = key.key_usage
    return GetPublicKeyResponse(
        key_id=key.arn,
        public_key=public_key,
        customer_master_key_spec=customer_master_key_spec(key.key_spec),
        key_spec=key.key_spec,
        key_usage=usage,
        encryption_algorithms=list(row.encryption_algorithms)
        if usage is KeyUsageType.ENCRYPT_DECRYPT
        else None,
        signing_algorithms=list(row.signing_algorithms) if usage is KeyUsageType.SIGN_VERIFY else None,
        key_agreement_algorithms=list(row.key_agreement_algorithms)
        if usage is KeyUsageType.KEY_AGREEMENT
        else None,
        encapsulation_algorithms=list(row.encapsulation_algorithms)
        if usage is KeyUsageType.ENCAPSULATE_DECAPSULATE
        else None,
    )


GET_PUBLIC_KEY = Operation(
    service="kms",
    name="GetPublicKey",
    input=GetPublicKeyRequest,
    output=GetPublicKeyResponse,
    check=None,
    access=on_key("kms:GetPublicKey", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=None,
    read_only=True,
    records=records("key_id"),
    response_records=(),
    run=get_public_key,
)

OPERATIONS = (GET_PUBLIC_KEY,)
