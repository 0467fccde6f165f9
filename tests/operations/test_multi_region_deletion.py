"""The end of multi-Region keys: a primary waits for its last replica, then for its own window."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.operations.multi_region_keys import THIRD_REGION, describe, events, primary_key, replicate, stored
from tests.operations.road_requests import OTHER_REGION, TEXT, key_arn, refused
from tests.support.road import REGION, Road

from strongroom.resources.identifiers import KeyId

DAY_SECONDS = 86_400.0


def schedule(road: Road, key: dict[str, Any], region: str = REGION, days: int = 7) -> dict[str, Any]:
    answer: dict[str, Any] = road.call(
        "ScheduleKeyDeletion", region=region, KeyId=key["KeyId"], PendingWindowInDays=days
    )
    return answer


def pass_days(road: Road, days: float) -> None:
    road.clock.advance(days * DAY_SECONDS + 1)
    road.wait(road.jobs.run_due())


def regions_of(road: Road, key: dict[str, Any]) -> list[str]:
    found = road.wait(road.store.list_related_keys(stored(road, key).account_id, KeyId(key["KeyId"])))
    return [each.region for each in found]


def test_schedule_deletion_of_a_primary_with_replicas_waits_for_them(own_road: Road) -> None:
    """Source: ScheduleKeyDeletionResponse: no DeletionDate; KeyMetadata: PendingDeletionWindowInDays."""
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    assert schedule(road, key, days=9) == {
        "KeyId": key["Arn"],
        "KeyState": "PendingReplicaDeletion",
        "PendingWindowInDays": 9,
    }
    metadata = describe(road, key)
    assert metadata["KeyState"] == "PendingReplicaDeletion"
    assert metadata["PendingDeletionWindowInDays"] == 9
    assert "DeletionDate" not in metadata
    assert metadata["Enabled"] is False
    pending = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == pending
    assert refused(road, "ScheduleKeyDeletion", KeyId=key["KeyId"]) == pending
    assert refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=THIRD_REGION) == pending
    assert refused(road, "UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION) == pending
    pass_days(road, 400)  # "This status can continue indefinitely"
    assert describe(road, key)["KeyState"] == "PendingReplicaDeletion"
    assert describe(road, key, OTHER_REGION)["KeyState"] == "Enabled"
    road.call("Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT)


def test_primary_begins_its_window_when_the_last_replica_is_deleted_not_when_scheduled(
    own_road: Road,
) -> None:
    road, key = own_road, primary_key(own_road)
    replicate(road, key, OTHER_REGION)
    replicate(road, key, THIRD_REGION)
    schedule(road, key, days=8)
    answer = schedule(road, key, OTHER_REGION, days=7)
    assert answer["KeyState"] == "PendingDeletion"
    assert answer["DeletionDate"] - road.clock.epoch_seconds() == pytest.approx(7 * DAY_SECONDS, abs=5)
    schedule(road, key, THIRD_REGION, days=10)
    pass_days(road, 7)
    assert describe(road, key)["KeyState"] == "PendingReplicaDeletion"
    assert regions_of(road, key) == [THIRD_REGION, REGION]
    replicas = describe(road, key)["MultiRegionConfiguration"]["ReplicaKeys"]
    assert [each["Region"] for each in replicas] == [THIRD_REGION]
    pass_days(road, 3)
    metadata = describe(road, key)
    assert metadata["KeyState"] == "PendingDeletion"
    assert "PendingDeletionWindowInDays" not in metadata
    assert metadata["DeletionDate"] - road.clock.epoch_seconds() == pytest.approx(8 * DAY_SECONDS, abs=5)
    pass_days(road, 7.9)
    assert describe(road, key)["KeyState"] == "PendingDeletion"
    pass_days(road, 0.2)
    assert refused(road, "DescribeKey", KeyId=key["KeyId"])[0] == "NotFoundException"
    ends = [record["awsRegion"] for record in events(road, "DeleteKey", key)]
    assert ends == [OTHER_REGION, THIRD_REGION, REGION]


def test_primary_whose_last_replica_went_unnoticed_begins_its_window_in_the_next_round(
    own_road: Road,
) -> None:
    """A process may end between the end of a replica and the beginning of the primary's window."""
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    schedule(road, key, days=7)
    road.wait(road.store.destroy_key(stored(road, key, OTHER_REGION)))
    assert describe(road, key)["KeyState"] == "PendingReplicaDeletion"
    road.wait(road.jobs.run_due())
    assert describe(road, key)["KeyState"] == "PendingDeletion"


def test_cancel_of_a_primary_that_waits_for_replicas_leaves_it_disabled(own_road: Road) -> None:
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    schedule(road, key)
    assert road.call("CancelKeyDeletion", KeyId=key["KeyId"]) == {"KeyId": key["Arn"]}
    metadata = describe(road, key)
    assert metadata["KeyState"] == "Disabled"
    assert "PendingDeletionWindowInDays" not in metadata
    schedule(road, key, OTHER_REGION)
    pass_days(road, 8)
    assert describe(road, key)["KeyState"] == "Disabled"
    assert regions_of(road, key) == [REGION]


def test_primary_without_replicas_is_scheduled_as_any_key(own_road: Road) -> None:
    road, key = own_road, primary_key(own_road)
    answer = schedule(road, key)
    assert answer["KeyState"] == "PendingDeletion"
    assert "DeletionDate" in answer
    pass_days(road, 7)
    assert refused(road, "DescribeKey", KeyId=key["KeyId"])[0] == "NotFoundException"


def test_replica_is_deleted_alone_and_can_be_made_again(own_road: Road) -> None:
    """Source: ReplicateKey, "wait for the key to be deleted ... the same shared properties"."""
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    sealed = road.call("Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    schedule(road, key, OTHER_REGION)
    assert describe(road, key)["KeyState"] == "Enabled"
    pass_days(road, 7)
    assert refused(road, "DescribeKey", region=OTHER_REGION, KeyId=key["KeyId"])[0] == "NotFoundException"
    assert road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT
    replicate(road, key)
    assert road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_replica_scheduled_while_creating_and_saved_again_works(own_road: Road) -> None:
    """The table of key states lets a key that is Creating be scheduled."""
    road, key = own_road, primary_key(own_road)
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    schedule(road, key, OTHER_REGION)
    road.wait(road.jobs.run_due())
    assert describe(road, key, OTHER_REGION)["KeyState"] == "PendingDeletion"
    road.call("CancelKeyDeletion", region=OTHER_REGION, KeyId=key["KeyId"])
    road.call("EnableKey", region=OTHER_REGION, KeyId=key["KeyId"])
    sealed = road.call("Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    assert road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_former_primary_is_deleted_after_the_role_has_moved(own_road: Road) -> None:
    """Why there is UpdatePrimaryRegion: "you need to delete the current primary key while maintaining
    the replica keys" (KMS Developer Guide, multi-region-update)."""
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    road.call("UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION)
    road.wait(road.jobs.run_prompt())
    assert schedule(road, key)["KeyState"] == "PendingDeletion"
    pass_days(road, 7)
    metadata = describe(road, key, OTHER_REGION)
    assert metadata["KeyState"] == "Enabled"
    assert metadata["MultiRegionConfiguration"]["ReplicaKeys"] == []
    assert metadata["MultiRegionConfiguration"]["PrimaryKey"]["Arn"] == key_arn(
        key["KeyId"], region=OTHER_REGION
    )
    road.call("Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT)


def test_replica_that_waits_for_deletion_does_not_become_primary(own_road: Road) -> None:
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    schedule(road, key, OTHER_REGION)
    assert refused(road, "UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION) == (
        "KMSInvalidStateException",
        f"{key_arn(key['KeyId'], region=OTHER_REGION)} is pending deletion.",
    )


def test_jobs_at_once_begin_a_window_once(own_road: Road) -> None:
    """INVARIANT J1."""
    road, key = own_road, primary_key(own_road)
    replicate(road, key)
    schedule(road, key)
    schedule(road, key, OTHER_REGION)
    road.clock.advance(7 * DAY_SECONDS + 1)

    async def at_once() -> None:
        await asyncio.gather(*(road.jobs.run_due() for _ in range(3)))

    version = stored(road, key).version
    road.wait(at_once())
    assert describe(road, key)["KeyState"] == "PendingDeletion"
    assert stored(road, key).version == version + 1
    assert len(events(road, "DeleteKey", key)) == 1
