"""Key material from Region to Region, and its rotation in all of them.

The order of a rotation, so that no ciphertext is ever made that a replica cannot open (INVARIANT X2):

    1  the new key material is kept at the primary key, as PENDING_ROTATION
    2  `replicate_material`: every replica gets it, as PENDING_ROTATION
    3  `make_material_current`: at all of them at once it becomes CURRENT, and the older one NON_CURRENT

Each step may be done again, and whoever finds a PENDING_ROTATION after a crash begins with step 2.
`introduce_material` does 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from strongroom.aws.generated.enums import KeyMaterialState, OriginType, RotationType
from strongroom.boundary.interface import Boundary, KeyBinding, TokenRefused
from strongroom.replication.related_keys import replicas_of
from strongroom.replication.replication_keys import replication_key_token
from strongroom.resources.identifiers import MaterialId, Region
from strongroom.resources.key import Key, KeyMaterial
from strongroom.store.interface import ConcurrentChange, Store

TRIES_MAX = 10
"""How often a replica that others change meanwhile is read again."""


class MaterialNotEverywhere(Exception):
    """A related key has not got the key material: nothing was changed; replicate it first."""


async def copy_material(
    store: Store, boundary: Boundary, source: Key, material: KeyMaterial, region: Region
) -> KeyMaterial:
    """The same key material as a key of another Region keeps it.

    Imported key material is not copied: the copy only names it, and the same must be imported there.
    Source: ReplicateKey, "the replica key is created with no key material".
    Secrets: it goes from boundary to boundary, sealed; here are tokens and a message that only they open.
    """
    token = material.exported_token
    if source.origin is OriginType.EXTERNAL or token is None:
        return KeyMaterial(material.material_id, None, material.created_at, material.state)
    receiving = await replication_key_token(store, boundary, region)
    message = await boundary.export_for_region(token, source.key_id, receiving)
    copied = await boundary.import_from_region(
        message,
        receiving,
        KeyBinding(source.account_id, region, source.key_id, source.key_spec, source.key_usage),
    )
    if copied.material_id != material.material_id:  # the boundary would not have taken it
        raise TokenRefused
    return replace(material, exported_token=copied.exported_token)


async def replicate_material(store: Store, boundary: Boundary, primary: Key, material_id: MaterialId) -> None:
    """Give every replica that has it not yet this key material, in the state it has at the primary.

    May be run again, or by two processes at once. Raises ConcurrentChange when a replica is changed too
    often meanwhile.
    """
    material = primary.materials[material_id]
    for replica in await replicas_of(store, primary):
        await _give(store, boundary, primary, material, replica)


async def _give(store: Store, boundary: Boundary, primary: Key, material: KeyMaterial, replica: Key) -> None:
    found: Key | None = replica
    for _ in range(TRIES_MAX):
        if found is None or material.material_id in found.materials:
            return
        copied = await copy_material(store, boundary, primary, material, found.region)
        try:
            await store.update_key(replace(found, materials={**found.materials, copied.material_id: copied}))
        except ConcurrentChange:
            found = await store.find_key(replica.region, replica.key_id)
        else:
            return
    raise ConcurrentChange("a replica is changed all the time")


async def make_material_current(
    store: Store,
    primary: Key,
    material_id: MaterialId,
    rotated_at: datetime,
    rotation_type: RotationType,
) -> Sequence[Key]:
    """Make a key material the one that encrypts, at the primary and all replicas in one transaction.

    `primary` may bring other changes of its record along (its next rotation, say). Returns the keys as
    they are now, the primary first; of a single-Region key, itself.
    Raises MaterialNotEverywhere; ConcurrentChange when any of them was changed meanwhile, or a replica
    was added: read the primary again and repeat.
    """
    keys = (primary, *await replicas_of(store, primary))
    for key in keys:
        found = key.materials.get(material_id)
        if found is None or found.exported_token is None:
            raise MaterialNotEverywhere(key.arn)
    return await store.update_keys(
        [_with_current(key, material_id, rotated_at, rotation_type) for key in keys]
    )


async def introduce_material(
    store: Store,
    boundary: Boundary,
    primary: Key,
    material_id: MaterialId,
    rotated_at: datetime,
    rotation_type: RotationType,
) -> Sequence[Key]:
    """Steps 2 and 3 of a rotation; a replica that is added in between gets the key material as well.

    Raises ConcurrentChange; MaterialNotEverywhere when imported key material is still to be imported
    somewhere.
    """
    for _ in range(TRIES_MAX):
        await replicate_material(store, boundary, primary, material_id)
        try:
            return await make_material_current(store, primary, material_id, rotated_at, rotation_type)
        except MaterialNotEverywhere:
            if primary.origin is OriginType.EXTERNAL:
                raise
    raise ConcurrentChange("replicas are added all the time")


def _with_current(
    key: Key, material_id: MaterialId, rotated_at: datetime, rotation_type: RotationType
) -> Key:
    if key.current_material_id == material_id:
        return key
    materials = {
        each.material_id: replace(each, state=KeyMaterialState.NON_CURRENT)
        if each.state is KeyMaterialState.CURRENT
        else each
        for each in key.materials.values()
    }
    materials[material_id] = replace(
        materials[material_id],
        state=KeyMaterialState.CURRENT,
        rotated_at=rotated_at,
        rotation_type=rotation_type,
    )
    return replace(key, materials=materials, current_material_id=material_id)
