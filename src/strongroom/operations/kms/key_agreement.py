"""DeriveSharedSecret."""

from __future__ import annotations

from strongroom.aws import mac_refusals
from strongroom.aws.generated.enums import KeyUsageType
from strongroom.aws.generated.shapes import DeriveSharedSecretRequest, DeriveSharedSecretResponse
from strongroom.boundary.interface import PeerKeyRefused
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY


async def derive_shared_secret(call: Call, request: DeriveSharedSecretRequest) -> DeriveSharedSecretResponse:
    key = call.key
    try:
        if call.recipient is not None:
            sealed = await call.rooms.boundary.derive_shared_secret_for_recipient(
                key.current_token, key.key_id, request.public_key, call.recipient.public_key
            )
            return DeriveSharedSecretResponse(
                key_id=key.arn,
                ciphertext_for_recipient=sealed,
                key_agreement_algorithm=request.key_agreement_algorithm,
                key_origin=key.origin,
            )
        shared_secret = await call.rooms.boundary.derive_shared_secret(
            key.current_token, key.key_id, request.public_key
        )
    except PeerKeyRefused:
        raise mac_refusals.invalid_peer_public_key() from None
    return DeriveSharedSecretResponse(
        key_id=key.arn,
        shared_secret=shared_secret,
        key_agreement_algorithm=request.key_agreement_algorithm,
        key_origin=key.origin,
    )


DERIVE_SHARED_SECRET = Operation(
    service="kms",
    name="DeriveSharedSecret",
    input=DeriveSharedSecretRequest,
    output=DeriveSharedSecretResponse,
    check=None,
    access=on_key("kms:DeriveSharedSecret", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.KEY_AGREEMENT,
    read_only=True,
    records=records("key_agreement_algorithm", "key_id", "dry_run"),
    response_records=(),
    run=derive_shared_secret,
)

OPERATIONS = (DERIVE_SHARED_SECRET,)
