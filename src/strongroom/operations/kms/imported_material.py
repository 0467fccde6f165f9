"""GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from strongroom.aws import import_refusals, refusals
from strongroom.aws.generated.enums import ExpirationModelType, ImportType, KeySpec, OriginType
from strongroom.aws.generated.shapes import (
    DeleteImportedKeyMaterialRequest,
    DeleteImportedKeyMaterialResponse,
    GetParametersForImportRequest,
    GetParametersForImportResponse,
    ImportKeyMaterialRequest,
    ImportKeyMaterialResponse,
)
from strongroom.boundary.interface import (
    BoundaryRefused,
    GeneratedKey,
    ImportBinding,
    ImportTokenExpired,
    KeyBinding,
    MaterialRefused,
    NotInToken,
    TokenRefused,
)
from strongroom.operations.context import Call
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.operations.material_erasure import erase_material
from strongroom.operations.operation import Operation, on_key, records
from strongroom.operations.token_origins import require_origin
from strongroom.operations.unsupported import not_done
from strongroom.replication.related_keys import related_keys, replicas_of
from strongroom.resources.identifiers import MaterialId
from strongroom.resources.imported_material import (
    PENDING_MATERIAL_STATES,
    WRAPPING_ALGORITHMS,
    Import,
    import_type_of,
    require_wrapping,
    settled_everywhere,
    with_imported,
    without_material,
)
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.key_state import (
    DELETE_IMPORTED_MATERIAL,
    GET_IMPORT_PARAMETERS,
    IMPORT_MATERIAL,
)

PARAMETERS_VALID_HOURS = 24
"""GetParametersForImport API reference: "Each public key and import token set is valid for 24 hours.\""""
VALID_TO_DAYS_MAX = 365
"""ImportKeyMaterial API reference, ValidTo: "The maximum value is 365 days from the request date.\""""


def require_external(key: Key) -> None:
    """Only keys with the origin EXTERNAL take imported material."""
    if key.origin is not OriginType.EXTERNAL:
        raise refusals.origin_not_valid(key.arn, key.origin)


def is_symmetric(key: Key) -> bool:
    """Whether the key is of the kind that may hold several materials, and that names them."""
    return key.key_spec is KeySpec.SYMMETRIC_DEFAULT


def shown_material_id(key: Key, material_id: MaterialId | None) -> MaterialId | None:
    """Only symmetric encryption keys name their material [LS]."""
    return material_id if is_symmetric(key) else None


def check_expiration(request: ImportKeyMaterialRequest) -> None:
    """ValidTo goes with KEY_MATERIAL_EXPIRES, which is the default, and with nothing else."""
    does_expire = request.expiration_model is not ExpirationModelType.KEY_MATERIAL_DOES_NOT_EXPIRE
    if does_expire and request.valid_to is None:
        raise import_refusals.valid_to_required()
    if not does_expire and request.valid_to is not None:
        raise import_refusals.valid_to_not_allowed()


def _expires_at(request: ImportKeyMaterialRequest, now: datetime) -> datetime | None:
    if request.valid_to is None:
        return None
    expires_at = datetime.fromtimestamp(request.valid_to, UTC)
    if not now < expires_at <= now + timedelta(days=VALID_TO_DAYS_MAX):
        raise import_refusals.valid_to_out_of_range()
    return expires_at


def _require_symmetric_members(key: Key, request: ImportKeyMaterialRequest) -> None:
    if is_symmetric(key):
        return
    for member, value in (
        ("ImportType", request.import_type),
        ("KeyMaterialDescription", request.key_material_description),
        ("KeyMaterialId", request.key_material_id),
    ):
        if value is not None:
            raise import_refusals.symmetric_only(member)


async def _associated(call: Call, key: Key) -> Mapping[MaterialId, KeyMaterial]:
    """The materials that the key may have: a replica's are its primary key's."""
    if not key.is_replica or key.primary_region is None:
        return key.materials
    primary = await call.rooms.store.find_key(key.primary_region, key.key_id)
    return key.materials if primary is None else primary.materials


def _microseconds(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


async def get_parameters_for_import(
    call: Call, request: GetParametersForImportRequest
) -> GetParametersForImportResponse:
    key = call.key
    require_external(key)
    require_wrapping(key, request.wrapping_algorithm, request.wrapping_key_spec)
    ends_at = call.rooms.clock.now() + timedelta(hours=PARAMETERS_VALID_HOURS)
    binding = ImportBinding(
        key.account_id, key.region, key.key_id, request.wrapping_key_spec, request.wrapping_algorithm
    )
    try:
        made = await call.rooms.boundary.get_import_parameters(binding, _microseconds(ends_at))
    except BoundaryRefused as refused:
        raise not_done(f"WrappingKeySpec {request.wrapping_key_spec}", refused) from None
    return GetParametersForImportResponse(
        key_id=key.arn,
        import_token=made.import_token,
        public_key=made.public_key,
        parameters_valid_to=ends_at.timestamp(),
    )


async def _unwrapped(call: Call, request: ImportKeyMaterialRequest, now: datetime) -> GeneratedKey:
    key = call.key
    try:
        require_origin(key)
    except TokenRefused:  # the record says EXTERNAL, what the key has says that it was generated here
        raise refusals.internal() from None
    binding = KeyBinding(key.account_id, key.region, key.key_id, key.key_spec, key.key_usage, key.origin)
    try:
        return await call.rooms.boundary.import_key_material(
            request.import_token, _microseconds(now), request.encrypted_key_material, binding
        )
    except TokenRefused:
        raise import_refusals.invalid_import_token() from None
    except ImportTokenExpired:
        raise import_refusals.expired_import_token() from None
    except MaterialRefused:
        raise import_refusals.incorrect_key_material() from None
    except NotInToken:
        raise
    except BoundaryRefused:
        raise import_refusals.spec_cannot_be_imported(key.key_spec) from None


async def import_key_material(call: Call, request: ImportKeyMaterialRequest) -> ImportKeyMaterialResponse:
    key = call.key
    require_external(key)
    if key.key_spec not in WRAPPING_ALGORITHMS:
        raise import_refusals.spec_cannot_be_imported(key.key_spec)
    _require_symmetric_members(key, request)
    now = call.rooms.clock.now()
    expires_at = _expires_at(request, now)
    associated = await _associated(call, key)
    import_type = import_type_of(request.import_type, associated)
    if import_type is ImportType.NEW_KEY_MATERIAL:
        if request.key_material_id is not None:
            raise import_refusals.material_id_with_new_material()
        if key.is_replica:
            raise import_refusals.new_material_on_replica(key.arn)
    exported = await _unwrapped(call, request, now)
    arrived = Import(
        MaterialId(exported.material_id),
        exported.exported_token,
        import_type,
        None if request.key_material_id is None else MaterialId(request.key_material_id),
        request.key_material_description,
        request.expiration_model or ExpirationModelType.KEY_MATERIAL_EXPIRES,
        expires_at,
        now,
    )
    others = [each for each in await related_keys(call.rooms.store, key) if each.region != key.region]
    changed = with_imported(key, arrived, associated, several=is_symmetric(key), replicated=bool(others))
    await call.rooms.store.update_keys(settled_everywhere((changed, *others), arrived.material_id))
    return ImportKeyMaterialResponse(
        key_id=key.arn, key_material_id=shown_material_id(key, arrived.material_id)
    )


async def delete_imported_key_material(
    call: Call, request: DeleteImportedKeyMaterialRequest
) -> DeleteImportedKeyMaterialResponse:
    """Deletes the material named, or the current one. What is gone already is no error."""
    key = call.key
    require_external(key)
    material_id = key.current_material_id
    if request.key_material_id is not None:
        material_id = MaterialId(request.key_material_id)
        if material_id not in key.materials:
            raise import_refusals.material_not_found(material_id, key.arn)
    if material_id is not None and key.materials[material_id].exported_token is not None:
        without = [without_material(key, {material_id})]
        if key.materials[material_id].state in PENDING_MATERIAL_STATES:
            # What was to become current nowhere may not stay behind at the replicas.
            without += [
                without_material(replica, {material_id})
                for replica in await replicas_of(call.rooms.store, key)
                if material_id in replica.materials
            ]
        await erase_material(call.rooms, *without)
    else:
        await keep_deletions(call.rooms.deletion_ledger)  # of an earlier request that failed after it deleted
    return DeleteImportedKeyMaterialResponse(
        key_id=key.arn, key_material_id=shown_material_id(key, material_id)
    )


GET_PARAMETERS_FOR_IMPORT = Operation(
    service="kms",
    name="GetParametersForImport",
    input=GetParametersForImportRequest,
    output=GetParametersForImportResponse,
    check=None,
    access=on_key("kms:GetParametersForImport"),
    states=GET_IMPORT_PARAMETERS,
    usage=None,
    read_only=True,
    records=records("key_id", "wrapping_algorithm", "wrapping_key_spec"),
    response_records=(),
    run=get_parameters_for_import,
)

IMPORT_KEY_MATERIAL = Operation(
    service="kms",
    name="ImportKeyMaterial",
    input=ImportKeyMaterialRequest,
    output=ImportKeyMaterialResponse,
    check=check_expiration,
    access=on_key("kms:ImportKeyMaterial"),
    states=IMPORT_MATERIAL,
    usage=None,
    read_only=False,
    records=records(
        "key_id",
        "valid_to",
        "expiration_model",
        "import_type",
        "key_material_description",
        "key_material_id",
    ),
    response_records=("key_id", "key_material_id"),
    run=import_key_material,
)

DELETE_IMPORTED_KEY_MATERIAL = Operation(
    service="kms",
    name="DeleteImportedKeyMaterial",
    input=DeleteImportedKeyMaterialRequest,
    output=DeleteImportedKeyMaterialResponse,
    check=None,
    access=on_key("kms:DeleteImportedKeyMaterial"),
    states=DELETE_IMPORTED_MATERIAL,
    usage=None,
    read_only=False,
    records=records("key_id", "key_material_id"),
    response_records=("key_id", "key_material_id"),
    run=delete_imported_key_material,
)

OPERATIONS = (GET_PARAMETERS_FOR_IMPORT, IMPORT_KEY_MATERIAL, DELETE_IMPORTED_KEY_MATERIAL)
