"""Rotations as the job runner does them: when they are due, once, and so that nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from tests.operations.road_requests import TEXT, refused
from tests.operations.rotation_requests import (
    DAY_SECONDS,
    changed,
    current_material,
    rotate,
    rotation_events,
    rotations,
    run_due,
    status,
    stored,
    with_material,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.audit.interface import AuditUnavailable
from strongroom.aws.generated.enums import KeyMaterialState, KeyState, OriginType
from strongroom.boundary.interface import BoundaryRefused, BoundaryUnavailable, GeneratedKey, KeyBinding
from strongroom.jobs.key_rotation import BATCH_KEYS, complete_rotations, rotate_due_keys
from strongroom.jobs.runner import JobRunner
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import AccountId, KeyId, Region, key_arn

PERIOD_SECONDS = 365 * DAY_SECONDS


def sealed_by(road: Road, key: dict[str, Any]) -> str:
    return str(road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"])


# ---------------------------------------------------------------- automatic


def test_key_rotates_when_its_date_has_come_and_no_second_before(own_road: Road) -> None:
    key = own_road.create_key()
    due_at = status(own_road, key)["NextRotationDate"]
    for seconds_left in (PERIOD_SECONDS / 2, 60.0, 1.0):
        own_road.clock.advance(due_at - seconds_left - own_road.clock.epoch_seconds())
        run_due(own_road)
        assert current_material(own_road, key) == key["CurrentKeyMaterialId"], seconds_left
    own_road.clock.advance(1.001)
    run_due(own_road)
    assert current_material(own_road, key) != key["CurrentKeyMaterialId"]
    assert status(own_road, key)["NextRotationDate"] == due_at + PERIOD_SECONDS  # the calendar is kept
    run_due(own_road)
    assert len(rotations(own_road, key)) == 1


def test_old_ciphertext_opens_after_thirty_rotations_and_each_names_its_material(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"], RotationPeriodInDays=90)
    blobs = [(sealed_by(own_road, key), key["CurrentKeyMaterialId"])]
    for at in range(30):
        if at % 3 == 0:
            rotate(own_road, key)
        else:
            own_road.clock.advance(90 * DAY_SECONDS + 1)
            run_due(own_road)
        blobs.append((sealed_by(own_road, key), current_material(own_road, key)))
    assert len({material for _, material in blobs}) == 31
    for blob, material in blobs:
        opened = own_road.call("Decrypt", CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (TEXT, material)
    moved = own_road.call("ReEncrypt", CiphertextBlob=blobs[0][0], DestinationKeyId=key["KeyId"])
    assert (moved["SourceKeyMaterialId"], moved["DestinationKeyMaterialId"]) == (blobs[0][1], blobs[-1][1])
    data_key = own_road.call("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256")
    assert data_key["KeyMaterialId"] == blobs[-1][1]


def test_key_many_periods_behind_rotates_once_and_a_whole_period_later_again(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.clock.advance(7 * PERIOD_SECONDS + 100 * DAY_SECONDS)
    run_due(own_road)
    assert len(rotations(own_road, key)) == 1
    until = status(own_road, key)["NextRotationDate"] - own_road.clock.epoch_seconds()
    assert until == pytest.approx(PERIOD_SECONDS, abs=5)


@pytest.mark.parametrize("ended_by", ["EnableKey", "CancelKeyDeletion"])
def test_key_that_may_not_be_used_waits_and_rotates_at_once_when_it_may(
    own_road: Road, ended_by: str
) -> None:
    """Source: GetKeyRotationStatus API reference, "Disabled" and "Pending deletion"."""
    key = own_road.create_key()
    blob = sealed_by(own_road, key)
    own_road.clock.advance(PERIOD_SECONDS - 2 * DAY_SECONDS)
    if ended_by == "EnableKey":
        own_road.call("DisableKey", KeyId=key["KeyId"])
    else:
        own_road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=30)
    own_road.clock.advance(20 * DAY_SECONDS)
    run_due(own_road)
    assert current_material(own_road, key) == key["CurrentKeyMaterialId"]
    if ended_by == "CancelKeyDeletion":
        own_road.call("CancelKeyDeletion", KeyId=key["KeyId"])
        run_due(own_road)
        assert current_material(own_road, key) == key["CurrentKeyMaterialId"]  # it is disabled now
    own_road.call("EnableKey", KeyId=key["KeyId"])
    run_due(own_road)
    assert current_material(own_road, key) != key["CurrentKeyMaterialId"]
    until = status(own_road, key)["NextRotationDate"] - own_road.clock.epoch_seconds()
    assert until == pytest.approx(PERIOD_SECONDS, abs=5)
    assert own_road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT


def test_key_that_was_not_yet_due_when_enabled_again_keeps_its_schedule(own_road: Road) -> None:
    key = own_road.create_key()
    before = status(own_road, key)
    own_road.call("DisableKey", KeyId=key["KeyId"])
    own_road.clock.advance(30 * DAY_SECONDS)
    own_road.call("EnableKey", KeyId=key["KeyId"])
    run_due(own_road)
    assert status(own_road, key) == before


def test_key_without_automatic_rotation_never_rotates(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("DisableKeyRotation", KeyId=key["KeyId"])
    own_road.clock.advance(20 * PERIOD_SECONDS)
    run_due(own_road)
    assert current_material(own_road, key) == key["CurrentKeyMaterialId"]


def test_replica_that_is_overdue_does_not_rotate_itself(own_road: Road) -> None:
    key = own_road.create_key(MultiRegion=True)
    region = Region("us-east-1")
    arn = key_arn(region, AccountId(ACCOUNT), key["KeyId"])
    replica = replace(stored(own_road, key), region=region, arn=arn)
    own_road.wait(own_road.store.insert_key(replace(replica, rotation_started_at=replica.created_at)))
    own_road.clock.advance(PERIOD_SECONDS + 1)
    run_due(own_road)
    assert current_material(own_road, key) != key["CurrentKeyMaterialId"]
    rotated_with_its_primary = stored(own_road, key, "us-east-1")
    assert rotated_with_its_primary.current_material_id == current_material(own_road, key)
    assert len(rotated_with_its_primary.materials) == 2


def test_keys_of_every_account_and_region_rotate(own_road: Road) -> None:
    places = [("111122223333", "us-east-1"), ("444455556666", "cn-north-1")]
    for account, region in places:
        own_road.create_key(account=account, region=region)
    own_road.clock.advance(PERIOD_SECONDS + 1)
    run_due(own_road)
    found = {(record["recipientAccountId"], record["awsRegion"]) for record in rotation_events(own_road)}
    assert found == set(places)


# ---------------------------------------------------------------- records


def test_rotation_is_recorded_as_the_service_event_of_aws(own_road: Road) -> None:
    """Source: AWS KMS Developer Guide, ct-rotatekey."""
    key = own_road.create_key()
    durable_before = own_road.audit.durably_recorded
    own_road.clock.advance(PERIOD_SECONDS + 1)
    run_due(own_road)
    assert own_road.audit.durably_recorded == durable_before + 1
    first = current_material(own_road, key)
    rotate(own_road, key)
    automatic, on_demand = rotation_events(own_road)
    assert automatic == {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": ACCOUNT, "invokedBy": "AWS Internal"},
        "eventTime": automatic["eventTime"],
        "eventSource": "kms.amazonaws.com",
        "eventName": "RotateKey",
        "awsRegion": REGION,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "eventID": automatic["eventID"],
        "readOnly": False,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key["Arn"]}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "serviceEventDetails": {
            "rotationType": "AUTOMATIC",
            "keyOrigin": "AWS_KMS",
            "previousKeyMaterialId": key["CurrentKeyMaterialId"],
            "currentKeyMaterialId": first,
            "keyId": key["KeyId"],
        },
        "eventCategory": "Management",
    }
    assert on_demand["serviceEventDetails"] == {
        "rotationType": "ON_DEMAND",
        "keyOrigin": "AWS_KMS",
        "previousKeyMaterialId": first,
        "currentKeyMaterialId": current_material(own_road, key),
        "keyId": key["KeyId"],
    }


def test_nothing_rotates_while_it_could_not_be_recorded(own_road: Road) -> None:
    """INVARIANT J4."""
    due, asked = own_road.create_key(), own_road.create_key()
    own_road.call("RotateKeyOnDemand", KeyId=asked["KeyId"])
    own_road.call("DisableKeyRotation", KeyId=asked["KeyId"])
    own_road.clock.advance(PERIOD_SECONDS + 1)
    own_road.audit.accepting = False
    with pytest.raises(AuditUnavailable):
        run_due(own_road)
    own_road.audit.accepting = True
    for key in (due, asked):
        assert current_material(own_road, key) == key["CurrentKeyMaterialId"]
    run_due(own_road)
    assert len(rotation_events(own_road)) == 2


# ---------------------------------------------------------------- on demand


def test_rotation_under_way_waits_while_its_key_is_disabled(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    own_road.call("DisableKey", KeyId=key["KeyId"])
    run_due(own_road)
    assert current_material(own_road, key) == key["CurrentKeyMaterialId"]
    assert "OnDemandRotationStartDate" in status(own_road, key)
    own_road.call("EnableKey", KeyId=key["KeyId"])
    run_due(own_road)
    assert current_material(own_road, key) != key["CurrentKeyMaterialId"]


def test_rotation_of_imported_material_makes_the_pending_one_current(own_road: Road) -> None:
    key = own_road.create_key()
    record = changed(
        own_road, key, origin=OriginType.EXTERNAL, rotation_period_days=None, next_rotation_at=None
    )
    own_road.wait(
        own_road.store.update_key(
            with_material(record, 2, KeyMaterialState.PENDING_ROTATION, description="2")
        )
    )
    own_road.running_boundary.kill()  # nothing is made, so nothing is asked of it
    rotate(own_road, key)
    whole = rotations(own_road, key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert [(entry["KeyMaterialId"], entry["KeyMaterialState"]) for entry in whole] == [
        (key["CurrentKeyMaterialId"], "NON_CURRENT"),
        (f"{2:064x}", "CURRENT"),
    ]
    assert whole[1]["RotationType"] == "ON_DEMAND"
    assert rotation_events(own_road)[0]["serviceEventDetails"]["keyOrigin"] == "EXTERNAL"


def test_rotation_whose_pending_material_was_deleted_ends_without_a_rotation(own_road: Road) -> None:
    key = own_road.create_key()
    started_at = own_road.rooms.clock.now()
    changed(own_road, key, origin=OriginType.EXTERNAL, rotation_started_at=started_at, next_rotation_at=None)
    run_due(own_road)
    assert stored(own_road, key).rotation_started_at is None
    assert current_material(own_road, key) == key["CurrentKeyMaterialId"]
    assert rotation_events(own_road) == []


# ---------------------------------------------------------------- many, at once, and in the face of failures


def test_jobs_twice_and_at_once_rotate_every_key_once(own_road: Road) -> None:
    """INVARIANT J1, with more keys than one batch holds."""
    keys = [own_road.create_key() for _ in range(BATCH_KEYS + 5)]
    own_road.clock.advance(PERIOD_SECONDS + 1)

    async def at_once() -> None:
        await asyncio.gather(*(own_road.jobs.run_due() for _ in range(3)))

    own_road.wait(at_once())
    run_due(own_road)
    found = sorted(record["serviceEventDetails"]["keyId"] for record in rotation_events(own_road))
    assert found == sorted(key["KeyId"] for key in keys)
    assert all(len(rotations(own_road, key)) == 1 for key in keys)


def test_overdue_keys_that_may_not_rotate_keep_nobody_waiting(own_road: Road) -> None:
    """More of them than a batch, all longer due than the one that can be rotated."""
    waiting = [own_road.create_key() for _ in range(BATCH_KEYS + 1)]
    for key in waiting:
        own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
        own_road.call("DisableKey", KeyId=key["KeyId"])
    key = own_road.create_key()
    own_road.clock.advance(PERIOD_SECONDS + 60)
    run_due(own_road)
    assert [record["serviceEventDetails"]["keyId"] for record in rotation_events(own_road)] == [key["KeyId"]]
    rotate(own_road, key)
    assert len(rotation_events(own_road)) == 2


class BoundaryThatRefuses:
    """The real boundary, but for some keys."""

    def __init__(self, road: Road, refused_ids: set[str]) -> None:
        self._road = road
        self._refused = refused_ids
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._road.boundary, name)

    def generate_key(self, binding: KeyBinding) -> Awaitable[GeneratedKey]:
        self.asked += 1
        if binding.key_id in self._refused:  # a binding that the boundary does not know
            binding = replace(binding, key_spec="NO_SUCH_SPEC")
        return self._road.boundary.generate_key(binding)


def test_keys_that_the_boundary_refuses_are_left_once_a_round_and_the_others_rotate(own_road: Road) -> None:
    bad = {own_road.create_key()["KeyId"] for _ in range(BATCH_KEYS + 1)}
    good = [own_road.create_key() for _ in range(3)]
    boundary = BoundaryThatRefuses(own_road, bad)
    rooms = replace(own_road.rooms, boundary=boundary)
    own_road.clock.advance(PERIOD_SECONDS + 1)
    with pytest.raises(BoundaryRefused):
        own_road.wait(rotate_due_keys(rooms, own_road.audit, RequestIds()))
    assert len(rotation_events(own_road)) == 3
    assert boundary.asked == len(bad) + 3
    assert all(len(rotations(own_road, key)) == 1 for key in good)


def test_key_changed_while_its_new_material_was_made_is_looked_at_again(own_road: Road) -> None:
    """What the other change did is kept; a key disabled meanwhile does not rotate."""
    described, disabled = own_road.create_key(), own_road.create_key()
    own_road.clock.advance(PERIOD_SECONDS + 1)

    class Meddler(BoundaryThatRefuses):
        """Changes each key once, after its new material was made."""

        def __init__(self, road: Road) -> None:
            super().__init__(road, set())
            self.changed: set[str] = set()

        async def _after(self, binding: KeyBinding) -> GeneratedKey:
            made = await self._road.boundary.generate_key(binding)
            if binding.key_id == disabled["KeyId"]:
                changes: dict[str, Any] = {"key_state": KeyState.DISABLED}
            else:
                changes = {"description": "changed"}
            if binding.key_id not in self.changed:
                self.changed.add(binding.key_id)
                found = await self._road.store.find_key(Region(binding.region), KeyId(binding.key_id))
                assert found is not None
                await self._road.store.update_key(replace(found, **changes))
            return made

        def generate_key(self, binding: KeyBinding) -> Awaitable[GeneratedKey]:
            return self._after(binding)

    rooms = replace(own_road.rooms, boundary=Meddler(own_road))
    assert own_road.wait(rotate_due_keys(rooms, own_road.audit, RequestIds())) == 1
    assert stored(own_road, described).description == "changed"
    assert len(stored(own_road, described).materials) == 2
    assert stored(own_road, disabled).key_state is KeyState.DISABLED
    assert len(stored(own_road, disabled).materials) == 1


def test_rotation_that_cannot_reach_the_boundary_changes_nothing_and_is_done_later(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    before = stored(own_road, key)
    own_road.running_boundary.kill()
    with pytest.raises(BoundaryUnavailable):
        run_due(own_road)
    assert stored(own_road, key) == before
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"])[0] == "ConflictException"


def test_a_job_that_fails_does_not_keep_the_others_from_their_work(own_road: Road) -> None:
    key = own_road.create_key()

    async def failing(rooms: Rooms, audit: object, ids: object) -> int:
        raise BoundaryUnavailable

    async def run() -> None:
        runner = JobRunner(own_road.rooms, own_road.audit, RequestIds())
        with pytest.raises(BoundaryUnavailable):
            await runner.run_due((failing, complete_rotations, failing))

    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    own_road.wait(run())
    assert len(rotations(own_road, key)) == 1


def test_runner_completes_a_rotation_on_demand_within_a_second_or_two(own_road: Road) -> None:
    key = own_road.create_key()

    async def watch() -> float:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        running = asyncio.create_task(own_road.jobs.run_until(stopped))
        await asyncio.sleep(0.7)  # the first whole round is over
        begun_at = loop.time()
        record = stored_now = await own_road.store.find_key(Region(REGION), KeyId(key["KeyId"]))
        assert record is not None
        await own_road.store.update_key(replace(record, rotation_started_at=own_road.rooms.clock.now()))
        while stored_now is None or len(stored_now.materials) == 1:
            assert loop.time() - begun_at < 20
            await asyncio.sleep(0.05)
            stored_now = await own_road.store.find_key(Region(REGION), KeyId(key["KeyId"]))
        stopped.set()
        await running
        return loop.time() - begun_at

    assert own_road.wait(watch()) < 3
