"""The life of a key with imported material: any sequence of steps, judged by a model of a page.

As test_key_life.py; IMPORTED_KEY_LIFE_EXAMPLES=2000 searches further.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.support.key_imports import OAEP_SHA_256, external_key, parameters_for, wrap
from tests.support.road import Road

EXAMPLES_IN_CI = 20
STEPS = 40
HOUR_SECONDS = 3600
MATERIALS = [bytes([number]) * 32 for number in range(3)]
INVALID_STATE = "KMSInvalidStateException"


@dataclass
class Held:
    """What the model knows of one material that the key has, or has lost."""

    current: bool
    present: bool = True
    expires_at: float | None = None


class ImportedKeyLife(RuleBasedStateMachine):
    """One key; every step asks the road and the model, and they must agree."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self.road = road

    @initialize(hours=st.sampled_from([None, 2, 50]))
    def begin(self, hours: float | None) -> None:
        self.key = external_key(self.road)
        self.state = "PendingImport"
        self.held: dict[int, Held] = {}
        self.blob: str | None = None
        self.fetch_parameters()
        self.import_soundly(new=True, hours=hours)
        self.encrypt()

    def ask(self, operation: str, expected: str | None, **members: Any) -> Any:
        """The answer of the road, whose error must be `expected`."""
        answer = self.road.send(operation, json.dumps({"KeyId": self.key["KeyId"], **members}).encode())
        content = json.loads(answer.body) if answer.body else {}
        assert content.get("__type") == expected, f"{operation}: {content}, expected {expected}"
        return content

    @property
    def now(self) -> float:
        return self.road.clock.epoch_seconds()

    def lacks(self) -> bool:
        current = [one for one in self.held.values() if one.current]
        return not current or any(not one.present for one in current)

    def is_expired(self) -> bool:
        return any(
            one.current and one.expires_at is not None and one.expires_at <= self.now
            for one in self.held.values()
        )

    def refusal(self, *also: str) -> str | None:
        """Why the key refuses what a key that is PendingImport refuses, and in the states of `also`."""
        if self.state in also:
            return "DisabledException" if self.state == "Disabled" else INVALID_STATE
        waits = self.state == "PendingImport" or (self.is_expired() and self.state != "PendingDeletion")
        return INVALID_STATE if waits else None

    @rule()
    def fetch_parameters(self) -> None:
        if self.state == "PendingDeletion":
            self.ask(
                "GetParametersForImport",
                INVALID_STATE,
                WrappingAlgorithm=OAEP_SHA_256,
                WrappingKeySpec="RSA_2048",
            )
            return
        parameters = parameters_for(self.road, self.key)
        self.token, self.token_ends_at = parameters["ImportToken"], parameters["ParametersValidTo"]
        public_key = base64.b64decode(parameters["PublicKey"])
        self.wrapped = [base64.b64encode(wrap(public_key, OAEP_SHA_256, one)).decode() for one in MATERIALS]

    @rule(
        number=st.integers(0, len(MATERIALS) - 1),
        asked=st.sampled_from([None, "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"]),
        hours=st.sampled_from([None, 0.5, 2, 50]),
    )
    def import_material(self, number: int, asked: str | None, hours: float | None) -> None:
        is_new = asked == "NEW_KEY_MATERIAL" or (asked is None and not self.held)
        expected = None
        if self.state == "PendingDeletion":
            expected = INVALID_STATE
        elif self.now >= self.token_ends_at:
            expected = "ExpiredImportTokenException"
        elif is_new is (number in self.held):
            expected = "IncorrectKeyMaterialException"
        elif is_new and any(not one.current for one in self.held.values()):
            expected = INVALID_STATE
        members: dict[str, Any] = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        expires_at = None
        if hours is not None:
            expires_at = round(self.now + hours * HOUR_SECONDS, 3)
            members = {"ValidTo": expires_at}
        if asked is not None:
            members["ImportType"] = asked
        self.ask(
            "ImportKeyMaterial",
            expected,
            ImportToken=self.token,
            EncryptedKeyMaterial=self.wrapped[number],
            **members,
        )
        if expected is not None:
            return
        current = not self.held if is_new else self.held[number].current
        self.held[number] = Held(current, expires_at=expires_at)
        if self.state == "PendingImport" and not self.lacks():
            self.state = "Enabled"

    @precondition(lambda self: self.state != "PendingDeletion")
    @rule(new=st.booleans(), hours=st.sampled_from([None, 0.5, 2, 50]))
    def import_soundly(self, new: bool, hours: float | None) -> None:
        """What a caller with sense does: a fresh token, and first what is absent."""
        if self.now >= self.token_ends_at:
            self.fetch_parameters()
        free = [number for number in range(len(MATERIALS)) if number not in self.held]
        if not self.held or (new and free and all(one.current for one in self.held.values())):
            self.import_material(free[0], "NEW_KEY_MATERIAL", hours)
            return
        absent = [number for number, one in self.held.items() if not one.present]
        self.import_material((absent or list(self.held))[0], "EXISTING_KEY_MATERIAL", hours)

    def lose(self, number: int) -> None:
        if not self.held[number].current:
            del self.held[number]
            return
        self.held[number] = Held(current=True, present=False)
        if self.state in ("Enabled", "Disabled"):
            self.state = "PendingImport"

    @rule()
    def delete_current(self) -> None:
        self.ask("DeleteImportedKeyMaterial", None)
        for number in [number for number, one in self.held.items() if one.current and one.present]:
            self.lose(number)

    @rule()
    def delete_waiting(self) -> None:
        waiting = [number for number, one in self.held.items() if not one.current]
        stored = self.road.wait(self.road.store.find_key(self.region, self.key["KeyId"]))
        assert stored is not None
        ids = [one.material_id for one in stored.materials.values() if one.state == "PENDING_ROTATION"]
        assert len(ids) == len(waiting)
        for number, material_id in zip(waiting, ids, strict=True):
            self.ask("DeleteImportedKeyMaterial", None, KeyMaterialId=material_id)
            self.lose(number)

    @property
    def region(self) -> Any:
        return self.key["Arn"].split(":")[3]

    @rule(hours=st.sampled_from([0.2, 1, 13, 30]))
    def wait(self, hours: float) -> None:
        seconds = hours * HOUR_SECONDS
        if self.state == "PendingDeletion" and self.now + seconds > self.deletion_at - HOUR_SECONDS:
            return  # the end of a key is another file's
        self.road.clock.advance(seconds)

    @rule()
    def run_jobs(self) -> None:
        self.road.wait(self.road.jobs.run_due())
        for number, one in list(self.held.items()):
            if one.present and one.expires_at is not None and one.expires_at <= self.now:
                self.lose(number)

    @rule(operation=st.sampled_from(["EnableKey", "DisableKey"]))
    def enable_or_disable(self, operation: str) -> None:
        expected = self.refusal("PendingDeletion")
        self.ask(operation, expected)
        if expected is None:
            self.state = operation.removesuffix("Key") + "d"

    @precondition(lambda self: self.state == "PendingDeletion")
    @rule()
    def cancel_deletion(self) -> None:
        self.ask("CancelKeyDeletion", None)
        self.state = "PendingImport" if self.lacks() else "Disabled"

    @precondition(lambda self: self.state != "PendingDeletion")
    @rule()
    def schedule_deletion(self) -> None:
        answer = self.ask("ScheduleKeyDeletion", None, PendingWindowInDays=30)
        self.deletion_at = answer["DeletionDate"]
        self.state = "PendingDeletion"

    @rule()
    def encrypt(self) -> None:
        expected = self.refusal("Disabled", "PendingDeletion")
        answer = self.ask("Encrypt", expected, Plaintext=TEXT)
        if expected is None:
            self.blob = answer["CiphertextBlob"]

    @rule()
    def decrypt(self) -> None:
        if self.blob is None:
            return
        expected = self.refusal("Disabled", "PendingDeletion")
        answer = self.ask("Decrypt", expected, CiphertextBlob=self.blob)
        assert expected is not None or answer["Plaintext"] == TEXT

    @invariant()
    def state_is_the_models(self) -> None:
        metadata = self.ask("DescribeKey", None)["KeyMetadata"]
        assert metadata["KeyState"] == self.state
        current = [one for one in self.held.values() if one.current]
        assert ("CurrentKeyMaterialId" in metadata) is bool(current)
        shown = metadata.get("ValidTo")
        assert shown == (current[0].expires_at if current else None)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A road of this file's own: its clock runs away."""
    with Road(tmp_path_factory.mktemp("imported-key-life")) as road:
        yield road


def test_imported_key_life_any_sequence_of_steps_agrees_with_the_model(road: Road) -> None:
    examples = os.environ.get("IMPORTED_KEY_LIFE_EXAMPLES")
    profile = settings(
        max_examples=int(examples or EXAMPLES_IN_CI),
        stateful_step_count=STEPS,
        derandomize=examples is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def machine() -> ImportedKeyLife:
        return ImportedKeyLife(road)

    run_state_machine_as_test(cast("type[ImportedKeyLife]", machine), settings=profile)
