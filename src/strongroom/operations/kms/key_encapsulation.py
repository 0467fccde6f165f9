"""Encapsulate, Decapsulate."""

from __future__ import annotations

from strongroom.aws.generated.enums import KeyUsageType
from strongroom.aws.generated.shapes import (
    DecapsulateRequest,
    DecapsulateResponse,
    EncapsulateRequest,
    EncapsulateResponse,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY


async def encapsulate(call: Call, request: EncapsulateRequest) -> EncapsulateResponse:
    key = call.key
    shared_secret, ciphertext = await call.rooms.boundary.encapsulate(key.current_token, key.key_id)
    return EncapsulateResponse(
        key_id=key.arn,
        shared_secret=shared_secret,
        shared_secret_ciphertext_blob=ciphertext,
        encapsulation_algorithm=request.encapsulation_algorithm,
    )


async def decapsulate(call: Call, request: DecapsulateRequest) -> DecapsulateResponse:
    """A wrong length is InvalidCiphertextException (the road's); all else gives a secret (API reference)."""
    key = call.key
    shared_secret = await call.rooms.boundary.decapsulate(
        key.current_token, key.key_id, request.shared_secret_ciphertext_blob
    )
    return DecapsulateResponse(
        key_id=key.arn,
        shared_secret=shared_secret,
        encapsulation_algorithm=request.encapsulation_algorithm,
    )


ENCAPSULATE = Operation(
    service="kms",
    name="Encapsulate",
    input=EncapsulateRequest,
    output=EncapsulateResponse,
    check=None,
    access=on_key("kms:Encapsulate", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCAPSULATE_DECAPSULATE,
    read_only=True,
    records=records("key_id", "encapsulation_algorithm", "dry_run"),  # Developer Guide, ct-encapsulate
    response_records=(),
    run=encapsulate,
)

DECAPSULATE = Operation(
    service="kms",
    name="Decapsulate",
    input=DecapsulateRequest,
    output=DecapsulateResponse,
    check=None,
    access=on_key("kms:Decapsulate", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCAPSULATE_DECAPSULATE,
    read_only=True,
    records=records("key_id", "encapsulation_algorithm", "dry_run"),  # Developer Guide, ct-decapsulate
    response_records=(),
    run=decapsulate,
)

OPERATIONS = (ENCAPSULATE, DECAPSULATE)
