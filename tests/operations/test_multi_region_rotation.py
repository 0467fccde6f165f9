"""Key material of related keys is rotated in all Regions, in an order that never strands a ciphertext."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operations.multi_region_keys import THIRD_REGION, describe, primary_key, replicate, stored
from tests.operations.road_requests import OTHER_REGION, TEXT
from tests.support.road import REGION, Road

from strongroom.aws.generated.enums import KeyMaterialState, RotationType
from strongroom.boundary.interface import KeyBinding
from strongroom.replication import material as replication
from strongroom.resources.identifiers import MaterialId
from strongroom.resources.key import Key, KeyMaterial
from strongroom.store.interface import ConcurrentChange


def with_pending_material(road: Road, key: dict[str, Any]) -> MaterialId:
    """Step 1 of a rotation: new key material, kept at the primary and used nowhere."""
    record = stored(road, key)
    made = road.wait(
        road.boundary.generate_key(
            KeyBinding(record.account_id, record.region, record.key_id, record.key_spec, record.key_usage)
        )
    )
    new = KeyMaterial(
        MaterialId(made.material_id), made.exported_token, road.clock.now(), KeyMaterialState.PENDING_ROTATION
    )
    road.wait(road.store.update_key(replace(record, materials={**record.materials, new.material_id: new})))
    return new.material_id


def introduce(road: Road, key: dict[str, Any], material_id: MaterialId) -> None:
    road.wait(
        replication.introduce_material(
            road.store,
            road.boundary,
            stored(road, key),
            material_id,
            road.clock.now(),
            RotationType.ON_DEMAND,
        )
    )


def make_current(road: Road, primary: Key, material_id: MaterialId) -> None:
    road.wait(
        replication.make_material_current(
            road.store, primary, material_id, road.clock.now(), RotationType.AUTOMATIC
        )
    )


def test_rotated_material_opens_in_every_region_and_so_does_the_older(road: Road) -> None:
    """INVARIANT X2."""
    key = primary_key(road)
    replicate(road, key)
    older = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    material_id = with_pending_material(road, key)
    introduce(road, key, material_id)
    for region in (REGION, OTHER_REGION):
        assert describe(road, key, region)["CurrentKeyMaterialId"] == material_id
        states = [material.state for material in stored(road, key, region).materials.values()]
        assert states == [KeyMaterialState.NON_CURRENT, KeyMaterialState.CURRENT]
    newer = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    for blob, name in ((older, key["CurrentKeyMaterialId"]), (newer, material_id)):
        opened = road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (TEXT, name)


def test_material_becomes_current_nowhere_before_it_is_everywhere(road: Road) -> None:
    """INVARIANT X2."""
    key = primary_key(road)
    replicate(road, key, OTHER_REGION)
    replicate(road, key, THIRD_REGION)
    material_id = with_pending_material(road, key)
    with pytest.raises(replication.MaterialNotEverywhere):
        make_current(road, stored(road, key), material_id)
    for region in (REGION, OTHER_REGION, THIRD_REGION):
        assert describe(road, key, region)["CurrentKeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_rotation_stopped_after_any_step_is_finished_by_whoever_comes_next(road: Road) -> None:
    """INVARIANT X3."""
    key = primary_key(road)
    replicate(road, key, OTHER_REGION)
    replicate(road, key, THIRD_REGION)
    material_id = with_pending_material(road, key)
    road.wait(replication.replicate_material(road.store, road.boundary, stored(road, key), material_id))
    tokens = [stored(road, key, region).materials[material_id] for region in (OTHER_REGION, THIRD_REGION)]
    assert {material.state for material in tokens} == {KeyMaterialState.PENDING_ROTATION}
    for _ in range(2):  # once more from the beginning, and once more when it is done
        introduce(road, key, material_id)
    after = [stored(road, key, region).materials[material_id] for region in (OTHER_REGION, THIRD_REGION)]
    assert [each.exported_token for each in after] == [each.exported_token for each in tokens]
    assert {each.state for each in after} == {KeyMaterialState.CURRENT}


def test_replica_added_while_a_rotation_is_under_way_gets_the_new_material_too(road: Road) -> None:
    """INVARIANT X4: the rotation that looked before is refused and looks again."""
    key = primary_key(road)
    material_id = with_pending_material(road, key)
    looked = stored(road, key)
    replicate(road, key)
    assert material_id in stored(road, key, OTHER_REGION).materials
    with pytest.raises(ConcurrentChange):
        make_current(road, looked, material_id)
    assert describe(road, key, OTHER_REGION)["CurrentKeyMaterialId"] == key["CurrentKeyMaterialId"]
    introduce(road, key, material_id)
    assert describe(road, key, OTHER_REGION)["CurrentKeyMaterialId"] == material_id


def test_rotation_brings_the_next_date_of_the_primary_along(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    material_id = with_pending_material(road, key)
    road.wait(replication.replicate_material(road.store, road.boundary, stored(road, key), material_id))
    next_at = road.clock.now() + timedelta(days=365)
    make_current(road, replace(stored(road, key), next_rotation_at=next_at), material_id)
    assert stored(road, key).next_rotation_at == next_at
    assert stored(road, key, OTHER_REGION).next_rotation_at is None


def test_single_region_key_rotates_alone_by_the_same_steps(road: Road) -> None:
    key = road.create_key()
    material_id = with_pending_material(road, key)
    introduce(road, key, material_id)
    assert describe(road, key)["CurrentKeyMaterialId"] == material_id
