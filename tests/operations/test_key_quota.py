"""The quota on KMS keys: customer managed keys of an account in a Region, in any state."""

from __future__ import annotations

import dataclasses

import pytest
from tests.operations.road_requests import OTHER_REGION, STRANGER, answering, at_once, error_code, refused
from tests.support.road import Road

from strongroom.config import Settings
from strongroom.operations.rules import Rules

TOO_MANY = ("LimitExceededException", "The limit of KMS keys in the account and Region has been reached.")


def test_create_key_beyond_the_quota_is_refused_until_one_is_destroyed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Road(tmp_path_factory.mktemp("quota"), Rules(keys_max=3)) as road:
        key_id = road.create_key()["KeyId"]
        road.create_key(MultiRegion=True)
        road.create_key(Origin="EXTERNAL")
        assert refused(road, "CreateKey") == TOO_MANY
        road.create_key(region=OTHER_REGION)
        road.create_key(account=STRANGER)
        road.call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        assert refused(road, "CreateKey") == TOO_MANY  # a key that is pending deletion counts
        road.clock.set_offset(8 * 24 * 3600 * 1000)
        road.wait(road.jobs.run_due())
        road.create_key()
        assert refused(road, "CreateKey") == TOO_MANY


def test_create_key_many_times_at_once_keeps_the_quota(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Road(tmp_path_factory.mktemp("quota"), Rules(keys_max=5)) as road:
        road.create_key(account=STRANGER)
        answers = at_once(road, *(answering(road, "CreateKey") for _ in range(12)))
        codes = [error_code(answer) for answer in answers]
        assert codes.count(None) == 5
        assert codes.count("LimitExceededException") == 7
        assert len(road.call("ListKeys")["Keys"]) == 5


def test_quota_is_that_of_aws_unless_it_is_set() -> None:
    assert Rules().keys_max == 100_000
    (setting,) = (field for field in dataclasses.fields(Settings) if field.name == "keys_max")
    assert setting.default == 100_000
