"""The end of a key: when its window is over, and not a second before."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.operations.road_requests import (
    CIPHERTEXT_KEY_INACCESSIBLE,
    TEXT,
    alias_arn,
    key_arn,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.audit.interface import AuditUnavailable
from strongroom.jobs.development import CLOCK_SETTING, EPOCH_SECONDS_MAX, DevelopmentControls
from strongroom.jobs.key_destruction import BATCH_KEYS

DAY_SECONDS = 86_400


def run_due(road: Road) -> None:
    road.wait(road.jobs.run_due())


def schedule(road: Road, key: dict[str, Any], days: int = 7) -> float:
    """Schedule the deletion; when it will be, in epoch seconds."""
    answer = road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=days)
    return float(answer["DeletionDate"])


def move_to(road: Road, epoch_seconds: float) -> None:
    road.clock.advance(epoch_seconds - road.clock.epoch_seconds())


def state_of(road: Road, key: dict[str, Any]) -> str:
    return str(road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["KeyState"])


def service_events(road: Road) -> list[dict[str, Any]]:
    return [record for record in road.audit.records if record["eventType"] == "AwsServiceEvent"]


@pytest.mark.parametrize("days", [7, 30])
def test_key_is_destroyed_when_its_window_is_over_and_no_second_before(own_road: Road, days: int) -> None:
    """INVARIANT J2."""
    key = own_road.create_key()
    deletion_at = schedule(own_road, key, days)
    for seconds_left in (days * DAY_SECONDS / 2, DAY_SECONDS, 60.0, 1.0):
        move_to(own_road, deletion_at - seconds_left)
        run_due(own_road)
        assert state_of(own_road, key) == "PendingDeletion", seconds_left
    assert service_events(own_road) == []
    own_road.clock.advance(1.001)
    run_due(own_road)
    assert refused(own_road, "DescribeKey", KeyId=key["KeyId"]) == (
        "NotFoundException",
        f"Key '{key['Arn']}' does not exist",
    )


def test_destroyed_key_leaves_nothing_behind(own_road: Road) -> None:
    """INVARIANT J3."""
    key, kept = own_road.create_key(Tags=[{"TagKey": "a", "TagValue": "b"}]), own_road.create_key()
    own_road.call("CreateAlias", AliasName="alias/gone", TargetKeyId=key["KeyId"])
    own_road.call("CreateAlias", AliasName="alias/kept", TargetKeyId=kept["KeyId"])
    sealed = own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    move_to(own_road, schedule(own_road, key) + 1)
    run_due(own_road)
    assert refused(own_road, "Decrypt", CiphertextBlob=sealed) == CIPHERTEXT_KEY_INACCESSIBLE
    reached = {"CiphertextBlob": sealed, "DestinationKeyId": kept["KeyId"]}
    assert refused(own_road, "ReEncrypt", **reached) == CIPHERTEXT_KEY_INACCESSIBLE
    not_found = ("NotFoundException", f"Key '{key['Arn']}' does not exist")
    assert refused(own_road, "Decrypt", KeyId=key["KeyId"], CiphertextBlob=sealed) == not_found
    assert refused(own_road, "Encrypt", KeyId=key["Arn"], Plaintext=TEXT) == not_found
    assert refused(own_road, "CancelKeyDeletion", KeyId=key["KeyId"]) == not_found
    assert refused(own_road, "ListResourceTags", KeyId=key["KeyId"]) == not_found
    assert refused(own_road, "Encrypt", KeyId="alias/gone", Plaintext=TEXT) == (
        "NotFoundException",
        f"Alias {alias_arn('alias/gone')} is not found.",
    )
    assert [alias["AliasName"] for alias in own_road.call("ListAliases")["Aliases"]] == ["alias/kept"]
    assert [found["KeyId"] for found in own_road.call("ListKeys")["Keys"]] == [kept["KeyId"]]
    own_road.call("CreateAlias", AliasName="alias/gone", TargetKeyId=kept["KeyId"])  # the name is free again


def test_destruction_is_recorded_as_the_service_event_of_aws(own_road: Road) -> None:
    """INVARIANT J3. Source: AWS KMS Developer Guide, ct-delete-key."""
    key = own_road.create_key()
    move_to(own_road, schedule(own_road, key) + 1)
    durable_before = own_road.audit.durably_recorded
    run_due(own_road)
    assert own_road.audit.durably_recorded == durable_before + 1
    (record,) = service_events(own_road)
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": ACCOUNT, "invokedBy": "AWS Internal"},
        "eventTime": record["eventTime"],
        "eventSource": "kms.amazonaws.com",
        "eventName": "DeleteKey",
        "awsRegion": REGION,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": {"keyId": key["Arn"]},
        "eventID": record["eventID"],
        "readOnly": False,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key["Arn"]}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "serviceEventDetails": {"keyId": key["KeyId"]},
        "eventCategory": "Management",
    }


def test_cancel_at_the_last_moment_saves_the_key(own_road: Road) -> None:
    key = own_road.create_key()
    sealed = own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    deletion_at = schedule(own_road, key)
    move_to(own_road, deletion_at - 0.5)
    own_road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    own_road.clock.advance(365 * DAY_SECONDS)
    run_due(own_road)
    assert state_of(own_road, key) == "Disabled"
    own_road.call("EnableKey", KeyId=key["KeyId"])
    assert own_road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_cancel_after_the_window_and_before_the_job_saves_the_key_too(own_road: Road) -> None:
    """What is not destroyed can be saved: the job decides, and it runs within seconds."""
    key = own_road.create_key()
    move_to(own_road, schedule(own_road, key) + 3)
    own_road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    run_due(own_road)
    assert state_of(own_road, key) == "Disabled"


def test_window_begins_anew_when_deletion_is_scheduled_again(own_road: Road) -> None:
    key = own_road.create_key()
    schedule(own_road, key)
    own_road.clock.advance(6 * DAY_SECONDS)
    own_road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    deletion_at = schedule(own_road, key)
    assert deletion_at - own_road.clock.epoch_seconds() == pytest.approx(7 * DAY_SECONDS, abs=5)
    own_road.clock.advance(2 * DAY_SECONDS)
    run_due(own_road)
    assert state_of(own_road, key) == "PendingDeletion"


def test_jobs_twice_and_at_once_destroy_every_key_once(own_road: Road) -> None:
    """INVARIANT J1, with more keys than one batch holds."""
    keys = [own_road.create_key() for _ in range(BATCH_KEYS + 5)]
    for key in keys:
        schedule(own_road, key)
    own_road.clock.advance(7 * DAY_SECONDS + 1)

    async def at_once() -> None:
        await asyncio.gather(*(own_road.jobs.run_due() for _ in range(3)))

    own_road.wait(at_once())
    run_due(own_road)
    assert own_road.call("ListKeys")["Keys"] == []
    destroyed = [record["serviceEventDetails"]["keyId"] for record in service_events(own_road)]
    assert sorted(destroyed) == sorted(key["KeyId"] for key in keys)


def test_keys_of_every_account_and_region_come_to_their_end(own_road: Road) -> None:
    places = [("111122223333", "us-east-1"), ("444455556666", "cn-north-1")]
    keys = [own_road.create_key(account=account, region=region) for account, region in places]
    for key, (account, region) in zip(keys, places, strict=True):
        own_road.call("ScheduleKeyDeletion", account=account, region=region, KeyId=key["KeyId"])
    own_road.clock.advance(31 * DAY_SECONDS)
    run_due(own_road)
    assert {
        (record["recipientAccountId"], record["awsRegion"]) for record in service_events(own_road)
    } == set(places)


def test_nothing_is_destroyed_while_it_could_not_be_recorded(own_road: Road) -> None:
    """INVARIANT J4."""
    key = own_road.create_key()
    move_to(own_road, schedule(own_road, key) + 1)
    own_road.audit.accepting = False
    with pytest.raises(AuditUnavailable):
        run_due(own_road)
    own_road.audit.accepting = True
    assert state_of(own_road, key) == "PendingDeletion"
    run_due(own_road)
    assert [record["eventName"] for record in service_events(own_road)] == ["DeleteKey"]


def test_destruction_is_done_and_recorded_while_the_boundary_is_gone(own_road: Road) -> None:
    keys = [own_road.create_key() for _ in range(2)]
    for key in keys:
        schedule(own_road, key)
    own_road.clock.advance(7 * DAY_SECONDS + 1)
    own_road.running_boundary.kill()
    run_due(own_road)
    assert own_road.call("ListKeys")["Keys"] == []
    assert len(service_events(own_road)) == 2


def test_advanced_clock_runs_what_is_due_and_is_kept(own_road: Road) -> None:
    controls = DevelopmentControls(own_road.clock, own_road.store, own_road.jobs)
    key = own_road.create_key()
    schedule(own_road, key)
    before = own_road.clock.epoch_seconds()
    now = own_road.wait(controls.advance_clock(7 * DAY_SECONDS + 0.5))
    assert now - before == pytest.approx(7 * DAY_SECONDS, abs=5)
    assert refused(own_road, "DescribeKey", KeyId=key["KeyId"])[0] == "NotFoundException"
    kept = own_road.wait(own_road.store.find_setting(CLOCK_SETTING))
    assert kept == str(own_road.clock.offset_milliseconds) == str((7 * DAY_SECONDS * 1000) + 500)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e12])
def test_clock_that_goes_back_or_out_of_the_calendar_is_refused(own_road: Road, seconds: float) -> None:
    controls = DevelopmentControls(own_road.clock, own_road.store, own_road.jobs)
    with pytest.raises(ValueError, match=r"clock|advance_seconds"):
        own_road.wait(controls.advance_clock(seconds))
    assert own_road.clock.offset_milliseconds == 0


def test_clock_moved_again_and_again_stays_in_the_calendar(own_road: Road) -> None:
    controls = DevelopmentControls(own_road.clock, own_road.store, own_road.jobs)
    century = 99 * 365 * DAY_SECONDS
    while own_road.clock.epoch_seconds() + century < EPOCH_SECONDS_MAX:
        own_road.wait(controls.advance_clock(century))
    with pytest.raises(ValueError, match="the year 5000"):
        own_road.wait(controls.advance_clock(century))
    assert own_road.clock.epoch_seconds() <= EPOCH_SECONDS_MAX
    key = own_road.create_key()
    assert own_road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])["DeletionDate"] > 90_000_000_000
    assert json.dumps(own_road.last_record["eventTime"]) > '"48'


def test_reset_forgets_every_key_and_alias_of_every_account(own_road: Road) -> None:
    controls = DevelopmentControls(own_road.clock, own_road.store, own_road.jobs)
    key = own_road.create_key()
    own_road.call("CreateAlias", AliasName="alias/a", TargetKeyId=key["KeyId"])
    sealed = own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    other = own_road.create_key(account="111122223333", region="us-east-1")
    own_road.wait(controls.reset())
    assert own_road.call("ListKeys")["Keys"] == []
    assert own_road.call("ListAliases")["Aliases"] == []
    assert refused(own_road, "Decrypt", CiphertextBlob=sealed) == CIPHERTEXT_KEY_INACCESSIBLE
    absent = key_arn(other["KeyId"], account="111122223333", region="us-east-1")
    assert refused(
        own_road, "DescribeKey", account="111122223333", region="us-east-1", KeyId=other["KeyId"]
    ) == ("NotFoundException", f"Key '{absent}' does not exist")
    assert own_road.create_key()["KeyState"] == "Enabled"
