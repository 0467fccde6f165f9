"""The life of keys as Hypothesis lives it: any sequence of changes, judged by a model of a page.

In CI the same sequences every time, in some ten seconds. To search further:

    KEY_LIFE_EXAMPLES=2000 [KEY_LIFE_SEED=7] pytest tests/properties/test_key_life.py

prints the seed first; a failure prints the shortest sequence of steps that shows it.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import hypothesis
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
from tests.operations.road_requests import TEXT, alias_arn, key_arn
from tests.support.road import Road

EXAMPLES_IN_CI = 50
STEPS = 50
NAMES = [f"alias/{letter}" for letter in "abc"]
TAG_KEYS = ["one", "two", "aws:three"]
KEYS_MAX = 4
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600

# Each policy by what it takes away; all leave PutKeyPolicy, or nothing could be tried any more.
POLICIES: dict[str, frozenset[str]] = {
    "open": frozenset(),
    "no use": frozenset({"Encrypt", "Decrypt"}),
    "no state": frozenset({"EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion"}),
    "no names": frozenset({"TagResource", "UntagResource", "CreateAlias", "UpdateAlias", "DeleteAlias"}),
}

_accounts = itertools.count(1)


@dataclass
class ModelKey:
    """What the model knows of one key."""

    key_id: str
    state: str = "Enabled"
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    policy: str = "open"
    deletion_at: float | None = None
    destroyed: bool = False


@dataclass
class Sealed:
    """A blob, and what opens it."""

    blob: str
    key: ModelKey
    context: dict[str, str]


class KeyLife(RuleBasedStateMachine):
    """Every step asks the road and the model; they must agree. An account of its own for each sequence."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self.road = road
        self.account = f"{next(_accounts):012}"
        self.keys: list[ModelKey] = []
        self.aliases: dict[str, ModelKey] = {}
        self.blobs: list[Sealed] = []

    # ------------------------------------------------------------ asking both

    def ask(self, operation: str, expected: str | None, **members: Any) -> Any:
        """The answer of the road, whose error must be `expected`."""
        answer = self.road.send(operation, json.dumps(members).encode(), account=self.account)
        assert answer.status in (200, 400), f"{operation} failed: {answer}"
        content = json.loads(answer.body) if answer.body else {}
        code = None if answer.status == 200 else content["__type"]
        assert code == expected, f"{operation}: {content}, expected {expected}"
        return content if code is None else None

    def refusal_for(self, key: ModelKey, operation: str, *refusing_states: str) -> str | None:
        """The error of an operation on a key: existence, then policy, then state."""
        if key.destroyed:
            return "NotFoundException"
        if operation in POLICIES[key.policy]:
            return "AccessDeniedException"
        if key.state in refusing_states:
            return "DisabledException" if key.state == "Disabled" else "KMSInvalidStateException"
        return None

    def change(
        self, key: ModelKey, operation: str, apply: Callable[[], None], *refusing: str, **members: Any
    ) -> Any:
        """Ask for a change; the model follows when it is made."""
        expected = self.refusal_for(key, operation, *refusing)
        answer = self.ask(operation, expected, KeyId=key.key_id, **members)
        if expected is None:
            apply()
        return answer

    def pick(self, number: int) -> ModelKey:
        return self.keys[number % len(self.keys)]

    # ------------------------------------------------------------ keys

    @initialize()
    def begin(self) -> None:
        self.create_key("", {})

    @precondition(lambda self: len(self.keys) < KEYS_MAX)
    @rule(
        description=st.sampled_from(["", "x", "ß\0🔑"]),
        tags=st.dictionaries(st.sampled_from(TAG_KEYS), st.sampled_from(["", "1"]), max_size=2),
    )
    def create_key(self, description: str, tags: dict[str, str]) -> None:
        expected = "TagException" if "aws:three" in tags else None
        answer = self.ask("CreateKey", expected, Description=description, Tags=render_tags(tags))
        if expected is None:
            key_id = answer["KeyMetadata"]["KeyId"]
            assert key_id not in {key.key_id for key in self.keys}
            self.keys.append(ModelKey(key_id, description=description, tags=tags))

    @rule(number=st.integers(0, 3), operation=st.sampled_from(["EnableKey", "DisableKey"]))
    def enable_or_disable(self, number: int, operation: str) -> None:
        key = self.pick(number)

        def apply() -> None:
            key.state = "Enabled" if operation == "EnableKey" else "Disabled"

        self.change(key, operation, apply, "PendingDeletion")

    @rule(number=st.integers(0, 3), days=st.sampled_from([6, 7, 8, 30, 31]))
    def schedule_key_deletion(self, number: int, days: int) -> None:
        key = self.pick(number)
        if not 7 <= days <= 30:
            self.ask("ScheduleKeyDeletion", "ValidationException", KeyId=key.key_id, PendingWindowInDays=days)
            return

        def apply() -> None:
            key.state = "PendingDeletion"

        answer = self.change(key, "ScheduleKeyDeletion", apply, "PendingDeletion", PendingWindowInDays=days)
        if answer is not None:
            key.deletion_at = answer["DeletionDate"]
            window = answer["DeletionDate"] - self.road.clock.epoch_seconds()
            assert abs(window - days * DAY_SECONDS) < HOUR_SECONDS / 2

    @rule(number=st.integers(0, 3))
    def cancel_key_deletion(self, number: int) -> None:
        key = self.pick(number)
        expected = self.refusal_for(key, "CancelKeyDeletion")
        if expected is None and key.state != "PendingDeletion":
            expected = "KMSInvalidStateException"
        self.ask("CancelKeyDeletion", expected, KeyId=key.key_id)
        if expected is None:
            key.state, key.deletion_at = "Disabled", None

    @rule(number=st.integers(0, 3), description=st.sampled_from(["", "new", "d" * 8192]))
    def update_key_description(self, number: int, description: str) -> None:
        key = self.pick(number)

        def apply() -> None:
            key.description = description

        self.change(key, "UpdateKeyDescription", apply, "PendingDeletion", Description=description)

    @rule(number=st.integers(0, 3), policy=st.sampled_from(sorted(POLICIES)))
    def put_key_policy(self, number: int, policy: str) -> None:
        key = self.pick(number)

        def apply() -> None:
            key.policy = policy

        self.change(key, "PutKeyPolicy", apply, Policy=self.render_policy(policy))

    def render_policy(self, name: str) -> str:
        allow = {"Effect": "Allow", "Principal": {"AWS": self.account}, "Action": "kms:*", "Resource": "*"}
        taken = sorted(f"kms:{operation}" for operation in POLICIES[name])
        deny = {"Effect": "Deny", "Principal": "*", "Action": taken, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [allow, deny] if taken else [allow]})

    # ------------------------------------------------------------ tags

    @rule(
        number=st.integers(0, 3),
        tags=st.dictionaries(st.sampled_from(TAG_KEYS), st.sampled_from(["", "1", "2"]), max_size=3),
    )
    def tag_resource(self, number: int, tags: dict[str, str]) -> None:
        key = self.pick(number)
        expected = self.refusal_for(key, "TagResource", "PendingDeletion")
        if expected is None and "aws:three" in tags:
            expected = "TagException"
        self.ask("TagResource", expected, KeyId=key.key_id, Tags=render_tags(tags))
        if expected is None:
            key.tags |= tags

    @rule(number=st.integers(0, 3), tag_key=st.sampled_from(TAG_KEYS))
    def untag_resource(self, number: int, tag_key: str) -> None:
        key = self.pick(number)
        expected = self.refusal_for(key, "UntagResource", "PendingDeletion")
        if expected is None and tag_key == "aws:three":
            expected = "TagException"
        self.ask("UntagResource", expected, KeyId=key.key_id, TagKeys=[tag_key])
        if expected is None:
            key.tags.pop(tag_key, None)

    # ------------------------------------------------------------ aliases

    @rule(number=st.integers(0, 3), name=st.sampled_from(NAMES))
    def create_alias(self, number: int, name: str) -> None:
        key = self.pick(number)
        expected = self.refusal_for(key, "CreateAlias", "PendingDeletion")
        if expected is None and name in self.aliases:
            expected = "AlreadyExistsException"
        self.ask("CreateAlias", expected, AliasName=name, TargetKeyId=key.key_id)
        if expected is None:
            self.aliases[name] = key

    @rule(number=st.integers(0, 3), name=st.sampled_from(NAMES))
    def update_alias(self, number: int, name: str) -> None:
        key, current = self.pick(number), self.aliases.get(name)
        if current is None or key.destroyed:
            expected: str | None = "NotFoundException"
        else:
            expected = self.refusal_for(current, "UpdateAlias")
            expected = expected or self.refusal_for(key, "UpdateAlias", "PendingDeletion")
        self.ask("UpdateAlias", expected, AliasName=name, TargetKeyId=key.key_id)
        if expected is None:
            self.aliases[name] = key

    @rule(name=st.sampled_from(NAMES))
    def delete_alias(self, name: str) -> None:
        current = self.aliases.get(name)
        expected = "NotFoundException" if current is None else self.refusal_for(current, "DeleteAlias")
        self.ask("DeleteAlias", expected, AliasName=name)
        if expected is None:
            del self.aliases[name]

    # ------------------------------------------------------------ use

    @rule(number=st.integers(0, 3), context=st.sampled_from([{}, {"a": "b"}]))
    def encrypt(self, number: int, context: dict[str, str]) -> None:
        self.encrypt_with(self.pick(number), self.pick(number).key_id, context)

    @precondition(lambda self: self.aliases)
    @rule(name=st.sampled_from(NAMES), whole=st.booleans())
    def encrypt_by_alias(self, name: str, whole: bool) -> None:
        spelled = alias_arn(name, account=self.account) if whole else name
        key = self.aliases.get(name)
        if key is None:
            self.ask("Encrypt", "NotFoundException", KeyId=spelled, Plaintext=TEXT)
        else:
            self.encrypt_with(key, spelled, {})

    def encrypt_with(self, key: ModelKey, spelled: str, context: dict[str, str]) -> None:
        expected = self.refusal_for(key, "Encrypt", "Disabled", "PendingDeletion")
        answer = self.ask("Encrypt", expected, KeyId=spelled, Plaintext=TEXT, EncryptionContext=context)
        if answer is not None:
            assert answer["KeyId"] == key_arn(key.key_id, account=self.account)
            self.blobs.append(Sealed(answer["CiphertextBlob"], key, context))

    @precondition(lambda self: self.blobs)
    @rule(number=st.integers(0, 50), context=st.sampled_from([{}, {"a": "b"}]), name_key=st.booleans())
    def decrypt(self, number: int, context: dict[str, str], name_key: bool) -> None:
        sealed = self.blobs[number % len(self.blobs)]
        expected = self.refusal_for(sealed.key, "Decrypt", "Disabled", "PendingDeletion")
        if expected == "NotFoundException" and not name_key:
            expected = "AccessDeniedException"  # a caller learns nothing of a key that it did not name
        if expected is None and context != sealed.context:
            expected = "InvalidCiphertextException"
        named = {"KeyId": sealed.key.key_id} if name_key else {}
        answer = self.ask("Decrypt", expected, CiphertextBlob=sealed.blob, EncryptionContext=context, **named)
        assert answer is None or answer["Plaintext"] == TEXT

    # ------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([HOUR_SECONDS, DAY_SECONDS, 6 * DAY_SECONDS, 8 * DAY_SECONDS]))
    def time_passes(self, seconds: int) -> None:
        self.road.clock.advance(seconds)
        self.road.wait(self.road.jobs.run_due())
        now = self.road.clock.epoch_seconds()
        for key in self.keys:
            if key.deletion_at is not None and key.deletion_at <= now:
                key.destroyed, key.deletion_at = True, None
        self.aliases = {name: key for name, key in self.aliases.items() if not key.destroyed}

    # ------------------------------------------------------------ what must be true after every step

    @invariant()
    def every_key_is_as_the_model_says(self) -> None:
        for key in self.keys:
            expected = "NotFoundException" if key.destroyed else None
            answer = self.ask("DescribeKey", expected, KeyId=key.key_id)
            if answer is None:
                continue
            metadata = answer["KeyMetadata"]
            assert metadata["KeyState"] == key.state
            assert metadata["Enabled"] is (key.state == "Enabled")
            assert metadata["Description"] == key.description
            assert metadata.get("DeletionDate") == key.deletion_at
            tags = self.ask("ListResourceTags", None, KeyId=key.key_id)["Tags"]
            assert {tag["TagKey"]: tag["TagValue"] for tag in tags} == key.tags

    @invariant()
    def every_listing_is_as_the_model_says(self) -> None:
        listed = [key["KeyId"] for key in self.ask("ListKeys", None)["Keys"]]
        assert listed == sorted(key.key_id for key in self.keys if not key.destroyed)
        aliases = self.ask("ListAliases", None)["Aliases"]
        assert {alias["AliasName"]: alias["TargetKeyId"] for alias in aliases} == {
            name: key.key_id for name, key in self.aliases.items()
        }


def render_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


@pytest.fixture
def road(tmp_path: Path) -> Any:
    with Road(tmp_path) as road:
        yield road


def test_key_life_any_sequence_of_changes_agrees_with_the_model(road: Road) -> None:
    examples = os.environ.get("KEY_LIFE_EXAMPLES")
    profile = settings(
        max_examples=int(examples or EXAMPLES_IN_CI),
        stateful_step_count=STEPS,
        derandomize=examples is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def machine() -> KeyLife:
        return KeyLife(road)

    if examples is not None:
        seed = int(os.environ.get("KEY_LIFE_SEED") or random.randrange(2**32))
        print(f"KEY_LIFE_SEED={seed}")  # noqa: T201
        hypothesis.seed(seed)(machine)
    run_state_machine_as_test(cast("type[KeyLife]", machine), settings=profile)
