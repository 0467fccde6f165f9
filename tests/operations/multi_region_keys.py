"""Primary keys and replicas for the tests of multi-Region keys."""

from __future__ import annotations

import json
from typing import Any

from tests.operations.road_requests import OTHER_REGION, key_arn
from tests.support.road import REGION, Road

from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.key import Key

THIRD_REGION = "ap-southeast-1"


def primary_key(road: Road, **members: Any) -> dict[str, Any]:
    return road.create_key(MultiRegion=True, **members)


def replicate(road: Road, key: dict[str, Any], region: str = OTHER_REGION, **members: Any) -> dict[str, Any]:
    """A finished replica's metadata."""
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=region, **members)
    road.wait(road.jobs.run_prompt())
    return describe(road, key, region)


def describe(road: Road, key: dict[str, Any], region: str = REGION) -> dict[str, Any]:
    metadata: dict[str, Any] = road.call("DescribeKey", region=region, KeyId=key["KeyId"])["KeyMetadata"]
    return metadata


def stored(road: Road, key: dict[str, Any], region: str = REGION) -> Key:
    found = road.wait(road.store.find_key(Region(region), KeyId(key["KeyId"])))
    assert found is not None
    return found


def named(key: dict[str, Any], region: str) -> dict[str, str]:
    return {"Arn": key_arn(key["KeyId"], region=region), "Region": region}


def events(road: Road, name: str, key: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        record
        for record in road.audit.records
        if record["eventName"] == name and key["KeyId"] in json.dumps(record)
    ]
