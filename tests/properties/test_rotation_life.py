"""Rotation in any order of calls and time: Hypothesis against a model of a page, and every blob opens.

As test_key_life.py; ROTATION_LIFE_EXAMPLES=2000 searches further.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.operations.road_requests import TEXT
from tests.support.road import ACCOUNT, Road

EXAMPLES_IN_CI = 20
DAY_SECONDS = 86_400
SLACK_SECONDS = 120
ON_DEMAND_MAX = 25


class RotationLife(RuleBasedStateMachine):
    """One key. The model knows its state, its schedule, whether a rotation was asked for, and how many
    there were of each type."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self.road = road

    @initialize()
    def begin(self) -> None:
        metadata = self.road.create_key()
        self.key_id, self.materials = metadata["KeyId"], [metadata["CurrentKeyMaterialId"]]
        self.state = "Enabled"
        self.period: int | None = 365
        self.next_at = self.now() + 365 * DAY_SECONDS
        self.asked = False
        self.types: list[str] = []
        self.blobs: list[tuple[str, str]] = []

    def now(self) -> float:
        return self.road.clock.epoch_seconds()

    def ask(self, operation: str, expected: str | None, **members: Any) -> Any:
        body = json.dumps({"KeyId": self.key_id, **members}).encode()
        answer = self.road.send(operation, body, account=ACCOUNT)
        content = json.loads(answer.body) if answer.body else {}
        assert (None if answer.status == 200 else content["__type"]) == expected, (operation, content)
        return content

    def refusal(self) -> str | None:
        return {"Disabled": "DisabledException", "PendingDeletion": "KMSInvalidStateException"}.get(
            self.state
        )

    @rule(period=st.sampled_from([90, 91, 365, 2560]))
    def enable_key_rotation(self, period: int) -> None:
        refusal = self.refusal()
        self.ask("EnableKeyRotation", refusal, RotationPeriodInDays=period)
        if refusal is None and self.period != period:
            self.period, self.next_at = period, self.now() + period * DAY_SECONDS

    @rule()
    def disable_key_rotation(self) -> None:
        refusal = self.refusal()
        self.ask("DisableKeyRotation", refusal)
        if refusal is None:
            self.period = None

    @rule()
    def rotate_key_on_demand(self) -> None:
        refusal = self.refusal()
        if refusal is None and self.types.count("ON_DEMAND") + self.asked >= ON_DEMAND_MAX:
            refusal = "LimitExceededException"
        is_near = self.period is not None and self.next_at - self.now() <= 20 * 60
        if refusal is None and (self.asked or is_near):
            refusal = "ConflictException"
        self.ask("RotateKeyOnDemand", refusal)
        self.asked = self.asked or refusal is None

    @rule(operation=st.sampled_from(["EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion"]))
    def change_state(self, operation: str) -> None:
        is_pending = self.state == "PendingDeletion"
        refusal = "KMSInvalidStateException" if is_pending is (operation != "CancelKeyDeletion") else None
        self.ask(operation, refusal)
        if refusal is None:
            self.state = {"EnableKey": "Enabled", "ScheduleKeyDeletion": "PendingDeletion"}.get(
                operation, "Disabled"
            )

    @rule()
    def encrypt(self) -> None:
        refusal = self.refusal()
        answer = self.ask("Encrypt", refusal, Plaintext=TEXT)
        if refusal is None:
            self.blobs.append((answer["CiphertextBlob"], self.materials[-1]))

    @rule(days=st.sampled_from([0, 1, 30, 91, 400, 3000]), near=st.booleans())
    def time_passes_and_jobs_run(self, days: int, near: bool) -> None:
        seconds = days * DAY_SECONDS
        if near and self.period is not None:  # ten minutes before the next rotation
            seconds = max(0, round(self.next_at - self.now()) - 600)
        if self.state == "PendingDeletion":
            seconds = 0
        self.road.clock.advance(seconds)
        self.road.wait(self.road.jobs.run_due())
        if self.state != "Enabled":
            return
        if self.period is not None and self.next_at <= self.now():
            late = self.now() - self.next_at
            self.next_at = (self.next_at if late < DAY_SECONDS else self.now()) + self.period * DAY_SECONDS
            self.types.append("AUTOMATIC")
        if self.asked:
            self.types.append("ON_DEMAND")
            self.asked = False

    @invariant()
    def status_and_list_are_as_the_model_says(self) -> None:
        status = self.ask("GetKeyRotationStatus", None)
        is_on = self.period is not None and self.state != "PendingDeletion"
        assert status["KeyRotationEnabled"] is is_on
        assert status.get("RotationPeriodInDays") == (self.period if is_on else None)
        if is_on:
            assert status["NextRotationDate"] == pytest.approx(self.next_at, abs=SLACK_SECONDS)
        assert ("OnDemandRotationStartDate" in status) is self.asked
        listed = self.ask("ListKeyRotations", None, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        assert [entry.get("RotationType") for entry in listed] == [None, *self.types]
        ids = [entry["KeyMaterialId"] for entry in listed]
        assert ids[: len(self.materials)] == self.materials  # none is lost, none changes its place
        self.materials = ids
        states = [entry["KeyMaterialState"] for entry in listed]
        assert states == ["NON_CURRENT"] * len(self.types) + ["CURRENT"]
        assert self.ask("DescribeKey", None)["KeyMetadata"]["CurrentKeyMaterialId"] == ids[-1]

    def teardown(self) -> None:
        if self.state == "PendingDeletion":
            self.ask("CancelKeyDeletion", None)
        self.ask("EnableKey", None)
        for blob, material in self.blobs:
            opened = self.ask("Decrypt", None, CiphertextBlob=blob)
            assert (opened["Plaintext"], opened["KeyMaterialId"]) == (TEXT, material)


@pytest.fixture
def road(tmp_path: Path) -> Any:
    with Road(tmp_path) as road:
        yield road


def test_rotation_in_any_order_agrees_with_the_model(road: Road) -> None:
    """Keys of earlier sequences rotate along; time only moves forward for all of them."""
    examples = os.environ.get("ROTATION_LIFE_EXAMPLES")
    profile = settings(
        max_examples=int(examples or EXAMPLES_IN_CI),
        stateful_step_count=40,
        derandomize=examples is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(cast("type[RotationLife]", lambda: RotationLife(road)), settings=profile)
