"""Key material from Region to Region, and what a rotation changes at the replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strongroom.aws.generated.enums import OriginType
from strongroom.boundary.interface import Boundary, KeyBinding, TokenRefused
from strongroom.replication.related_keys import replicas_of
from strongroom.replication.replication_keys import replication_key_token
from strongroom.resources.identifiers import Region
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.rotation_schedule import with_current_material
from strongroom.store.interface import Store


class MaterialNotEverywhere(Exception):
    """A replica has not got the imported key material: nothing was changed; import it there first."""


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
        KeyBinding(
            source.account_id,
            region,
            source.key_id,
            source.key_spec,
            source.key_usage,
            source.origin,
        ),
    )
    if copied.material_id != material.material_id:  # the boundary would not have taken it
        raise TokenRefused
    return replace(material, exported_token=copied.exported_token)


async def rotated_replicas(store: Store, boundary: Boundary, rotated: Key) -> Sequence[Key]:
    """The records of all replicas after the rotation of their primary key, to be written with it.

    `rotated` is the primary's record as it will be. One transaction for all of them (INVARIANT X2): no
    ciphertext is ever made that a replica cannot open. A replica that is added meanwhile writes the
    primary's record too, so the transaction raises ConcurrentChange (INVARIANT X4): begin again.
    Raises MaterialNotEverywhere when imported key material is still to be imported somewhere.
    """
    material_id = rotated.current_material_id
    if material_id is None:
        return ()
    material = rotated.materials[material_id]
    if material.rotated_at is None or material.rotation_type is None:
        raise ValueError("the key was not rotated")
    changed = []
    for replica in await replicas_of(store, rotated):
        found = replica.materials.get(material_id)
        if found is None or found.exported_token is None:
            found = await copy_material(store, boundary, rotated, material, replica.region)
        if found.exported_token is None:
            raise MaterialNotEverywhere(replica.arn)
        changed.append(with_current_material(replica, found, material.rotation_type, material.rotated_at))
    return changed
