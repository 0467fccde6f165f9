"""GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom."""

from __future__ import annotations

from strongroom.aws import refusals
from strongroom.aws.generated.enums import DataKeySpec, KeyUsageType
from strongroom.aws.generated.shapes import (
    GenerateDataKeyRequest,
    GenerateDataKeyResponse,
    GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
    GenerateRandomRequest,
    GenerateRandomResponse,
)
from strongroom.operations.context import Call
from strongroom.operations.encryption_algorithms import require_symmetric
from strongroom.operations.encryption_context import canonical_encryption_context
from strongroom.operations.key_placement import random_of_store
from strongroom.operations.operation import Operation, on_account, on_key, records
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY

_SPEC_BYTES = {DataKeySpec.AES_256: 32, DataKeySpec.AES_128: 16}


def data_key_bytes(key_spec: DataKeySpec | None, number_of_bytes: int | None) -> int:
    """The length asked for: by KeySpec or by NumberOfBytes, exactly one of them."""
    if key_spec is not None and number_of_bytes is None:
        return _SPEC_BYTES[key_spec]
    if number_of_bytes is not None and key_spec is None:
        return number_of_bytes
    raise refusals.key_spec_or_number_of_bytes()


def check_data_key_length(request: GenerateDataKeyRequest | GenerateDataKeyWithoutPlaintextRequest) -> None:
    """Exactly one of KeySpec and NumberOfBytes; AWS says so before it looks at the key."""
    data_key_bytes(request.key_spec, request.number_of_bytes)


def check_random(request: GenerateRandomRequest) -> None:
    """NumberOfBytes is optional in the model and required by the service."""
    if request.number_of_bytes is None:
        raise refusals.number_of_bytes_required()


async def generate_data_key(call: Call, request: GenerateDataKeyRequest) -> GenerateDataKeyResponse:
    key = call.key
    require_symmetric(key)
    length = data_key_bytes(request.key_spec, request.number_of_bytes)
    context = canonical_encryption_context(request.encryption_context)
    if call.recipient is not None:
        sealed, blob = await call.rooms.boundary.generate_data_key_for_recipient(
            key.current_token, key.key_id, length, context, call.recipient.public_key
        )
        # Neither Plaintext nor KeyMaterialId (API reference, response elements).
        return GenerateDataKeyResponse(ciphertext_blob=blob, ciphertext_for_recipient=sealed, key_id=key.arn)
    plaintext, blob = await call.rooms.boundary.generate_data_key(
        key.current_token, key.key_id, length, context
    )
    return GenerateDataKeyResponse(
        ciphertext_blob=blob, plaintext=plaintext, key_id=key.arn, key_material_id=key.current_material_id
    )


async def generate_data_key_without_plaintext(
    call: Call, request: GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextResponse:
    key = call.key
    require_symmetric(key)
    length = data_key_bytes(request.key_spec, request.number_of_bytes)
    blob = await call.rooms.boundary.generate_data_key_without_plaintext(
        key.current_token, key.key_id, length, canonical_encryption_context(request.encryption_context)
    )
    return GenerateDataKeyWithoutPlaintextResponse(
        ciphertext_blob=blob, key_id=key.arn, key_material_id=key.current_material_id
    )


async def generate_random(call: Call, request: GenerateRandomRequest) -> GenerateRandomResponse:
    assert request.number_of_bytes is not None  # noqa: S101  (check_random)
    if request.custom_key_store_id is not None:
        if call.recipient is not None:  # what a store's HSM gives passes here; sealing it is not built
            raise refusals.not_built("Recipient with CustomKeyStoreId")
        return GenerateRandomResponse(
            plaintext=await random_of_store(call, request.custom_key_store_id, request.number_of_bytes)
        )
    if call.recipient is not None:
        sealed = await call.rooms.boundary.generate_random_for_recipient(
            request.number_of_bytes, call.recipient.public_key
        )
        return GenerateRandomResponse(ciphertext_for_recipient=sealed)
    return GenerateRandomResponse(
        plaintext=await call.rooms.boundary.generate_random(request.number_of_bytes)
    )


GENERATE_DATA_KEY = Operation(
    service="kms",
    name="GenerateDataKey",
    input=GenerateDataKeyRequest,
    output=GenerateDataKeyResponse,
    check=check_data_key_length,
    access=on_key(
        "kms:GenerateDataKey", aliases=True, cross_account=True, encryption_context="encryption_context"
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records("key_id", "encryption_context", "key_spec", "number_of_bytes", "dry_run"),
    response_records=(),
    run=generate_data_key,
)

GENERATE_DATA_KEY_WITHOUT_PLAINTEXT = Operation(
    service="kms",
    name="GenerateDataKeyWithoutPlaintext",
    input=GenerateDataKeyWithoutPlaintextRequest,
    output=GenerateDataKeyWithoutPlaintextResponse,
    check=check_data_key_length,
    access=on_key(
        "kms:GenerateDataKeyWithoutPlaintext",
        aliases=True,
        cross_account=True,
        encryption_context="encryption_context",
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records("key_id", "encryption_context", "key_spec", "number_of_bytes", "dry_run"),
    response_records=(),
    run=generate_data_key_without_plaintext,
)

GENERATE_RANDOM = Operation(
    service="kms",
    name="GenerateRandom",
    input=GenerateRandomRequest,
    output=GenerateRandomResponse,
    check=check_random,
    access=on_account("kms:GenerateRandom"),
    states=None,
    usage=None,
    read_only=True,
    records=records("number_of_bytes", "custom_key_store_id"),
    response_records=(),
    run=generate_random,
)

OPERATIONS = (GENERATE_DATA_KEY, GENERATE_DATA_KEY_WITHOUT_PLAINTEXT, GENERATE_RANDOM)
