"""The rules of imported key material, as functions from one key record to the next.

A symmetric encryption key may hold several materials: the current one, older ones that still decrypt, and
at most one that waits for RotateKeyOnDemand. The first two kinds are associated for ever: when one of them
is deleted or expires, the key is PendingImport until that very material is imported again. One that waits
is not, and is gone when it is deleted. Asymmetric and HMAC keys hold one material for ever.

Source: ImportKeyMaterial, DeleteImportedKeyMaterial and RotationsListEntry in the API reference; KMS
Developer Guide, "Select a wrapping algorithm", "Delete imported key material".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from strongroom.aws import import_refusals
from strongroom.aws.generated.enums import (
    AlgorithmSpec,
    ExpirationModelType,
    ImportType,
    KeyMaterialState,
    KeySpec,
    KeyState,
    OriginType,
    WrappingKeySpec,
)
from strongroom.resources.identifiers import MaterialId
from strongroom.resources.key import Key, KeyMaterial

PENDING_MATERIAL_STATES = frozenset(
    {KeyMaterialState.PENDING_ROTATION, KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION}
)
"""Key material in these states is not permanently associated with its key."""

_OAEP = frozenset({AlgorithmSpec.RSAES_OAEP_SHA_1, AlgorithmSpec.RSAES_OAEP_SHA_256})
_TWO_STEP = frozenset({AlgorithmSpec.RSA_AES_KEY_WRAP_SHA_1, AlgorithmSpec.RSA_AES_KEY_WRAP_SHA_256})
_SM2PKE = frozenset({AlgorithmSpec.SM2PKE})

WRAPPING_ALGORITHMS: Mapping[KeySpec, frozenset[AlgorithmSpec]] = MappingProxyType(
    dict.fromkeys(
        (
            KeySpec.SYMMETRIC_DEFAULT,
            KeySpec.HMAC_224,
            KeySpec.HMAC_256,
            KeySpec.HMAC_384,
            KeySpec.HMAC_512,
        ),
        _OAEP,
    )
    | dict.fromkeys((KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096), _TWO_STEP | _SM2PKE)
    | dict.fromkeys(
        (KeySpec.ECC_NIST_P256, KeySpec.ECC_NIST_P384, KeySpec.ECC_NIST_P521, KeySpec.ECC_SECG_P256K1),
        _OAEP | _TWO_STEP | _SM2PKE,
    )
    | {KeySpec.SM2: _OAEP | _SM2PKE}
)
"""Which wrapping algorithms go with key material of each spec; a spec without a row cannot be imported.

AWS has SM2PKE in China Regions only, and RSA_AES_KEY_WRAP in all others only.
"""


def require_wrapping(key: Key, algorithm: AlgorithmSpec, wrapping_key_spec: WrappingKeySpec) -> None:
    """Refuse wrapping parameters that do not go with the key's spec. Raises ApiError."""
    spec = key.key_spec
    if algorithm is AlgorithmSpec.RSAES_PKCS1_V1_5:
        raise import_refusals.pkcs1_v1_5_not_supported()
    algorithms = WRAPPING_ALGORITHMS.get(spec)
    if algorithms is None:
        raise import_refusals.spec_cannot_be_imported(spec)
    # An RSA-2048 key wraps at most 214 bytes, an ECC_NIST_P521 private key is longer.
    too_long = spec is KeySpec.ECC_NIST_P521 and wrapping_key_spec is WrappingKeySpec.RSA_2048
    is_sm2 = algorithm is AlgorithmSpec.SM2PKE
    of_another_kind = is_sm2 is not (wrapping_key_spec is WrappingKeySpec.SM2)
    if algorithm not in algorithms or of_another_kind or (too_long and algorithm in _OAEP):
        raise import_refusals.wrapping_not_supported(algorithm, wrapping_key_spec, spec)


@dataclass(frozen=True, slots=True)
class Import:
    """One key material as it arrived, unwrapped and exported by the boundary."""

    material_id: MaterialId
    exported_token: bytes
    import_type: ImportType
    expected_id: MaterialId | None
    """KeyMaterialId of the request."""
    description: str | None
    expiration_model: ExpirationModelType
    expires_at: datetime | None
    at: datetime


def import_type_of(asked: ImportType | None, associated: Collection[MaterialId]) -> ImportType:
    """What an import is when it does not say: new for a key that never had material, else existing."""
    if asked is not None:
        return asked
    return ImportType.EXISTING_KEY_MATERIAL if associated else ImportType.NEW_KEY_MATERIAL


def with_imported(
    key: Key,
    arrived: Import,
    associated: Mapping[MaterialId, KeyMaterial],
    *,
    several: bool,
    replicated: bool,
) -> Key:
    """The key with this material in it. Raises ApiError when it is not one that the key takes.

    `associated` are the materials that the key may have: its own, or for a replica its primary key's.
    `several`: the key may have more than one (symmetric encryption keys). `replicated`: new material
    waits for the key's replicas, too, before it can be rotated to.
    """
    material_id = arrived.material_id
    if arrived.expected_id is not None and arrived.expected_id != material_id:
        raise import_refusals.incorrect_key_material()
    if arrived.import_type is ImportType.NEW_KEY_MATERIAL and associated:
        if not several or material_id in associated:
            raise import_refusals.incorrect_key_material()
        pending = pending_material(key)
        if pending is not None:
            raise import_refusals.another_material_pending(key.key_id, material_id, pending.material_id)
        state = (
            KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION
            if replicated
            else KeyMaterialState.PENDING_ROTATION
        )
        earlier = None
    elif arrived.import_type is ImportType.NEW_KEY_MATERIAL:
        state, earlier = KeyMaterialState.CURRENT, None
    else:
        known = associated.get(material_id)
        if known is None:
            raise import_refusals.incorrect_key_material()
        earlier = key.materials.get(material_id)
        state = known.state if earlier is None else earlier.state
    material = KeyMaterial(
        material_id,
        arrived.exported_token,
        arrived.at if earlier is None else earlier.created_at,
        state,
        None if earlier is None else earlier.rotated_at,
        None if earlier is None else earlier.rotation_type,
        # "KMS retains the value you specified when you last imported the same key material."
        arrived.description if arrived.description is not None or earlier is None else earlier.description,
        arrived.expiration_model,
        arrived.expires_at,
    )
    changed = replace(key, materials={**key.materials, material_id: material})
    if state is KeyMaterialState.CURRENT:
        changed = replace(changed, current_material_id=material_id)
    if key.key_state is KeyState.PENDING_IMPORT and not lacks_material(changed):
        changed = replace(changed, key_state=KeyState.ENABLED)
    return changed


def settled_everywhere(keys: Sequence[Key], material_id: MaterialId) -> Sequence[Key]:
    """The related keys of a multi-Region key after an import at the first of them.

    New material waits as PENDING_MULTI_REGION_IMPORT_AND_ROTATION until it is imported at every related
    key; then it is PENDING_ROTATION at all of them. Returns the records to write, the first always: while
    some are waited for, the primary's too, so that two imports at once cannot each miss the other.
    Source: KMS Developer Guide, "Import new key material", multi-Region keys.
    """
    first = keys[0]
    waiting = KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION
    found = [key.materials.get(material_id) for key in keys]
    if first.materials[material_id].state is not waiting:
        return (first,)
    if any(material is None or material.exported_token is None for material in found):
        return (first, *(key for key in keys[1:] if not key.is_replica))
    return [
        replace(
            key,
            materials={
                **key.materials,
                material_id: replace(key.materials[material_id], state=KeyMaterialState.PENDING_ROTATION),
            },
        )
        for key in keys
    ]


def without_material(key: Key, material_ids: Collection[MaterialId]) -> Key:
    """The key after these materials were deleted or expired: PendingImport when it needed one of them."""
    materials: dict[MaterialId, KeyMaterial] = {}
    for material_id, material in key.materials.items():
        if material_id not in material_ids:
            materials[material_id] = material
        elif material.state not in PENDING_MATERIAL_STATES:
            materials[material_id] = replace(
                material, exported_token=None, expiration_model=None, expires_at=None
            )
    changed = replace(key, materials=materials)
    return replace(changed, key_state=state_with_material(changed, changed.key_state))


def pending_material(key: Key) -> KeyMaterial | None:
    """The material that waits for its rotation, if there is one."""
    for material in key.materials.values():
        if material.state in PENDING_MATERIAL_STATES:
            return material
    return None


def lacks_material(key: Key) -> bool:
    """Whether a material is absent that the key needs: its current one, or an older one."""
    return key.current_material_id is None or any(
        material.exported_token is None and material.state not in PENDING_MATERIAL_STATES
        for material in key.materials.values()
    )


def state_with_material(key: Key, state: KeyState) -> KeyState:
    """`state`, or PendingImport where a key could be used in it and lacks imported material.

    Source: DeleteImportedKeyMaterial API reference: "When the specified KMS key is in the PendingDeletion
    state, this operation does not change the KMS key's state."
    """
    usable = state in (KeyState.ENABLED, KeyState.DISABLED)
    if usable and key.origin is OriginType.EXTERNAL and lacks_material(key):
        return KeyState.PENDING_IMPORT
    return state


def expired_material(key: Key, now: datetime) -> list[KeyMaterial]:
    """The materials whose ValidTo has come, deleted or not yet."""
    return [
        material
        for material in key.materials.values()
        if material.expires_at is not None and material.expires_at <= now
    ]


def state_as_of(key: Key, now: datetime) -> KeyState:
    """The key's state once what has expired by `now` is deleted, whether or not the job was there yet.

    Invariant R5: no operation uses key material from its ValidTo on.
    """
    if key.origin is OriginType.EXTERNAL and any(
        material.state not in PENDING_MATERIAL_STATES for material in expired_material(key, now)
    ):
        return KeyState.PENDING_IMPORT if key.key_state in _HELD_IN_USE else key.key_state
    return key.key_state


_HELD_IN_USE = frozenset({KeyState.ENABLED, KeyState.DISABLED, KeyState.UPDATING})
