"""Encrypt, Decrypt, ReEncrypt."""

from __future__ import annotations

from strongroom.aws import refusals
from strongroom.aws.generated.enums import DryRunModifierType, EncryptionAlgorithmSpec, KeySpec, KeyUsageType
from strongroom.aws.generated.shapes import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    ReEncryptRequest,
    ReEncryptResponse,
)
from strongroom.boundary.ciphertext_format import parse_header
from strongroom.operations.context import Call
from strongroom.operations.encryption_context import canonical_encryption_context
from strongroom.operations.operation import KeyTarget, Operation, on_key, records
from strongroom.resources.identifiers import MaterialId
from strongroom.resources.key import Key
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY

SYMMETRIC_DEFAULT = EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT


def require_algorithm(key: Key, algorithm: EncryptionAlgorithmSpec | None) -> None:
    """An algorithm that the key cannot do is refused with InvalidKeyUsageException."""
    if algorithm is not None and algorithm is not SYMMETRIC_DEFAULT:
        raise refusals.algorithm_incompatible(algorithm, key.key_spec)


def token_that_opens(key: Key, blob: bytes) -> tuple[bytes, MaterialId]:
    """The exported key token of the material that a blob names.

    Raises IncorrectKeyException when the blob belongs to another key (or `key` cannot open any
    blob), InvalidCiphertextException when it is no blob of ours or its material is gone.
    """
    if key.key_spec is not KeySpec.SYMMETRIC_DEFAULT:
        raise refusals.incorrect_key()
    try:
        header = parse_header(blob)
    except ValueError:
        raise refusals.invalid_ciphertext() from None
    if header.key_id != key.key_id:
        raise refusals.incorrect_key()
    material = key.materials.get(MaterialId(header.material_id))
    if material is None:
        raise refusals.invalid_ciphertext()
    if material.exported_token is None:  # imported material that was deleted since the road looked
        raise refusals.pending_import(key.arn)
    return material.exported_token, material.material_id


def check_ciphertext(request: DecryptRequest | ReEncryptRequest) -> None:
    """CiphertextBlob may be absent only in a dry run that ignores it.

    Source: Decrypt API reference, CiphertextBlob: "required in all cases except when DryRun is true
    and DryRunModifiers is set to IGNORE_CIPHERTEXT".
    """
    ignored = request.dry_run and DryRunModifierType.IGNORE_CIPHERTEXT in (request.dry_run_modifiers or ())
    if request.ciphertext_blob is None and not ignored:
        raise refusals.null_member("ciphertext_blob")


async def encrypt(call: Call, request: EncryptRequest) -> EncryptResponse:
    key = call.key
    require_algorithm(key, request.encryption_algorithm)
    blob = await call.rooms.boundary.encrypt(
        key.current_token,
        key.key_id,
        request.plaintext,
        canonical_encryption_context(request.encryption_context),
    )
    return EncryptResponse(ciphertext_blob=blob, key_id=key.arn, encryption_algorithm=SYMMETRIC_DEFAULT)


async def decrypt(call: Call, request: DecryptRequest) -> DecryptResponse:
    key = call.key
    if request.recipient is not None:
        raise refusals.recipient_not_built()
    assert request.ciphertext_blob is not None  # noqa: S101  (check_ciphertext)
    token, material_id = token_that_opens(key, request.ciphertext_blob)
    require_algorithm(key, request.encryption_algorithm)
    plaintext = await call.rooms.boundary.decrypt(
        token,
        key.key_id,
        request.ciphertext_blob,
        canonical_encryption_context(request.encryption_context),
    )
    return DecryptResponse(
        key_id=key.arn,
        plaintext=plaintext,
        encryption_algorithm=SYMMETRIC_DEFAULT,
        key_material_id=material_id,
    )


async def re_encrypt(call: Call, request: ReEncryptRequest) -> ReEncryptResponse:
    source, destination = call.keys
    assert request.ciphertext_blob is not None  # noqa: S101  (check_ciphertext)
    token, material_id = token_that_opens(source, request.ciphertext_blob)
    require_algorithm(source, request.source_encryption_algorithm)
    require_algorithm(destination, request.destination_encryption_algorithm)
    blob = await call.rooms.boundary.re_encrypt(
        token,
        source.key_id,
        request.ciphertext_blob,
        canonical_encryption_context(request.source_encryption_context),
        destination.current_token,
        destination.key_id,
        canonical_encryption_context(request.destination_encryption_context),
    )
    return ReEncryptResponse(
        ciphertext_blob=blob,
        source_key_id=source.arn,
        key_id=destination.arn,
        source_encryption_algorithm=SYMMETRIC_DEFAULT,
        destination_encryption_algorithm=SYMMETRIC_DEFAULT,
        source_key_material_id=material_id,
        destination_key_material_id=destination.current_material_id,
    )


ENCRYPT = Operation(
    service="kms",
    name="Encrypt",
    input=EncryptRequest,
    output=EncryptResponse,
    check=None,
    access=on_key("kms:Encrypt", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records("key_id", "encryption_context", "dry_run", encryption_algorithm="SYMMETRIC_DEFAULT"),
    response_records=(),
    run=encrypt,
)

DECRYPT = Operation(
    service="kms",
    name="Decrypt",
    input=DecryptRequest,
    output=DecryptResponse,
    check=check_ciphertext,
    access=(
        KeyTarget("kms:Decrypt", "key_id", aliases=True, ciphertext="ciphertext_blob", cross_account=True),
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=None,  # a key of another usage gets IncorrectKeyException, not InvalidKeyUsage (recorded on AWS)
    read_only=True,
    records=records("key_id", "encryption_context", "dry_run", encryption_algorithm="SYMMETRIC_DEFAULT"),
    response_records=(),
    run=decrypt,
)

RE_ENCRYPT = Operation(
    service="kms",
    name="ReEncrypt",
    input=ReEncryptRequest,
    output=ReEncryptResponse,
    check=check_ciphertext,
    access=(
        KeyTarget("kms:ReEncryptFrom", "source_key_id", True, "ciphertext_blob", cross_account=True),
        KeyTarget("kms:ReEncryptTo", "destination_key_id", True, None, cross_account=True),
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.ENCRYPT_DECRYPT,
    read_only=True,
    records=records(
        "source_key_id",
        "destination_key_id",
        "source_encryption_context",
        "destination_encryption_context",
        "dry_run",
        source_encryption_algorithm="SYMMETRIC_DEFAULT",
        destination_encryption_algorithm="SYMMETRIC_DEFAULT",
    ),
    response_records=(),
    run=re_encrypt,
)

OPERATIONS = (ENCRYPT, DECRYPT, RE_ENCRYPT)
