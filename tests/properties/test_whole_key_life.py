"""Every operation that changes something, in one machine: keys of each origin, in two Regions, with their
aliases, tags, policies, grants, rotations, imported material and key stores.

The four machines beside this one know to the letter what each step answers. Here the model knows less of each
operation and sees all of them together:

- never a 5xx, and no error that AWS's service model does not list for the operation;
- what was refused has changed nothing that can be seen of any key;
- what was done shows, and nothing else of any other key has changed;
- a key's state and what it lets be done agree, and every blob opens that its key may open.

    WHOLE_KEY_LIFE_EXAMPLES=250 pytest tests/properties/test_whole_key_life.py      10,000 steps
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import botocore.session
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
from tests.support.key_imports import OAEP_SHA_256, wrap
from tests.support.key_store_double import KeyStoreDouble
from tests.support.road import Road

from strongroom.aws.generated.enums import CustomKeyStoreType

EXAMPLES_IN_CI = 10
NEVER_DONE_IN_CI_MAX = 10
"""So few sequences miss some operations."""
STEPS = 40
KEYS_MAX = 4
HOME, AWAY = "eu-central-1", "us-east-1"
DAY_SECONDS = 86_400
MATERIAL = [bytes([number]) * 32 for number in range(2)]
ALIASES = ["alias/a", "alias/b"]
KINDS: dict[str, dict[str, Any]] = {
    "symmetric": {},
    "imported": {"Origin": "EXTERNAL"},
    "multi-Region": {"MultiRegion": True},
    "multi-Region imported": {"MultiRegion": True, "Origin": "EXTERNAL"},
    "signing": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    "MAC": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
}
USABLE = "Enabled"
COMMON_ERRORS = {"AccessDeniedException", "ValidationException", "LimitExceededException"}
"""Which AWS's model does not list by operation, or not for each."""

_accounts = itertools.count(500_000)
_clusters = itertools.count()
any_place = st.integers(0, 23)
"""0 and 1: a key in the other Region, there or not. The rest: where some key is."""
any_region = st.sampled_from([HOME, AWAY])


@dataclass
class Life:
    """A key as the machine made it."""

    key_id: str
    kind: str
    blobs: list[str] = field(default_factory=list)
    token: tuple[str, bytes] | None = None
    """Import token and wrapping public key."""


def _errors_by_operation() -> dict[str, set[str]]:
    model = botocore.session.get_session().get_service_model("kms")
    return {
        name: {shape.name for shape in model.operation_model(name).error_shapes}
        for name in model.operation_names
    }


ERRORS = _errors_by_operation()


class WholeKeyLife(RuleBasedStateMachine):
    """Concurrency: none; an account of its own for each sequence."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self.road = road
        self.account = f"{next(_accounts):012}"
        self.lives: list[Life] = []
        self.grants: list[tuple[str, str, str]] = []
        self.seen: dict[str, Any] = {}
        self.stores: list[str] = []
        self.done: set[str] = set()
        self.asked: Counter[str] = Counter()

    def ask(self, operation: str, region: str = HOME, **members: Any) -> tuple[str | None, Any]:
        """The error's name or None, and the answer. Never a 5xx, never an error AWS does not list."""
        answer = self.road.send(operation, json.dumps(members).encode(), account=self.account, region=region)
        self.road.audit.records.clear()  # of a long run they would fill the memory
        assert answer.status in (200, 400), f"{operation} failed: {answer}"
        content = json.loads(answer.body) if answer.body else {}
        if answer.status == 200:
            return None, content
        code = content["__type"]
        assert code in ERRORS[operation] | COMMON_ERRORS, f"{operation}: {content}"
        return code, content

    def change(
        self, touched: list[str] | None, operation: str, region: str = HOME, **members: Any
    ) -> tuple[str | None, Any]:
        """Ask for a change. Refused: nothing changed. Done: of no other key than `touched` has anything.

        `touched` are key ids in any Region; None: that is not said.
        """
        before = self.seen
        self.asked[operation] += 1
        error, content = self.ask(operation, region, **members)
        self.run_prompt_jobs()
        self.seen = self.look()
        if error is not None:
            assert self.seen == before, f"{operation} was refused with {error}, and changed something"
            return error, content
        self.done.add(operation)
        if touched is not None:
            for place, found in before.items():
                if place.split("/")[1] not in touched:
                    assert self.seen.get(place) == found, f"{operation} changed {place}"
        return error, content

    def run_prompt_jobs(self) -> None:
        self.road.wait(self.road.jobs.run_due())

    def look(self) -> dict[str, Any]:
        """All that can be seen of every key, by Region and key id."""
        found: dict[str, Any] = {}
        for region in (HOME, AWAY):
            aliases = self.ask("ListAliases", region)[1]["Aliases"]
            for listed in self.ask("ListKeys", region)[1]["Keys"]:
                key_id = listed["KeyId"]
                _, described = self.ask("DescribeKey", region, KeyId=key_id)
                _, policy = self.ask("GetKeyPolicy", region, KeyId=key_id)
                _, tags = self.ask("ListResourceTags", region, KeyId=key_id)
                _, grants = self.ask("ListGrants", region, KeyId=key_id)
                rotation = self.ask("GetKeyRotationStatus", region, KeyId=key_id)
                materials = self.ask("ListKeyRotations", region, KeyId=key_id)
                found[f"{region}/{key_id}"] = {
                    "metadata": described["KeyMetadata"],
                    "policy": policy["Policy"],
                    "tags": sorted((tag["TagKey"], tag["TagValue"]) for tag in tags["Tags"]),
                    "grants": sorted(grant["GrantId"] for grant in grants["Grants"]),
                    "rotation": rotation,
                    "materials": materials,
                    "aliases": sorted(
                        one["AliasName"] for one in aliases if one.get("TargetKeyId") == key_id
                    ),
                }
        return found

    def pick(self, where: int) -> tuple[Life, str]:
        # In an order that is the same whatever ids the keys have.
        places = [
            (life, region)
            for life in self.lives
            for region in (HOME, AWAY)
            if f"{region}/{life.key_id}" in self.seen
        ]
        if where < 2 or not places:
            return self.lives[where % len(self.lives)], AWAY
        return places[where % len(places)]

    def state(self, life: Life, region: str = HOME) -> str | None:
        found = self.seen.get(f"{region}/{life.key_id}")
        return None if found is None else found["metadata"]["KeyState"]

    # ------------------------------------------------------------ keys

    @initialize(kinds=st.permutations(sorted(KINDS)))
    def begin(self, kinds: list[str]) -> None:
        for kind in kinds[:3]:
            self.create_key(kind)
            if kind.startswith("multi-Region"):
                self.change(None, "ReplicateKey", KeyId=self.lives[-1].key_id, ReplicaRegion=AWAY)

    @precondition(lambda self: len(self.lives) < KEYS_MAX)
    @rule(kind=st.sampled_from(sorted(KINDS)))
    def create_key(self, kind: str) -> None:
        error, answer = self.change([], "CreateKey", **KINDS[kind])
        assert error is None, answer
        self.lives.append(Life(answer["KeyMetadata"]["KeyId"], kind))

    @rule(where=any_place, operation=st.sampled_from(["EnableKey", "DisableKey"]))
    def enable_or_disable(self, where: int, operation: str) -> None:
        life, region = self.pick(where)
        before = self.state(life, region)
        error, _ = self.change([life.key_id], operation, region, KeyId=life.key_id)
        assert (error is None) is (before in ("Enabled", "Disabled")), (operation, before, error)
        if error is None:
            assert self.state(life, region) == operation.removesuffix("Key") + "d"

    @rule(where=any_place)
    def schedule_key_deletion(self, where: int) -> None:
        life, region = self.pick(where)
        before = self.state(life, region)
        error, _ = self.change(
            [life.key_id], "ScheduleKeyDeletion", region, KeyId=life.key_id, PendingWindowInDays=7
        )
        may = before in ("Enabled", "Disabled", "PendingImport", "Unavailable")
        assert (error is None) is may, (before, error)
        if error is None:
            assert self.state(life, region) in ("PendingDeletion", "PendingReplicaDeletion")

    @rule(where=any_place)
    def cancel_key_deletion(self, where: int) -> None:
        life, region = self.pick(where)
        before = self.state(life, region)
        error, _ = self.change([life.key_id], "CancelKeyDeletion", region, KeyId=life.key_id)
        assert (error is None) is (before in ("PendingDeletion", "PendingReplicaDeletion")), (before, error)
        if error is None:
            assert self.state(life, region) in ("Disabled", "PendingImport")

    @rule(where=any_place, text=st.sampled_from(["", "words"]))
    def update_key_description(self, where: int, text: str) -> None:
        life, region = self.pick(where)
        error, _ = self.change(
            [life.key_id], "UpdateKeyDescription", region, KeyId=life.key_id, Description=text
        )
        if error is None:
            assert self.seen[f"{region}/{life.key_id}"]["metadata"]["Description"] == text

    @rule(where=any_place, denied=st.booleans())
    def put_key_policy(self, where: int, denied: bool) -> None:
        statements = [{"Effect": "Allow", "Principal": {"AWS": self.account}, "Action": "kms:*"}]
        if denied:
            statements.append({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "kms:TagResource"})
        document = {"Version": "2012-10-17", "Statement": [{**one, "Resource": "*"} for one in statements]}
        life, region = self.pick(where)
        policy = json.dumps(document)
        error, _ = self.change([life.key_id], "PutKeyPolicy", region, KeyId=life.key_id, Policy=policy)
        assert (error is None) is (self.state(life, region) is not None)

    @rule(where=any_place, tag=st.sampled_from("xy"), put=st.booleans())
    def tag_or_untag(self, where: int, tag: str, put: bool) -> None:
        life, region = self.pick(where)
        if put:
            what = {"Tags": [{"TagKey": tag, "TagValue": "1"}]}
            error, _ = self.change([life.key_id], "TagResource", region, KeyId=life.key_id, **what)
        else:
            error, _ = self.change([life.key_id], "UntagResource", region, KeyId=life.key_id, TagKeys=[tag])
        if error is None:
            assert ((tag, "1") in self.seen[f"{region}/{life.key_id}"]["tags"]) is put

    @rule(
        where=any_place,
        name=st.sampled_from(ALIASES),
        operation=st.sampled_from(["CreateAlias", "UpdateAlias"]),
    )
    def name_key(self, where: int, name: str, operation: str) -> None:
        life, region = self.pick(where)
        had = [place.split("/")[1] for place, one in self.seen.items() if name in one["aliases"]]
        touched = [life.key_id, *had]
        error, _ = self.change(touched, operation, region, AliasName=name, TargetKeyId=life.key_id)
        if error is None:
            assert name in self.seen[f"{region}/{life.key_id}"]["aliases"]

    @rule(region=any_region, name=st.sampled_from(ALIASES))
    def delete_alias(self, region: str, name: str) -> None:
        had = [
            place
            for place, one in self.seen.items()
            if name in one["aliases"] and place.startswith(f"{region}/")
        ]
        error, _ = self.change([place.split("/")[1] for place in had], "DeleteAlias", region, AliasName=name)
        assert error in ((None,) if had else ("NotFoundException",))

    @rule(where=any_place, name=st.sampled_from([None, "same"]))
    def create_grant(self, where: int, name: str | None) -> None:
        life, region = self.pick(where)
        root = f"arn:aws:iam::{self.account}:root"
        members: dict[str, Any] = {"GranteePrincipal": root, "Operations": ["DescribeKey"]}
        if name is not None:
            members["Name"] = name
        error, made = self.change([life.key_id], "CreateGrant", region, KeyId=life.key_id, **members)
        if error is None:
            self.grants.append((region, life.key_id, made["GrantId"]))

    @precondition(lambda self: self.grants)
    @rule(number=st.integers(0, 50), operation=st.sampled_from(["RetireGrant", "RevokeGrant"]))
    def end_grant(self, number: int, operation: str) -> None:
        region, key_id, grant_id = self.grants[number % len(self.grants)]
        key = key_id
        if operation == "RetireGrant":
            key = f"arn:aws:kms:{region}:{self.account}:key/{key_id}"
        error, _ = self.change([key_id], operation, region, KeyId=key, GrantId=grant_id)
        if error is None:
            assert grant_id not in self.seen[f"{region}/{key_id}"]["grants"]

    @rule(
        where=any_place,
        operation=st.sampled_from(["EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"]),
    )
    def rotate(self, where: int, operation: str) -> None:
        life, region = self.pick(where)
        error, _ = self.change([life.key_id], operation, region, KeyId=life.key_id)
        if error is None:
            assert life.kind not in ("signing", "MAC")
            assert self.state(life, region) in ("Enabled",)

    @rule(where=any_place)
    def get_parameters_for_import(self, where: int) -> None:
        life, region = self.pick(where)
        wrapping = {"WrappingAlgorithm": OAEP_SHA_256, "WrappingKeySpec": "RSA_2048"}
        error, made = self.change([], "GetParametersForImport", region, KeyId=life.key_id, **wrapping)
        if error is None:
            assert "imported" in life.kind
            life.token = made["ImportToken"], base64.b64decode(made["PublicKey"])

    @precondition(lambda self: any("imported" in life.kind for life in self.lives))
    @rule(where=any_place, material=st.sampled_from(MATERIAL), new=st.sampled_from([None, None, True, False]))
    def import_key_material(self, where: int, material: bytes, new: bool | None) -> None:
        """With the import token that is there, perhaps too old by now, or a fresh one."""
        life, region = self.pick(where)
        if life.token is None:
            self.get_parameters_for_import(where)
        if life.token is None:
            return
        token, public_key = life.token
        members = {
            "ImportToken": token,
            "EncryptedKeyMaterial": base64.b64encode(wrap(public_key, OAEP_SHA_256, material)).decode(),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
        if new is not None:
            members["ImportType"] = "NEW_KEY_MATERIAL" if new else "EXISTING_KEY_MATERIAL"
        error, _ = self.change([life.key_id], "ImportKeyMaterial", region, KeyId=life.key_id, **members)
        if error == "ExpiredImportTokenException":
            life.token = None

    @rule(where=any_place)
    def delete_imported_key_material(self, where: int) -> None:
        life, region = self.pick(where)
        error, _ = self.change([life.key_id], "DeleteImportedKeyMaterial", region, KeyId=life.key_id)
        if error is None:
            assert "imported" in life.kind

    @rule(where=any_place, to=any_region)
    def replicate_key(self, where: int, to: str) -> None:
        life, at = self.pick(where)
        error, _ = self.change([life.key_id], "ReplicateKey", at, KeyId=life.key_id, ReplicaRegion=to)
        if error is None:
            assert life.kind.startswith("multi-Region")
            assert at != to
            assert self.state(life, to) in ("Enabled", "PendingImport")

    @rule(where=any_place, to=any_region)
    def update_primary_region(self, where: int, to: str) -> None:
        life, at = self.pick(where)
        error, _ = self.change([life.key_id], "UpdatePrimaryRegion", at, KeyId=life.key_id, PrimaryRegion=to)
        if error is None:
            roles = self.seen[f"{at}/{life.key_id}"]["metadata"]["MultiRegionConfiguration"]
            assert roles["PrimaryKey"]["Region"] == to

    @rule(connect=st.sampled_from(["ConnectCustomKeyStore", "DisconnectCustomKeyStore"]), make=st.booleans())
    def custom_key_store(self, connect: str, make: bool) -> None:
        if make or not self.stores:
            error, made = self.change([], "CreateCustomKeyStore", **self.store_members())
            if error is None:
                self.stores.append(made["CustomKeyStoreId"])
            return
        stored = [life.key_id for life in self.lives if life.kind == "stored"]  # available or not
        self.change(stored, connect, CustomKeyStoreId=self.stores[-1])

    @precondition(lambda self: self.stores)
    @rule(operation=st.sampled_from(["UpdateCustomKeyStore", "DeleteCustomKeyStore", "CreateKey"]))
    def use_custom_key_store(self, operation: str) -> None:
        store_id = self.stores[-1]
        if operation == "CreateKey":
            if len(self.lives) >= KEYS_MAX:
                return
            members = {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store_id}
            error, made = self.change([], "CreateKey", **members)
            if error is None:
                self.lives.append(Life(made["KeyMetadata"]["KeyId"], "stored"))
            return
        members = {"CustomKeyStoreId": store_id}
        if operation == "UpdateCustomKeyStore":
            members["NewCustomKeyStoreName"] = "renamed"
        error, _ = self.change(None, operation, **members)
        if error is None and operation == "DeleteCustomKeyStore":
            self.stores.pop()

    def store_members(self) -> dict[str, Any]:
        number = "".join("abcdefghij"[int(digit)] for digit in f"{self.account}{next(_clusters)}")[-16:]
        return {
            "CustomKeyStoreName": number,
            "CloudHsmClusterId": f"cluster-{number:a>16}",
            "TrustAnchorCertificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "KeyStorePassword": "password1",
        }

    @rule(where=any_place)
    def encrypt(self, where: int) -> None:
        life, region = self.pick(where)
        error, answer = self.ask("Encrypt", region, KeyId=life.key_id, Plaintext=TEXT)
        if error is None:
            assert self.state(life, region) == USABLE
            life.blobs.append(answer["CiphertextBlob"])
        elif life.kind in ("symmetric", "multi-Region"):
            assert self.state(life, region) != USABLE, error

    @rule(where=any_place)
    def decrypt(self, where: int) -> None:
        life, region = self.pick(where)
        for blob in life.blobs[-3:]:
            error, answer = self.ask("Decrypt", region, KeyId=life.key_id, CiphertextBlob=blob)
            if error is None:
                assert answer["Plaintext"] == TEXT
            elif life.kind in ("symmetric", "multi-Region"):
                assert self.state(life, region) != USABLE, error

    @rule(days=st.sampled_from([1, 1, 1, 8, 400]))
    def time_passes(self, days: int) -> None:
        self.road.clock.advance(days * DAY_SECONDS)
        self.run_prompt_jobs()
        self.seen = self.look()

    # ------------------------------------------------------------ what must be true after every step

    @invariant()
    def what_is_seen_agrees_with_itself(self) -> None:
        for place, one in self.seen.items():
            metadata = one["metadata"]
            assert metadata["Arn"].split(":")[3] == place.split("/")[0]
            assert metadata["Enabled"] is (metadata["KeyState"] == "Enabled")
            assert ("DeletionDate" in metadata) is (metadata["KeyState"] == "PendingDeletion")
            assert metadata["KeyId"] in {life.key_id for life in self.lives}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    with Road(tmp_path, key_stores={CustomKeyStoreType.AWS_CLOUDHSM: KeyStoreDouble()}) as road:
        yield road


def test_whole_key_life_any_sequence_of_all_changes_holds_together(road: Road) -> None:
    examples = os.environ.get("WHOLE_KEY_LIFE_EXAMPLES")
    done: set[str] = set()
    asked: Counter[str] = Counter()
    profile = settings(
        max_examples=int(examples or EXAMPLES_IN_CI),
        stateful_step_count=STEPS,
        derandomize=examples is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def machine() -> WholeKeyLife:
        made = WholeKeyLife(road)
        made.done, made.asked = done, asked
        return made

    run_state_machine_as_test(cast("type[WholeKeyLife]", machine), settings=profile)
    if examples:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(asked.items()))
        sys.stdout.write(f"\n{asked.total()} requests for a change, {len(asked)} operations: {counts}\n")
    # A machine whose steps are always refused would find nothing.
    never_done = CHANGES - done
    assert len(never_done) <= (0 if examples else NEVER_DONE_IN_CI_MAX), sorted(never_done)


# fmt: off
CHANGES = {
    "CancelKeyDeletion", "ConnectCustomKeyStore", "CreateAlias", "CreateCustomKeyStore", "CreateGrant",
    "CreateKey", "DeleteAlias", "DeleteImportedKeyMaterial", "DisableKey", "DisableKeyRotation",
    "DisconnectCustomKeyStore", "EnableKey", "EnableKeyRotation", "GetParametersForImport",
    "ImportKeyMaterial", "PutKeyPolicy", "ReplicateKey", "RetireGrant", "RevokeGrant", "RotateKeyOnDemand",
    "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias", "UpdateKeyDescription",
    "UpdatePrimaryRegion",
}
# fmt: on
