"""Sign, Verify."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.aws import asymmetric_refusals, refusals
from strongroom.aws.generated.enums import KeyUsageType, MessageType, SigningAlgorithmSpec
from strongroom.aws.generated.shapes import SignRequest, SignResponse, VerifyRequest, VerifyResponse
from strongroom.boundary.interface import SignatureRefused
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY

EXTERNAL_MU_BYTES = 64
DIGEST_BYTES: Mapping[SigningAlgorithmSpec, int] = {
    SigningAlgorithmSpec.RSASSA_PSS_SHA_256: 32,
    SigningAlgorithmSpec.RSASSA_PSS_SHA_384: 48,
    SigningAlgorithmSpec.RSASSA_PSS_SHA_512: 64,
    SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_256: 32,
    SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_384: 48,
    SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_512: 64,
    SigningAlgorithmSpec.ECDSA_SHA_256: 32,
    SigningAlgorithmSpec.ECDSA_SHA_384: 48,
    SigningAlgorithmSpec.ECDSA_SHA_512: 64,
    SigningAlgorithmSpec.SM2DSA: 32,
    SigningAlgorithmSpec.ED25519_PH_SHA_512: 64,
}
"""The length of a message of type DIGEST. Algorithms that take no digest are not here."""


def require_message(key: Key, request: SignRequest | VerifyRequest) -> MessageType:
    """The message type, RAW when none is given; it must fit the algorithm, and the message must fit both.

    Source: Sign API reference, MessageType. An algorithm that the key cannot do is refused with
    InvalidKeyUsageException, all else with ValidationException.
    """
    algorithm = request.signing_algorithm
    if algorithm not in KEY_SPECS[key.key_spec].signing_algorithms:
        raise refusals.algorithm_incompatible(algorithm, key.key_spec)
    message_type = request.message_type or MessageType.RAW
    is_ml_dsa = algorithm is SigningAlgorithmSpec.ML_DSA_SHAKE_256
    digest_bytes = DIGEST_BYTES.get(algorithm)
    match message_type:
        case MessageType.RAW:
            if algorithm is SigningAlgorithmSpec.ED25519_PH_SHA_512:
                raise asymmetric_refusals.message_type_incompatible_with_algorithm(message_type, algorithm)
        case MessageType.DIGEST:
            if is_ml_dsa:
                raise asymmetric_refusals.message_type_incompatible_with_key_spec(message_type, key.key_spec)
            if digest_bytes is None:
                raise asymmetric_refusals.message_type_incompatible_with_algorithm(message_type, algorithm)
            if len(request.message) != digest_bytes:
                raise asymmetric_refusals.invalid_digest_length(algorithm)
        case MessageType.EXTERNAL_MU:
            if not is_ml_dsa:
                raise asymmetric_refusals.message_type_incompatible_with_key_spec(message_type, key.key_spec)
            if len(request.message) != EXTERNAL_MU_BYTES:
                raise asymmetric_refusals.invalid_external_mu_length(algorithm)
    return message_type


async def sign(call: Call, request: SignRequest) -> SignResponse:
    key = call.key
    message_type = require_message(key, request)
    signature = await call.rooms.boundary.sign(
        key.current_token, key.key_id, request.message, message_type, request.signing_algorithm
    )
    return SignResponse(key_id=key.arn, signature=signature, signing_algorithm=request.signing_algorithm)


async def verify(call: Call, request: VerifyRequest) -> VerifyResponse:
    """A signature that is not the message's is an error; SignatureValid is never false."""
    key = call.key
    message_type = require_message(key, request)
    try:
        await call.rooms.boundary.verify(
            key.current_token,
            key.key_id,
            request.message,
            message_type,
            request.signing_algorithm,
            request.signature,
        )
    except SignatureRefused:
        raise asymmetric_refusals.invalid_signature() from None
    return VerifyResponse(key_id=key.arn, signature_valid=True, signing_algorithm=request.signing_algorithm)


SIGN = Operation(
    service="kms",
    name="Sign",
    input=SignRequest,
    output=SignResponse,
    check=None,
    access=on_key("kms:Sign", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.SIGN_VERIFY,
    read_only=True,
    # Developer Guide, ct-sign: neither the message nor the signature.
    records=records("key_id", "message_type", "signing_algorithm", "dry_run"),
    response_records=(),
    run=sign,
)

VERIFY = Operation(
    service="kms",
    name="Verify",
    input=VerifyRequest,
    output=VerifyResponse,
    check=None,
    access=on_key("kms:Verify", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.SIGN_VERIFY,
    read_only=True,
    records=records("key_id", "message_type", "signing_algorithm", "dry_run"),  # Developer Guide, ct-verify
    response_records=(),
    run=verify,
)

OPERATIONS = (SIGN, VERIFY)
