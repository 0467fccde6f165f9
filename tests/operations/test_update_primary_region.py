"""UpdatePrimaryRegion: roles change at all related keys at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.multi_region_keys import (
    THIRD_REGION,
    describe,
    events,
    named,
    primary_key,
    replicate,
    stored,
)
from tests.operations.road_requests import (
    OTHER_REGION,
    TEXT,
    denied,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import REGION, Road

from strongroom.replication.related_keys import primary_of
from strongroom.store.interface import ConcurrentChange


def update_primary(road: Road, key: dict[str, Any], region: str, to: str) -> None:
    assert road.call("UpdatePrimaryRegion", region=region, KeyId=key["KeyId"], PrimaryRegion=to) == {}


def test_update_primary_region_changes_roles_everywhere_and_settles(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key, OTHER_REGION)
    replicate(road, key, THIRD_REGION)
    update_primary(road, key, REGION, OTHER_REGION)
    assert describe(road, key)["KeyState"] == describe(road, key, OTHER_REGION)["KeyState"] == "Updating"
    assert describe(road, key, THIRD_REGION)["KeyState"] == "Enabled"
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]  # works on
    assert road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=sealed)["Plaintext"] == TEXT
    updating = ("KMSInvalidStateException", f"{key['Arn']} is updating.")
    assert refused(road, "DisableKey", KeyId=key["KeyId"]) == updating
    assert refused(road, "ScheduleKeyDeletion", KeyId=key["KeyId"]) == updating
    road.wait(road.jobs.run_prompt())
    for region in (REGION, OTHER_REGION, THIRD_REGION):
        found = describe(road, key, region)
        assert found["KeyState"] == "Enabled"
        kind = "PRIMARY" if region == OTHER_REGION else "REPLICA"
        assert found["MultiRegionConfiguration"] == {
            "MultiRegionKeyType": kind,
            "PrimaryKey": named(key, OTHER_REGION),
            "ReplicaKeys": [named(key, THIRD_REGION), named(key, REGION)],
        }
    (synchronized,) = events(road, "SynchronizeMultiRegionKey", key)[2:]
    assert synchronized["awsRegion"] == OTHER_REGION


def test_update_primary_region_gives_the_rotation_to_the_new_primary(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    former = stored(road, key)
    assert former.next_rotation_at is not None
    assert stored(road, key, OTHER_REGION).next_rotation_at is None
    update_primary(road, key, REGION, OTHER_REGION)
    new, former_now = stored(road, key, OTHER_REGION), stored(road, key)
    assert (new.rotation_period_days, new.next_rotation_at) == (365, former.next_rotation_at)
    assert (former_now.rotation_period_days, former_now.next_rotation_at) == (None, None)
    assert new.materials.keys() == former_now.materials.keys()
    road.wait(road.jobs.run_prompt())


def test_new_primary_can_be_replicated_and_the_former_one_not(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    update_primary(road, key, REGION, OTHER_REGION)
    road.wait(road.jobs.run_prompt())
    code, _ = refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=THIRD_REGION)
    assert code == "UnsupportedOperationException"
    road.call("ReplicateKey", region=OTHER_REGION, KeyId=key["KeyId"], ReplicaRegion=THIRD_REGION)
    road.wait(road.jobs.run_prompt())
    sealed = road.call("Encrypt", region=THIRD_REGION, KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    assert road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT
    update_primary(road, key, OTHER_REGION, REGION)  # and back again
    road.wait(road.jobs.run_prompt())
    assert describe(road, key)["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"


def test_update_primary_region_on_what_is_no_primary_or_has_no_replica_there_is_refused(road: Road) -> None:
    key, single = primary_key(road), road.create_key()
    replicate(road, key)
    asked = {"KeyId": key["KeyId"], "PrimaryRegion": REGION}
    assert refused(road, "UpdatePrimaryRegion", region=OTHER_REGION, **asked) == (
        "UnsupportedOperationException",
        f"{key_arn(key['KeyId'], region=OTHER_REGION)} is not a multi-region primary key.",
    )
    assert refused(road, "UpdatePrimaryRegion", KeyId=single["KeyId"], PrimaryRegion=OTHER_REGION) == (
        "UnsupportedOperationException",
        f"{single['Arn']} is not a multi-region primary key.",
    )
    assert refused(road, "UpdatePrimaryRegion", **asked)[0] == "UnsupportedOperationException"
    assert refused(road, "UpdatePrimaryRegion", **(asked | {"PrimaryRegion": THIRD_REGION})) == (
        "NotFoundException",
        f"Key '{key_arn(key['KeyId'], region=THIRD_REGION)}' does not exist",
    )


def test_update_primary_region_must_be_allowed_on_both_keys(road: Road) -> None:
    """Source: UpdatePrimaryRegion, Required permissions."""
    action = "kms:UpdatePrimaryRegion"
    for here, there, refusing in (
        (policy_for(["kms:PutKeyPolicy", "kms:ReplicateKey"]), policy_for("kms:*"), REGION),
        (policy_for("kms:*"), policy_for("kms:PutKeyPolicy"), OTHER_REGION),
    ):
        key = primary_key(road, Policy=here)
        road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION, Policy=there)
        road.wait(road.jobs.run_prompt())
        asked = {"KeyId": key["KeyId"], "PrimaryRegion": OTHER_REGION}
        arn = key_arn(key["KeyId"], region=refusing)
        assert refused(road, "UpdatePrimaryRegion", **asked) == denied(action, arn)
        assert stored(road, key).primary_region == stored(road, key, OTHER_REGION).primary_region == REGION


@pytest.mark.parametrize("region", [REGION, OTHER_REGION])
def test_update_primary_region_needs_both_keys_enabled(road: Road, region: str) -> None:
    key = primary_key(road)
    replicate(road, key)
    road.call("DisableKey", region=region, KeyId=key["KeyId"])
    asked = {"KeyId": key["KeyId"], "PrimaryRegion": OTHER_REGION}
    assert refused(road, "UpdatePrimaryRegion", **asked) == (
        "DisabledException",
        f"{key_arn(key['KeyId'], region=region)} is disabled.",
    )


def test_update_primary_region_to_a_replica_that_is_creating_is_refused(road: Road) -> None:
    key = primary_key(road)
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    assert refused(road, "UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION) == (
        "KMSInvalidStateException",
        f"{key_arn(key['KeyId'], region=OTHER_REGION)} is creating.",
    )
    road.wait(road.jobs.run_prompt())


def test_update_primary_region_is_recorded_with_both_keys(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    update_primary(road, key, REGION, OTHER_REGION)
    record = road.last_record
    assert record["requestParameters"] == {"keyId": key["KeyId"], "primaryRegion": OTHER_REGION}
    assert record["responseElements"] is None
    assert [resource["ARN"] for resource in record["resources"]] == [
        key_arn(key["KeyId"], region=region) for region in (REGION, OTHER_REGION)
    ]
    road.wait(road.jobs.run_prompt())


def test_primary_of_every_related_key_is_the_one_that_has_the_role(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    for primary in (REGION, OTHER_REGION):
        for region in (REGION, OTHER_REGION):
            found = road.wait(primary_of(road.store, stored(road, key, region)))
            assert found == stored(road, key, primary)
        if primary == REGION:
            before = stored(road, key, OTHER_REGION)
            update_primary(road, key, REGION, OTHER_REGION)
            road.wait(road.jobs.run_prompt())
            with pytest.raises(ConcurrentChange):
                road.wait(primary_of(road.store, before))
