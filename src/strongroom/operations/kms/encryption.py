"""Encrypt, Decrypt, ReEncrypt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.aws import refusals
from strongroom.aws.generated.enums import EncryptionAlgorithmSpec, KeyUsageType
from strongroom.aws.generated.shapes import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    ReEncryptRequest,
    ReEncryptResponse,
)
from strongroom.boundary.ciphertext_format import VERSION_EXTERNAL, parse_header
from strongroom.boundary.interface import CiphertextRefused, KeyInUse, PlaintextRefused
from strongroom.operations.context import Call
from strongroom.operations.dry_run import check_ciphertext
from strongroom.operations.encryption_algorithms import (
    SYMMETRIC_DEFAULT,
    SYMMETRIC_KEY,
    require_algorithm,
    require_fits,
    require_no_encryption_context,
    too_large,
)
from strongroom.operations.encryption_context import canonical_encryption_context
from strongroom.operations.external_keys import ciphertext_invalid, is_external, open_outside, seal_outside
from strongroom.operations.operation import KeyTarget, Operation, on_key, records
from strongroom.operations.token_origins import require_at_home
from strongroom.resources.identifiers import MaterialId
from strongroom.resources.key import Key
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY

_RSA = (EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1, EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256)


@dataclass(frozen=True, slots=True)
class Source:
    """What opens a ciphertext: the token of the material, and for symmetric keys which material it is."""

    token: bytes
    algorithm: EncryptionAlgorithmSpec
    material_id: MaterialId | None


def source_of(
    key: Key, blob: bytes, algorithm: EncryptionAlgorithmSpec | None, context: Mapping[str, str] | None
) -> Source:
    """What opens `blob` under `key` by `algorithm`, SYMMETRIC_DEFAULT when none is given.

    A blob is taken apart before the algorithm is compared with the key: a raw RSA ciphertext without its
    algorithm is an invalid ciphertext (seen on AWS, floci-io/floci pull request 3038).
    """
    if algorithm is None or algorithm is SYMMETRIC_DEFAULT:
        token, material_id = token_that_opens(key, blob)
        return Source(token, SYMMETRIC_DEFAULT, material_id)
    if key.key_usage is not KeyUsageType.ENCRYPT_DECRYPT:
        raise refusals.incorrect_key()
    require_algorithm(key, algorithm)
    require_no_encryption_context(context)
    return Source(key.current_token, algorithm, None)


def token_that_opens(key: Key, blob: bytes) -> tuple[bytes, MaterialId]:
    """The exported key token of the material that a blob names.

    Raises IncorrectKeyException when the blob belongs to another key (or `key` cannot open any
    blob), InvalidCiphertextException when it is no blob of ours or its material is gone.
    """
    try:
        header = parse_header(blob)
    except ValueError:
        raise refusals.invalid_ciphertext() from None
    if header.key_id != key.key_id or key.key_spec is not SYMMETRIC_KEY:
        raise refusals.incorrect_key()
    # INVARIANT X1: what a proxy sees inside a blob of an external key store opens nothing by itself.
    if (header.version == VERSION_EXTERNAL) != is_external(key):
        raise refusals.invalid_ciphertext()
    material = key.materials.get(MaterialId(header.material_id))
    if material is None:
        raise refusals.invalid_ciphertext()
    if material.exported_token is None:  # imported material that was deleted since the road looked
        raise refusals.pending_import(key.arn)
    require_at_home(key, material.exported_token)
    return material.exported_token, material.material_id


async def encrypt(call: Call, request: EncryptRequest) -> EncryptResponse:
    key = call.key
    algorithm = require_algorithm(key, request.encryption_algorithm)
    if algorithm is not SYMMETRIC_DEFAULT:
        require_no_encryption_context(request.encryption_context)
        require_fits(key, algorithm, len(request.plaintext))
        ciphertext = await call.rooms.boundary.encrypt_asymmetric(
            key.current_token, key.key_id, request.plaintext, algorithm
        )
        return EncryptResponse(ciphertext_blob=ciphertext, key_id=key.arn, encryption_algorithm=algorithm)
    context = canonical_encryption_context(request.encryption_context)
    blob = await call.rooms.boundary.encrypt(key.current_token, key.key_id, request.plaintext, context)
    blob = await seal_outside(call, key, blob, context)
    return EncryptResponse(ciphertext_blob=blob, key_id=key.arn, encryption_algorithm=SYMMETRIC_DEFAULT)


async def decrypt(call: Call, request: DecryptRequest) -> DecryptResponse:
    try:
        return await _decrypt(call, request)
    except CiphertextRefused:
        if is_external(call.key):
            raise ciphertext_invalid(call.key) from None
        raise


async def _decrypt(call: Call, request: DecryptRequest) -> DecryptResponse:
    key = call.key
    assert request.ciphertext_blob is not None  # noqa: S101  (check_ciphertext)
    blob, context = request.ciphertext_blob, request.encryption_context
    source = source_of(key, blob, request.encryption_algorithm, context)
    if is_external(key):
        blob = await open_outside(call, key, blob, canonical_encryption_context(context))
    if call.recipient is not None:
        symmetric = source.algorithm is SYMMETRIC_DEFAULT
        sealed = await call.rooms.boundary.decrypt_for_recipient(
            source.token,
            key.key_id,
            blob,
            source.algorithm,
            canonical_encryption_context(context) if symmetric else b"",
            call.recipient.public_key,
        )
        # Neither Plaintext nor KeyMaterialId (API reference, response elements).
        return DecryptResponse(
            key_id=key.arn, ciphertext_for_recipient=sealed, encryption_algorithm=source.algorithm
        )
    if source.algorithm is not SYMMETRIC_DEFAULT:
        plaintext = await call.rooms.boundary.decrypt_asymmetric(
            source.token, key.key_id, blob, source.algorithm
        )
        return DecryptResponse(key_id=key.arn, plaintext=plaintext, encryption_algorithm=source.algorithm)
    plaintext = await call.rooms.boundary.decrypt(
        source.token,
        key.key_id,
        blob,
        canonical_encryption_context(context),
    )
    return DecryptResponse(
        key_id=key.arn,
        plaintext=plaintext,
        encryption_algorithm=SYMMETRIC_DEFAULT,
        key_material_id=None if is_external(key) else source.material_id,
    )


async def re_encrypt(call: Call, request: ReEncryptRequest) -> ReEncryptResponse:
    key, destination = call.keys
    ciphertext = request.ciphertext_blob
    assert ciphertext is not None  # noqa: S101  (check_ciphertext)
    context = request.source_encryption_context
    source = source_of(key, ciphertext, request.source_encryption_algorithm, context)
    if destination.key_usage is not KeyUsageType.ENCRYPT_DECRYPT:
        raise refusals.invalid_key_usage(destination.arn, destination.key_usage, "ReEncrypt")
    algorithm = require_algorithm(destination, request.destination_encryption_algorithm)
    if is_external(key):
        ciphertext = await open_outside(call, key, ciphertext, canonical_encryption_context(context))
    try:
        blob = await _re_encrypt(call, request, source, algorithm, ciphertext)
    except CiphertextRefused:
        if is_external(key):
            raise ciphertext_invalid(key) from None
        raise
    if is_external(destination):
        aad = canonical_encryption_context(request.destination_encryption_context)
        blob = await seal_outside(call, destination, blob, aad)
    return ReEncryptResponse(
        ciphertext_blob=blob,
        source_key_id=key.arn,
        key_id=destination.arn,
        source_encryption_algorithm=source.algorithm,
        destination_encryption_algorithm=algorithm,
        source_key_material_id=None if is_external(key) else source.material_id,
        destination_key_material_id=destination.told_material_id if algorithm is SYMMETRIC_DEFAULT else None,
    )


async def _re_encrypt(
    call: Call,
    request: ReEncryptRequest,
    source: Source,
    algorithm: EncryptionAlgorithmSpec,
    ciphertext: bytes,
) -> bytes:
    """The new ciphertext; the plaintext stays in the boundary, whatever kinds of keys these are."""
    key, destination = call.keys
    source_aad, aad = b"", b""
    if source.algorithm is SYMMETRIC_DEFAULT:
        source_aad = canonical_encryption_context(request.source_encryption_context)
    if algorithm is SYMMETRIC_DEFAULT:
        aad = canonical_encryption_context(request.destination_encryption_context)
    else:
        require_no_encryption_context(request.destination_encryption_context)
    if source.algorithm is algorithm is SYMMETRIC_DEFAULT:
        return await call.rooms.boundary.re_encrypt(
            source.token,
            key.key_id,
            ciphertext,
            source_aad,
            destination.current_token,
            destination.key_id,
            aad,
        )
    try:
        return await call.rooms.boundary.re_encrypt_asymmetric(
            KeyInUse(source.token, key.key_id, source.algorithm, source_aad),
            ciphertext,
            KeyInUse(destination.current_token, destination.key_id, algorithm, aad),
        )
    except PlaintextRefused:
        to_sm2 = algorithm is EncryptionAlgorithmSpec.SM2PKE and source.algorithm in _RSA
        if algorithm is SYMMETRIC_DEFAULT or to_sm2:  # an RSA ciphertext that holds nothing
            raise refusals.invalid_ciphertext() from None
        raise too_large(destination, algorithm) from None


ENCRYPT = Operation(
    service="kms",
    name="Encrypt",
    input=EncryptRequest,
    output=EncryptResponse,
    check=None,
    access=on_key("kms:Encrypt", aliases=True, cross_account=True, encryption_context="encryption_context"),
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
        KeyTarget(
            "kms:Decrypt",
            "key_id",
            aliases=True,
            ciphertext="ciphertext_blob",
            cross_account=True,
            encryption_context="encryption_context",
        ),
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
        KeyTarget(
            "kms:ReEncryptFrom",
            "source_key_id",
            aliases=True,
            ciphertext="ciphertext_blob",
            cross_account=True,
            encryption_context="source_encryption_context",
        ),
        KeyTarget(
            "kms:ReEncryptTo",
            "destination_key_id",
            aliases=True,
            ciphertext=None,
            cross_account=True,
            encryption_context="destination_encryption_context",
        ),
    ),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=None,  # a source of another usage gets IncorrectKeyException (recorded on AWS); `run` says both
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
