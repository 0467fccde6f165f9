"""ListKeyRotations, and what the audit trail keeps of the rotation operations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operations.road_requests import refused
from tests.operations.rotation_requests import (
    DAY_SECONDS,
    changed,
    current_material,
    rotate,
    rotations,
    run_due,
    stored,
    with_material,
)
from tests.support.road import Road

from strongroom.aws.generated.enums import ExpirationModelType, KeyMaterialState, RotationType
from strongroom.resources.identifiers import MaterialId


def test_list_key_rotations_of_a_new_key_is_empty_and_all_material_has_the_first(own_road: Road) -> None:
    key = own_road.create_key()
    assert own_road.call("ListKeyRotations", KeyId=key["KeyId"]) == {"Rotations": [], "Truncated": False}
    (first,) = rotations(own_road, key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert first == {
        "KeyId": key["KeyId"],
        "KeyMaterialId": key["CurrentKeyMaterialId"],
        "KeyMaterialState": "CURRENT",
    }


def test_list_key_rotations_tells_when_and_how_each_material_became_current(own_road: Road) -> None:
    key = own_road.create_key()
    rotate(own_road, key)
    on_demand_at = own_road.clock.epoch_seconds()
    own_road.clock.advance(365 * DAY_SECONDS)
    run_due(own_road)
    found = rotations(own_road, key)
    assert found == rotations(own_road, key, IncludeKeyMaterial="ROTATIONS_ONLY")
    assert found == [
        {
            "KeyId": key["KeyId"],
            "KeyMaterialId": found[0]["KeyMaterialId"],
            "KeyMaterialState": "NON_CURRENT",
            "RotationDate": pytest.approx(on_demand_at, abs=5),
            "RotationType": "ON_DEMAND",
        },
        {
            "KeyId": key["KeyId"],
            "KeyMaterialId": current_material(own_road, key),
            "KeyMaterialState": "CURRENT",
            "RotationDate": pytest.approx(own_road.clock.epoch_seconds(), abs=5),
            "RotationType": "AUTOMATIC",
        },
    ]
    whole = rotations(own_road, key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert whole[1:] == found
    assert (whole[0]["KeyMaterialId"], whole[0]["KeyMaterialState"]) == (
        key["CurrentKeyMaterialId"],
        "NON_CURRENT",
    )
    assert len({entry["KeyMaterialId"] for entry in whole}) == 3


def test_list_key_rotations_of_imported_material_tells_of_the_import(road: Road) -> None:
    """Members after the RotationsListEntry API reference."""
    key = road.create_key(Origin="EXTERNAL")
    valid_to = datetime(2030, 1, 2, tzinfo=UTC)
    record = with_material(
        stored(road, key), 1, KeyMaterialState.NON_CURRENT, exported_token=None, description="first"
    )
    record = with_material(
        record,
        2,
        KeyMaterialState.CURRENT,
        rotated_at=datetime(2026, 2, 1, tzinfo=UTC),
        rotation_type=RotationType.ON_DEMAND,
        expiration_model=ExpirationModelType.KEY_MATERIAL_EXPIRES,
        expires_at=valid_to,
    )
    record = with_material(
        record,
        3,
        KeyMaterialState.PENDING_ROTATION,
        expiration_model=ExpirationModelType.KEY_MATERIAL_DOES_NOT_EXPIRE,
    )
    road.wait(road.store.update_key(record))
    of_key = {"KeyId": key["KeyId"]}
    assert rotations(road, key, IncludeKeyMaterial="ALL_KEY_MATERIAL") == [
        {
            **of_key,
            "KeyMaterialId": f"{1:064x}",
            "KeyMaterialDescription": "first",
            "ImportState": "PENDING_IMPORT",
            "KeyMaterialState": "NON_CURRENT",
        },
        {
            **of_key,
            "KeyMaterialId": f"{2:064x}",
            "ImportState": "IMPORTED",
            "KeyMaterialState": "CURRENT",
            "ExpirationModel": "KEY_MATERIAL_EXPIRES",
            "ValidTo": valid_to.timestamp(),
            "RotationDate": datetime(2026, 2, 1, tzinfo=UTC).timestamp(),
            "RotationType": "ON_DEMAND",
        },
        {
            **of_key,
            "KeyMaterialId": f"{3:064x}",
            "ImportState": "IMPORTED",
            "KeyMaterialState": "PENDING_ROTATION",
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        },
    ]
    assert [entry["KeyMaterialId"] for entry in rotations(road, key)] == [f"{2:064x}"]


def test_list_key_rotations_pages_together_are_the_whole(own_road: Road) -> None:
    key = own_road.create_key()
    for _ in range(5):
        rotate(own_road, key)
    for include, count in (("ROTATIONS_ONLY", 5), ("ALL_KEY_MATERIAL", 6)):
        members = {"KeyId": key["KeyId"], "IncludeKeyMaterial": include}
        whole = own_road.call("ListKeyRotations", **members)["Rotations"]
        assert len(whole) == count
        for limit in (1, 2, 4, count, count + 1, 1000):
            found: list[Any] = []
            marker: dict[str, str] = {}
            while True:
                page = own_road.call("ListKeyRotations", Limit=limit, **marker, **members)
                assert page["Truncated"] is ("NextMarker" in page)
                found += page["Rotations"]
                if not page["Truncated"]:
                    break
                assert len(page["Rotations"]) == limit
                marker = {"Marker": page["NextMarker"]}
            assert found == whole


def test_list_key_rotations_gives_a_hundred_unless_told_otherwise(road: Road) -> None:
    key = road.create_key()
    record = stored(road, key)
    rotated = {"rotated_at": datetime(2026, 1, 1, tzinfo=UTC), "rotation_type": RotationType.AUTOMATIC}
    one = with_material(record, 1, KeyMaterialState.NON_CURRENT, **rotated)
    pattern = one.materials[MaterialId(f"{1:064x}")]
    ids = [MaterialId(f"{number:064x}") for number in range(1, 131)]
    many = {material_id: replace(pattern, material_id=material_id) for material_id in ids}
    changed(road, key, materials={**record.materials, **many})
    page = road.call("ListKeyRotations", KeyId=key["KeyId"])
    assert (len(page["Rotations"]), page["Truncated"]) == (100, True)
    rest = road.call("ListKeyRotations", KeyId=key["KeyId"], Marker=page["NextMarker"])
    assert (len(rest["Rotations"]), rest["Truncated"]) == (30, False)


def test_list_key_rotations_with_a_marker_of_elsewhere_is_refused(own_road: Road) -> None:
    key, other = own_road.create_key(), own_road.create_key()
    for _ in range(2):
        rotate(own_road, key)
        rotate(own_road, other)
    marker = own_road.call("ListKeyRotations", KeyId=other["KeyId"], Limit=1)["NextMarker"]
    keys_marker = own_road.call("ListKeys", Limit=1)["NextMarker"]
    for wrong in (marker, keys_marker, "nonsense"):
        code, _ = refused(own_road, "ListKeyRotations", KeyId=key["KeyId"], Marker=wrong)
        assert code == "InvalidMarkerException"


# ---------------------------------------------------------------- records


def test_rotation_operations_are_recorded_with_what_was_asked(own_road: Road) -> None:
    key = own_road.create_key()
    named = {"KeyId": key["KeyId"]}
    own_road.call("EnableKeyRotation", RotationPeriodInDays=90, **named)
    assert own_road.last_record["requestParameters"] == {"keyId": key["KeyId"], "rotationPeriodInDays": 90}
    assert own_road.last_record["readOnly"] is False
    own_road.call("ListKeyRotations", Limit=3, IncludeKeyMaterial="ALL_KEY_MATERIAL", **named)
    assert own_road.last_record["requestParameters"] == {
        "keyId": key["KeyId"],
        "includeKeyMaterial": "ALL_KEY_MATERIAL",
        "limit": 3,
    }
    assert own_road.last_record["readOnly"] is True
    assert own_road.last_record["resources"][0]["ARN"] == key["Arn"]
