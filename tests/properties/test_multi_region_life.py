"""The life of a multi-Region key in three Regions: any sequence of steps, judged by a model of a page.

As test_key_life.py; MULTI_REGION_LIFE_EXAMPLES=2000 searches further.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.operations.road_requests import TEXT
from tests.support.road import Road

EXAMPLES_IN_CI = 40
STEPS = 50
REGIONS = ["ap-southeast-1", "eu-central-1", "us-east-1"]
DAY_SECONDS = 86_400
WINDOW_SECONDS = 7 * DAY_SECONDS
ROTATIONS_MAX = 25
PENDING = ("PendingDeletion", "PendingReplicaDeletion")
NOT_FOUND = "NotFoundException"
INVALID_STATE = "KMSInvalidStateException"
UNSUPPORTED = "UnsupportedOperationException"

any_region = st.sampled_from(REGIONS)


class MultiRegionLife(RuleBasedStateMachine):
    """One multi-Region key. Every step asks the road and the model; they must agree."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self.road = road
        self.states: dict[str, str] = {}
        self.deletion_at: dict[str, float] = {}
        self.blobs: list[str] = []
        self.rotations = 0

    def ask(self, operation: str, region: str, expected: str | None, **members: Any) -> Any:
        """The answer of the road, whose error must be `expected`; never a 5xx."""
        body = json.dumps(members).encode()
        answer = self.road.send(operation, body, region=region)
        assert answer.status in (200, 400), f"{operation} failed: {answer}"
        content = json.loads(answer.body) if answer.body else {}
        code = None if answer.status == 200 else content["__type"]
        assert code == expected, f"{operation} in {region}: {content}, expected {expected}"
        return content if code is None else None

    def refusal(self, region: str, *, disabled: bool) -> str | None:
        """Absent, disabled (where that matters) or pending deletion."""
        state = self.states.get(region)
        if state is None:
            return NOT_FOUND
        if state == "Disabled" and disabled:
            return "DisabledException"
        return INVALID_STATE if state in PENDING else None

    def run_jobs(self) -> None:
        self.road.wait(self.road.jobs.run_due())

    @initialize(region=any_region)
    def begin(self, region: str) -> None:
        created = self.ask("CreateKey", region, None, MultiRegion=True)
        self.key_id = created["KeyMetadata"]["KeyId"]
        self.primary = region
        self.states[region] = "Enabled"

    # ------------------------------------------------------------ Regions and roles

    @rule(at=any_region, to=any_region)
    def replicate_key(self, at: str, to: str) -> None:
        if at not in self.states:
            expected: str | None = NOT_FOUND
        elif at != self.primary:
            expected = UNSUPPORTED  # judged before the state
        else:
            expected = self.refusal(at, disabled=True)
            if expected is None and to in self.states:
                expected = "AlreadyExistsException"
        self.ask("ReplicateKey", at, expected, KeyId=self.key_id, ReplicaRegion=to)
        if expected is None:
            self.states[to] = "Enabled"
            self.run_jobs()

    @rule(at=any_region, to=any_region)
    def update_primary_region(self, at: str, to: str) -> None:
        if at not in self.states:
            expected: str | None = NOT_FOUND
        elif at != self.primary or to == at:
            expected = UNSUPPORTED
        elif to not in self.states:
            expected = NOT_FOUND
        else:
            expected = self.refusal(at, disabled=True) or self.refusal(to, disabled=True)
        self.ask("UpdatePrimaryRegion", at, expected, KeyId=self.key_id, PrimaryRegion=to)
        if expected is None:
            self.primary = to
            self.run_jobs()

    # ------------------------------------------------------------ each Region's own

    @rule(region=any_region, operation=st.sampled_from(["EnableKey", "DisableKey"]))
    def enable_or_disable(self, region: str, operation: str) -> None:
        expected = self.refusal(region, disabled=False)
        self.ask(operation, region, expected, KeyId=self.key_id)
        if expected is None:
            self.states[region] = "Enabled" if operation == "EnableKey" else "Disabled"

    @rule(region=any_region)
    def schedule_key_deletion(self, region: str) -> None:
        expected = self.refusal(region, disabled=False)
        answer = self.ask("ScheduleKeyDeletion", region, expected, KeyId=self.key_id, PendingWindowInDays=7)
        if expected is not None:
            return
        if region == self.primary and len(self.states) > 1:
            self.states[region] = "PendingReplicaDeletion"
        else:
            self.states[region] = "PendingDeletion"
            self.deletion_at[region] = answer["DeletionDate"]
        assert answer["KeyState"] == self.states[region]

    @rule(region=any_region)
    def cancel_key_deletion(self, region: str) -> None:
        state = self.states.get(region)
        expected = NOT_FOUND if state is None else None if state in PENDING else INVALID_STATE
        self.ask("CancelKeyDeletion", region, expected, KeyId=self.key_id)
        if expected is None:
            self.states[region] = "Disabled"
            self.deletion_at.pop(region, None)

    @precondition(lambda self: self.states)
    @rule(days=st.sampled_from([1, 8]))
    def time_passes(self, days: int) -> None:
        self.road.clock.advance(days * DAY_SECONDS)
        now = self.road.clock.epoch_seconds()
        for region in [region for region, at in self.deletion_at.items() if at <= now]:
            del self.states[region], self.deletion_at[region]
        self.run_jobs()
        if self.states.get(self.primary) == "PendingReplicaDeletion" and len(self.states) == 1:
            self.states[self.primary] = "PendingDeletion"
            found = self.ask("DescribeKey", self.primary, None, KeyId=self.key_id)["KeyMetadata"]
            self.deletion_at[self.primary] = found["DeletionDate"]
            assert abs(found["DeletionDate"] - now - WINDOW_SECONDS) < DAY_SECONDS / 24

    # ------------------------------------------------------------ use

    @rule(region=any_region)
    def rotate_key_on_demand(self, region: str) -> None:
        expected = self.refusal(region, disabled=True)
        if expected is None and region != self.primary:
            expected = UNSUPPORTED
        if expected is None and self.rotations >= ROTATIONS_MAX:
            expected = "LimitExceededException"
        self.ask("RotateKeyOnDemand", region, expected, KeyId=self.key_id)
        if expected is None:
            self.rotations += 1
            self.run_jobs()

    @rule(region=any_region)
    def encrypt(self, region: str) -> None:
        expected = self.refusal(region, disabled=True)
        answer = self.ask("Encrypt", region, expected, KeyId=self.key_id, Plaintext=TEXT)
        if answer is not None:
            self.blobs.append(answer["CiphertextBlob"])

    @precondition(lambda self: self.blobs)
    @rule(region=any_region, number=st.integers(0, 50))
    def decrypt(self, region: str, number: int) -> None:
        blob = self.blobs[number % len(self.blobs)]
        expected = self.refusal(region, disabled=True)
        answer = self.ask("Decrypt", region, expected, KeyId=self.key_id, CiphertextBlob=blob)
        assert answer is None or answer["Plaintext"] == TEXT

    # ------------------------------------------------------------ what must be true after every step

    @invariant()
    def every_region_is_as_the_model_says(self) -> None:
        materials = set()
        for region in REGIONS:
            expected = None if region in self.states else NOT_FOUND
            answer = self.ask("DescribeKey", region, expected, KeyId=self.key_id)
            if answer is None:
                continue
            metadata = answer["KeyMetadata"]
            assert metadata["KeyState"] == self.states[region]
            assert metadata.get("DeletionDate") == self.deletion_at.get(region)
            roles = metadata["MultiRegionConfiguration"]
            assert roles["PrimaryKey"]["Region"] == self.primary
            assert {key["Region"] for key in roles["ReplicaKeys"]} == self.states.keys() - {self.primary}
            assert roles["MultiRegionKeyType"] == ("PRIMARY" if region == self.primary else "REPLICA")
            materials.add(metadata["CurrentKeyMaterialId"])
        assert len(materials) <= 1  # INVARIANT X2: one material is current, everywhere


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    with Road(tmp_path) as road:
        yield road


def test_multi_region_life_any_sequence_of_steps_agrees_with_the_model(road: Road) -> None:
    examples = os.environ.get("MULTI_REGION_LIFE_EXAMPLES")
    profile = settings(
        max_examples=int(examples or EXAMPLES_IN_CI),
        stateful_step_count=STEPS,
        derandomize=examples is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def machine() -> MultiRegionLife:
        return MultiRegionLife(road)

    run_state_machine_as_test(cast("type[MultiRegionLife]", machine), settings=profile)
