"""What the tests of rotation have in common: keys of every kind, their status, and the jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.support.road import REGION, Road

from strongroom.aws.generated.enums import KeyMaterialState
from strongroom.resources.identifiers import KeyId, MaterialId, Region
from strongroom.resources.key import Key, KeyMaterial

DAY_SECONDS = 86_400


def stored(road: Road, key: dict[str, Any], region: str = REGION) -> Key:
    """The record of a key, as the store has it."""
    found = road.wait(road.store.find_key(Region(region), KeyId(key["KeyId"])))
    assert found is not None
    return found


def changed(road: Road, key: dict[str, Any], **members: Any) -> Key:
    """The key's record with other members: for kinds of keys that no operation makes here."""
    return road.wait(road.store.update_key(replace(stored(road, key), **members)))


def status(road: Road, key: dict[str, Any], **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = road.call("GetKeyRotationStatus", KeyId=key["Arn"], **members)
    return answer


def rotations(road: Road, key: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = road.call("ListKeyRotations", KeyId=key["KeyId"], **members)["Rotations"]
    return found


def current_material(road: Road, key: dict[str, Any]) -> str:
    return str(road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"])


def run_due(road: Road) -> None:
    road.wait(road.jobs.run_due())


def rotate(road: Road, key: dict[str, Any]) -> None:
    """One whole rotation on demand."""
    road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    run_due(road)


def rotation_events(road: Road) -> list[dict[str, Any]]:
    return [
        record
        for record in road.audit.records
        if record["eventType"] == "AwsServiceEvent" and record["eventName"] == "RotateKey"
    ]


def with_material(key: Key, number: int, state: KeyMaterialState, **members: Any) -> Key:
    """The record with one more imported key material; its token opens nothing."""
    made_at = datetime(2026, 1, number, tzinfo=UTC)
    material = replace(
        KeyMaterial(MaterialId(f"{number:064x}"), b"\x01token", made_at, state=state), **members
    )
    return replace(key, materials={**key.materials, material.material_id: material})
