"""Key material of related keys is rotated in all Regions at once, so that no ciphertext is stranded."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from tests.operations.multi_region_keys import THIRD_REGION, describe, primary_key, replicate, stored
from tests.operations.road_requests import OTHER_REGION, TEXT
from tests.support.key_imports import NEVER_EXPIRES, wrapped_members
from tests.support.road import REGION, Refusal, Road

from strongroom.aws.generated.enums import KeyMaterialState

REGIONS = (REGION, OTHER_REGION, THIRD_REGION)


def rotate(road: Road, key: dict[str, Any]) -> str:
    """Rotate on demand and let the job run; the id of the material that is current then."""
    road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    road.wait(road.jobs.run_due())
    current: str = describe(road, key)["CurrentKeyMaterialId"]
    return current


def material_states(road: Road, key: dict[str, Any], region: str) -> list[KeyMaterialState]:
    return [material.state for material in stored(road, key, region).materials.values()]


def test_rotated_material_opens_in_every_region_and_so_does_the_older(road: Road) -> None:
    """INVARIANT X2."""
    key = primary_key(road)
    replicate(road, key, OTHER_REGION)
    replicate(road, key, THIRD_REGION)
    older = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    material_id = rotate(road, key)
    assert material_id != key["CurrentKeyMaterialId"]
    for region in REGIONS:
        assert describe(road, key, region)["CurrentKeyMaterialId"] == material_id
        assert material_states(road, key, region) == [KeyMaterialState.NON_CURRENT, KeyMaterialState.CURRENT]
    newer = road.call("Encrypt", region=THIRD_REGION, KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    for blob, name in ((older, key["CurrentKeyMaterialId"]), (newer, material_id)):
        for region in REGIONS:
            opened = road.call("Decrypt", region=region, CiphertextBlob=blob)
            assert (opened["Plaintext"], opened["KeyMaterialId"]) == (TEXT, name)


def test_replica_added_after_rotations_has_every_material(road: Road) -> None:
    key = primary_key(road)
    blobs = []
    for _ in range(3):
        blobs.append(road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"])
        rotate(road, key)
    replicate(road, key)
    for blob in blobs:
        assert road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=blob)["Plaintext"] == TEXT


def test_automatic_rotation_of_a_primary_rotates_its_replicas_and_they_show_its_schedule(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    road.call("EnableKeyRotation", KeyId=key["KeyId"], RotationPeriodInDays=90)
    shown = road.call("GetKeyRotationStatus", region=OTHER_REGION, KeyId=key["KeyId"])
    assert (shown["KeyRotationEnabled"], shown["RotationPeriodInDays"]) == (True, 90)
    assert stored(road, key, OTHER_REGION).next_rotation_at is None
    road.clock.advance(timedelta(days=90, hours=1).total_seconds())
    road.wait(road.jobs.run_due())
    material_id = describe(road, key)["CurrentKeyMaterialId"]
    assert material_id != key["CurrentKeyMaterialId"]
    assert describe(road, key, OTHER_REGION)["CurrentKeyMaterialId"] == material_id


def test_rotation_follows_the_role_to_another_region(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    road.call("UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION)
    road.wait(road.jobs.run_due())
    with pytest.raises(Refusal) as caught:
        road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert caught.value.code == "UnsupportedOperationException"
    road.call("RotateKeyOnDemand", region=OTHER_REGION, KeyId=key["KeyId"])
    road.wait(road.jobs.run_due())
    current = {describe(road, key, region)["CurrentKeyMaterialId"] for region in (REGION, OTHER_REGION)}
    assert len(current) == 1
    assert current != {key["CurrentKeyMaterialId"]}


def import_into(road: Road, key: dict[str, Any], region: str, material: bytes, **members: str) -> None:
    wrapped = wrapped_members(road, key, material, region=region)
    road.call("ImportKeyMaterial", region=region, **wrapped, **NEVER_EXPIRES, **members)


def test_imported_material_rotates_only_when_every_region_has_it(road: Road) -> None:
    """Source: KMS Developer Guide, importing new key material into multi-Region keys."""
    key = road.create_key(Origin="EXTERNAL", MultiRegion=True)
    first, second = os.urandom(32), os.urandom(32)
    import_into(road, key, REGION, first)
    replicate(road, key)
    road.wait(road.jobs.run_due())
    assert describe(road, key, OTHER_REGION)["KeyState"] == "PendingImport"
    import_into(road, key, OTHER_REGION, first)
    assert describe(road, key, OTHER_REGION)["KeyState"] == "Enabled"
    older = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    assert road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=older)["Plaintext"] == TEXT

    import_into(road, key, REGION, second, ImportType="NEW_KEY_MATERIAL")
    waiting = KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION
    assert material_states(road, key, REGION) == [KeyMaterialState.CURRENT, waiting]
    with pytest.raises(Refusal) as caught:
        road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert caught.value.code == "KMSInvalidStateException"
    import_into(road, key, OTHER_REGION, second)
    for region in (REGION, OTHER_REGION):
        assert material_states(road, key, region) == [
            KeyMaterialState.CURRENT, KeyMaterialState.PENDING_ROTATION,
        ]  # fmt: skip
    material_id = rotate(road, key)
    assert describe(road, key, OTHER_REGION)["CurrentKeyMaterialId"] == material_id
    newer = road.call("Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    for blob in (older, newer):
        for region in (REGION, OTHER_REGION):
            assert road.call("Decrypt", region=region, CiphertextBlob=blob)["Plaintext"] == TEXT


def test_pending_material_deleted_at_the_primary_is_gone_at_the_replicas(road: Road) -> None:
    key = road.create_key(Origin="EXTERNAL", MultiRegion=True)
    first, second = os.urandom(32), os.urandom(32)
    import_into(road, key, REGION, first)
    replicate(road, key)
    road.wait(road.jobs.run_due())
    import_into(road, key, OTHER_REGION, first)
    import_into(road, key, REGION, second, ImportType="NEW_KEY_MATERIAL")
    import_into(road, key, OTHER_REGION, second)
    pending = list(stored(road, key).materials)[1]
    road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"], KeyMaterialId=pending)
    for region in (REGION, OTHER_REGION):
        assert material_states(road, key, region) == [KeyMaterialState.CURRENT]
        assert describe(road, key, region)["KeyState"] == "Enabled"
