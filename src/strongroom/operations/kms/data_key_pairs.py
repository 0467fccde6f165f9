"""GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext."""

from __future__ import annotations

from strongroom.aws.generated.enums import DataKeyPairSpec, KeyUsageType
from strongroom.aws.generated.shapes import (
    GenerateDataKeyPairRequest,
    GenerateDataKeyPairResponse,
    GenerateDataKeyPairWithoutPlaintextRequest,
    GenerateDataKeyPairWithoutPlaintextResponse,
)
from strongroom.boundary.interface import BoundaryRefused
from strongroom.operations.context import Call
from strongroom.operations.encryption_algorithms import require_symmetric
from strongroom.operations.encryption_context import canonical_encryption_context
from strongroom.operations.external_keys import seal_outside
from strongroom.operations.operation import Operation, on_key, records
from strongroom.operations.unsupported import not_done
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY


async def _require_pair_spec(call: Call, pair_spec: DataKeyPairSpec) -> None:
    try:
        await call.rooms.boundary.require_key_spec(pair_spec)
    except BoundaryRefused as refused:
        raise not_done(f"KeyPairSpec {pair_spec}", refused) from None


async def generate_data_key_pair(
    call: Call, request: GenerateDataKeyPairRequest
) -> GenerateDataKeyPairResponse:
    key = call.key
    require_symmetric(key)
    context = canonical_encryption_context(request.encryption_context)
    if request.dry_run:  # all is judged; an RSA pair would be seconds of work for nothing
        await _require_pair_spec(call, request.key_pair_spec)
        return GenerateDataKeyPairResponse()
    if call.recipient is not None:
        return await _generate_for_recipient(call, request, context, call.recipient.public_key)
    try:
        pair = await call.rooms.boundary.generate_data_key_pair(
            key.current_token, key.key_id, request.key_pair_spec, context
        )
    except BoundaryRefused as refused:
        raise not_done(f"KeyPairSpec {request.key_pair_spec}", refused) from None
    return GenerateDataKeyPairResponse(
        private_key_ciphertext_blob=await seal_outside(call, key, pair.private_key_blob, context),
        private_key_plaintext=pair.private_key,
        public_key=pair.public_key,
        key_id=key.arn,
        key_pair_spec=request.key_pair_spec,
        key_material_id=key.told_material_id,
    )


async def _generate_for_recipient(
    call: Call, request: GenerateDataKeyPairRequest, context: bytes, recipient_key: bytes
) -> GenerateDataKeyPairResponse:
    """Neither PrivateKeyPlaintext nor KeyMaterialId (API reference, response elements)."""
    key = call.key
    try:
        pair = await call.rooms.boundary.generate_data_key_pair_for_recipient(
            key.current_token, key.key_id, request.key_pair_spec, context, recipient_key
        )
    except BoundaryRefused as refused:
        raise not_done(f"KeyPairSpec {request.key_pair_spec}", refused) from None
    return GenerateDataKeyPairResponse(
        private_key_ciphertext_blob=await seal_outside(call, key, pair.private_key_blob, context),
        ciphertext_for_recipient=pair.sealed_private_key,
        public_key=pair.public_key,
        key_id=key.arn,
        key_pair_spec=request.key_pair_spec,
    )


async def generate_data_key_pair_without_plaintext(
    call: Call, request: GenerateDataKeyPairWithoutPlaintextRequest
) -> GenerateDataKeyPairWithoutPlaintextResponse:
    key = call.key
    require_symmetric(key)
    context = canonical_encryption_context(request.encryption_context)
    if request.dry_run:
        await _require_pair_spec(call, request.key_pair_spec)
        return GenerateDataKeyPairWithoutPlaintextResponse()
    try:
        public_key, blob = await call.rooms.boundary.generate_data_key_pair_without_plaintext(
            key.current_token, key.key_id, request.key_pair_spec, context
        )
    except BoundaryRefused as refused:
        raise not_done(f"KeyPairSpec {request.key_pair_spec}", refused) from None
    return GenerateDataKeyPairWithoutPlaintextResponse(
        private_key_ciphertext_blob=await seal_outside(call, key, blob, context),
        public_key=public_key,
        key_id=key.arn,
        key_pair_spec=request.key_pair_spec,
        key_material_id=key.told_material_id,
    )


GENERATE_DATA_KEY_PAIR = Operation(
    service="kms",
    name="GenerateDataKeyPair",
    input=GenerateDataKeyPairRequest,
    output=GenerateDataKeyPairResponse,
    check=None,
    access=on_key(
        "kms:GenerateDataKeyPair", aliases=True, cross_account=True, encryption_context="encryption_context"
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records("key_id", "key_pair_spec", "encryption_context", "dry_run"),
    response_records=(),
    run=generate_data_key_pair,
)

GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT = Operation(
    service="kms",
    name="GenerateDataKeyPairWithoutPlaintext",
    input=GenerateDataKeyPairWithoutPlaintextRequest,
    output=GenerateDataKeyPairWithoutPlaintextResponse,
    check=None,
    access=on_key(
        "kms:GenerateDataKeyPairWithoutPlaintext",
        aliases=True,
        cross_account=True,
        encryption_context="encryption_context",
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records("key_id", "key_pair_spec", "encryption_context", "dry_run"),
    response_records=(),
    run=generate_data_key_pair_without_plaintext,
)

OPERATIONS = (GENERATE_DATA_KEY_PAIR, GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT)
