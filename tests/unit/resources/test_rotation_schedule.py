"""When keys rotate, as the Developer Guide tells it and as this house decided where the guide is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.store_records import new_key, new_material

from strongroom.aws.generated.constraints import SHAPES
from strongroom.aws.generated.enums import KeyMaterialState, KeySpec, KeyState, OriginType, RotationType
from strongroom.resources import rotation_schedule as schedules
from strongroom.resources.identifiers import Region
from strongroom.resources.key import Key
from strongroom.resources.rotation_schedule import RotationSchedule

MARCH_15_2022 = datetime(2022, 3, 15, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)

periods = st.integers(schedules.ROTATION_PERIOD_DAYS_MIN, schedules.ROTATION_PERIOD_DAYS_MAX)
instants = st.datetimes(datetime(2020, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def rotating_key(next_at: datetime, period_days: int = 365) -> Key:
    return schedules.with_schedule(new_key(), RotationSchedule(period_days, next_at))


def test_periods_are_those_of_the_service_model() -> None:
    shape = SHAPES["RotationPeriodInDaysType"]
    assert (shape.min, shape.max) == (
        schedules.ROTATION_PERIOD_DAYS_MIN,
        schedules.ROTATION_PERIOD_DAYS_MAX,
    )


def test_enabled_key_rotates_on_the_same_day_of_the_years_after() -> None:
    """The guide's own example: "March 15, 2023, March 15, 2024, and every 365 days thereafter"."""
    schedule = schedules.schedule_when_enabled(None, 365, MARCH_15_2022)
    assert schedule.next_at == datetime(2023, 3, 15, 9, 30, tzinfo=UTC)
    seconds_late = schedules.schedule_after_rotation(schedule, schedule.next_at + timedelta(seconds=4))
    assert seconds_late.next_at == datetime(2024, 3, 14, 9, 30, tzinfo=UTC)  # 2024 is a leap year


def test_enabling_again_with_the_same_period_changes_nothing() -> None:
    schedule = schedules.new_schedule(90, MARCH_15_2022)
    assert schedules.schedule_when_enabled(schedule, 90, MARCH_15_2022 + 80 * DAY) == schedule


@pytest.mark.parametrize("period_days", [90, 2560])
def test_enabling_with_another_period_counts_from_now(period_days: int) -> None:
    schedule = schedules.new_schedule(365, MARCH_15_2022)
    later = MARCH_15_2022 + 300 * DAY
    assert schedules.schedule_when_enabled(schedule, period_days, later) == RotationSchedule(
        period_days, later + period_days * DAY
    )


def test_rotation_that_comes_late_begins_a_whole_period_anew() -> None:
    schedule = schedules.new_schedule(365, MARCH_15_2022)
    rotated_at = schedule.next_at + 3 * 365 * DAY + 17 * DAY
    assert schedules.schedule_after_rotation(schedule, rotated_at).next_at == rotated_at + 365 * DAY


@given(period_days=periods, enabled_at=instants, late=st.timedeltas(timedelta(0), timedelta(days=40_000)))
def test_next_rotation_is_always_ahead_and_at_most_a_period_away(
    period_days: int, enabled_at: datetime, late: timedelta
) -> None:
    """What ends the job's loop: a key that has rotated is not due."""
    schedule = schedules.new_schedule(period_days, enabled_at)
    rotated_at = schedule.next_at + late
    after = schedules.schedule_after_rotation(schedule, rotated_at)
    assert after.period_days == period_days
    assert rotated_at < after.next_at <= rotated_at + period_days * DAY
    assert (
        schedules.schedule_after_rotation(after, after.next_at).next_at == after.next_at + period_days * DAY
    )


@given(calls=st.lists(st.tuples(periods, st.integers(0, 400)), min_size=1, max_size=20), enabled_at=instants)
def test_schedule_after_any_calls_is_of_the_last_period_and_within_it(
    calls: list[tuple[int, int]], enabled_at: datetime
) -> None:
    current: RotationSchedule | None = None
    now = enabled_at
    for period_days, days in calls:
        now += days * DAY
        if current is not None and current.next_at <= now:
            current = schedules.schedule_after_rotation(current, now)
        current = schedules.schedule_when_enabled(current, period_days, now)
        assert current.period_days == period_days
        assert now < current.next_at <= now + period_days * DAY


def test_is_due_only_for_enabled_keys_that_rotate_by_themselves() -> None:
    key = rotating_key(MARCH_15_2022)
    assert schedules.is_due(key, MARCH_15_2022)
    assert not schedules.is_due(key, MARCH_15_2022 - timedelta(microseconds=1))
    assert not schedules.is_due(new_key(), MARCH_15_2022)
    for state in KeyState:
        due = schedules.is_due(replace(key, key_state=state), MARCH_15_2022 + DAY)
        assert due is (state is KeyState.ENABLED), state
    others = [
        replace(key, primary_region=Region("us-east-1")),
        replace(key, origin=OriginType.EXTERNAL),
        replace(key, origin=OriginType.AWS_CLOUDHSM),
        replace(key, key_spec=KeySpec.RSA_2048),
        replace(key, key_spec=KeySpec.HMAC_256),
    ]
    assert [schedules.is_due(other, MARCH_15_2022 + DAY) for other in others] == [False] * len(others)
    assert schedules.is_due(replace(key, primary_region=key.region), MARCH_15_2022)


@pytest.mark.parametrize(("minutes", "near"), [(20.001, False), (20, True), (0, True), (-600, True)])
def test_is_near_within_twenty_minutes_and_when_overdue(minutes: float, near: bool) -> None:
    schedule = RotationSchedule(90, MARCH_15_2022)
    assert schedules.is_near(schedule, MARCH_15_2022 - timedelta(minutes=minutes)) is near
    assert not schedules.is_near(None, MARCH_15_2022)


def test_with_current_material_keeps_every_older_one_for_decryption() -> None:
    key = new_key()
    first = key.current_material_id
    for number in range(2, 6):
        at = MARCH_15_2022 + number * DAY
        key = schedules.with_current_material(key, new_material(number=number), RotationType.ON_DEMAND, at)
    assert [material.state for material in key.materials.values()] == [
        *[KeyMaterialState.NON_CURRENT] * 4,
        KeyMaterialState.CURRENT,
    ]
    assert next(iter(key.materials)) == first
    assert key.current_material_id == list(key.materials)[-1]
    assert key.materials[key.current_material_id].rotated_at == MARCH_15_2022 + 5 * DAY
    assert all(material.exported_token for material in key.materials.values())
    assert next(iter(key.materials.values())).rotation_type is None
    assert schedules.count_on_demand_rotations(key) == 4
    assert schedules.count_on_demand_rotations(replace(key, rotation_started_at=MARCH_15_2022)) == 5


def test_pending_material_is_one_that_waits_and_is_present() -> None:
    key = new_key()
    waiting = replace(new_material(number=2), state=KeyMaterialState.PENDING_ROTATION)
    elsewhere = replace(waiting, state=KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION)
    for other in (None, replace(waiting, exported_token=None), elsewhere):
        materials = dict(key.materials) if other is None else {**key.materials, other.material_id: other}
        assert schedules.pending_material(replace(key, materials=materials)) is None
    found = schedules.pending_material(
        replace(key, materials={**key.materials, waiting.material_id: waiting})
    )
    assert found == waiting
