"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations, RotateKeyOnDemand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    denied,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.operations.rotation_requests import (
    DAY_SECONDS,
    changed,
    current_material,
    rotate,
    rotations,
    run_due,
    status,
    stored,
    with_material,
)
from tests.support.road import Road

from strongroom.aws.generated.enums import (
    KeyManagerType,
    KeyMaterialState,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
)
from strongroom.operations.rules import Rules
from strongroom.resources.identifiers import KeyArn, Region
from strongroom.resources.rotation_schedule import ON_DEMAND_ROTATIONS_MAX

UNSUPPORTED = ("UnsupportedOperationException", None)
NEAR = (
    "ConflictException",
    "The request was rejected because an automatic rotation of this key is currently in progress or "
    "scheduled to begin within the next 20 minutes.",
)
CHANGES = ["EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"]


def origin_refused(key: dict[str, Any], origin: str) -> tuple[str, str]:
    """Recorded on AWS: ansible-collections/community.aws#311, LocalStack's snapshot."""
    return (
        "UnsupportedOperationException",
        f"{key['Arn']} origin is {origin} which is not valid for this operation.",
    )


@pytest.fixture(scope="module")
def still_road(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A road with AWS's own default: new keys do not rotate."""
    with Road(tmp_path_factory.mktemp("still"), Rules(rotate_new_keys=False)) as road:
        yield road


# ---------------------------------------------------------------- schedule and status


def test_new_key_rotates_every_year_unless_the_operator_wants_aws_default(
    road: Road, still_road: Road
) -> None:
    key = road.create_key()
    answer = status(road, key)
    assert answer == {
        "KeyRotationEnabled": True,
        "KeyId": key["Arn"],
        "RotationPeriodInDays": 365,
        "NextRotationDate": pytest.approx(key["CreationDate"] + 365 * DAY_SECONDS, abs=1),
    }
    key = still_road.create_key()
    assert status(still_road, key) == {"KeyRotationEnabled": False, "KeyId": key["Arn"]}


@pytest.mark.parametrize("period_days", [90, 180, 2560])
def test_enable_key_rotation_sets_period_and_next_date(still_road: Road, period_days: int) -> None:
    """Members as recorded on AWS (LocalStack, test_key_enable_rotation_status)."""
    key = still_road.create_key()
    assert still_road.send(
        "EnableKeyRotation", f'{{"KeyId":"{key["Arn"]}","RotationPeriodInDays":{period_days}}}'.encode()
    ).body in (b"", b"{}")
    answer = status(still_road, key)
    assert answer.keys() == {"KeyId", "KeyRotationEnabled", "NextRotationDate", "RotationPeriodInDays"}
    assert (answer["KeyRotationEnabled"], answer["RotationPeriodInDays"]) == (True, period_days)
    until = answer["NextRotationDate"] - still_road.clock.epoch_seconds()
    assert until == pytest.approx(period_days * DAY_SECONDS, abs=5)


def test_enable_key_rotation_of_a_rotating_key_changes_its_period(own_road: Road) -> None:
    key = own_road.create_key()
    before = status(own_road, key)
    own_road.clock.advance(100 * DAY_SECONDS)
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"])
    assert status(own_road, key) == before  # it has that period already
    version = stored(own_road, key).version
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"], RotationPeriodInDays=180)
    after = status(own_road, key)
    assert after["RotationPeriodInDays"] == 180
    until = after["NextRotationDate"] - own_road.clock.epoch_seconds()
    assert until == pytest.approx(180 * DAY_SECONDS, abs=5)
    assert stored(own_road, key).version == version + 1
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"])  # "If no value is specified ... 365 days"
    assert status(own_road, key)["RotationPeriodInDays"] == 365


def test_disable_key_rotation_ends_the_schedule_and_enabling_begins_a_new_one(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("DisableKeyRotation", KeyId=key["KeyId"])
    assert status(own_road, key) == {"KeyRotationEnabled": False, "KeyId": key["Arn"]}
    own_road.call("DisableKeyRotation", KeyId=key["KeyId"])
    own_road.clock.advance(300 * DAY_SECONDS)
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"])
    until = status(own_road, key)["NextRotationDate"] - own_road.clock.epoch_seconds()
    assert until == pytest.approx(365 * DAY_SECONDS, abs=5)


@pytest.mark.parametrize("days", [89, 2561, 0, -1])
def test_enable_key_rotation_with_a_period_out_of_range_is_refused(road: Road, days: int) -> None:
    rule = "greater than or equal to 90" if days < 90 else "less than or equal to 2560"
    assert refused(road, "EnableKeyRotation", KeyId=ABSENT_KEY_ID, RotationPeriodInDays=days) == invalid(
        "rotationPeriodInDays", f"Member must have value {rule}", f" '{days}'"
    )


def test_status_while_pending_deletion_is_false_and_comes_back(road: Road) -> None:
    """Source: GetKeyRotationStatus API reference, "Pending deletion"."""
    key = road.create_key()
    before = status(road, key)
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    assert status(road, key) == {"KeyRotationEnabled": False, "KeyId": key["Arn"]}
    road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    assert status(road, key) == before
    road.call("EnableKey", KeyId=key["KeyId"])
    assert status(road, key) == before


def test_status_of_a_disabled_key_does_not_change(road: Road) -> None:
    key = road.create_key()
    before = status(road, key)
    road.call("DisableKey", KeyId=key["KeyId"])
    assert status(road, key) == before


def test_status_of_another_account_needs_its_policy_and_the_arn(road: Road) -> None:
    """Cross-account use: yes (API reference); of the four others: no."""
    key = road.create_key()
    refusal = denied("kms:GetKeyRotationStatus", key["Arn"], STRANGER)
    assert refused(road, "GetKeyRotationStatus", account=STRANGER, KeyId=key["Arn"]) == refusal
    policy = policy_for("kms:*", f"arn:aws:iam::{STRANGER}:root")
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    assert status(road, key, account=STRANGER)["KeyRotationEnabled"] is True
    for operation in [*CHANGES, "ListKeyRotations"]:
        assert refused(road, operation, account=STRANGER, KeyId=key["Arn"])[0] == "AccessDeniedException"


@pytest.mark.parametrize("operation", [*CHANGES, "GetKeyRotationStatus", "ListKeyRotations"])
def test_rotation_of_a_key_that_is_not_there_or_named_by_an_alias_is_refused(
    road: Road, operation: str
) -> None:
    not_found = ("NotFoundException", f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist")
    assert refused(road, operation, KeyId=ABSENT_KEY_ID) == not_found
    assert refused(road, operation, KeyId="alias/x")[0] == "InvalidArnException"
    assert refused(road, operation) == invalid("keyId", "Member must not be null", " null")


# ---------------------------------------------------------------- which keys


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        (KeySpec.RSA_4096, KeyUsageType.SIGN_VERIFY),
        (KeySpec.RSA_2048, KeyUsageType.ENCRYPT_DECRYPT),
        (KeySpec.HMAC_256, KeyUsageType.GENERATE_VERIFY_MAC),
    ],
)
def test_rotation_of_asymmetric_and_hmac_keys_is_refused_without_a_message(
    road: Road, spec: KeySpec, usage: KeyUsageType
) -> None:
    key = road.create_key()
    no_schedule = {"rotation_period_days": None, "next_rotation_at": None}
    changed(road, key, key_spec=spec, key_usage=usage, **no_schedule)
    for operation in CHANGES:
        assert refused(road, operation, KeyId=key["KeyId"]) == UNSUPPORTED, operation
    assert status(road, key) == {"KeyRotationEnabled": False, "KeyId": key["Arn"]}
    assert rotations(road, key) == []
    for include in ("ALL_KEY_MATERIAL", "ROTATIONS_ONLY"):
        members = {"KeyId": key["KeyId"], "IncludeKeyMaterial": include}
        assert refused(road, "ListKeyRotations", **members) == UNSUPPORTED


def test_automatic_rotation_of_imported_material_is_refused_for_its_origin(road: Road) -> None:
    key = road.create_key(Origin="EXTERNAL")
    for operation in ("EnableKeyRotation", "DisableKeyRotation"):  # note 6 of the table of key states
        assert refused(road, operation, KeyId=key["KeyId"]) == origin_refused(key, "EXTERNAL")
    assert status(road, key) == {"KeyRotationEnabled": False, "KeyId": key["Arn"]}
    changed(road, key, key_spec=KeySpec.RSA_2048)
    assert refused(road, "GetKeyRotationStatus", KeyId=key["KeyId"]) == origin_refused(key, "EXTERNAL")


@pytest.mark.parametrize("origin", [OriginType.AWS_CLOUDHSM, OriginType.EXTERNAL_KEY_STORE])
def test_rotation_of_a_key_in_a_custom_key_store_is_refused_for_its_origin(
    road: Road, origin: OriginType
) -> None:
    key = road.create_key()
    changed(road, key, origin=origin)  # of a store that is connected: else the state is refused first
    for operation in [*CHANGES, "GetKeyRotationStatus"]:
        assert refused(road, operation, KeyId=key["KeyId"]) == origin_refused(key, origin)


def test_aws_managed_key_always_rotates_and_nobody_may_change_that(road: Road) -> None:
    key = road.create_key()
    changed(road, key, key_manager=KeyManagerType.AWS)
    for operation in CHANGES:
        code, sentence = refused(road, operation, KeyId=key["KeyId"])
        assert (code, (sentence or "").split(" because ")[1:]) == (
            "AccessDeniedException",
            [f"no resource-based policy allows the kms:{operation} action"],
        )
    answer = status(road, key)
    assert (answer["KeyRotationEnabled"], answer["RotationPeriodInDays"]) == (True, 365)


def test_replica_follows_its_primary_key_and_takes_no_orders(road: Road) -> None:
    """ "set the property on the primary key" (API reference)."""
    primary = road.create_key(MultiRegion=True)
    record = stored(road, primary)
    replica_region = Region("us-east-1")
    arn = KeyArn(key_arn(record.key_id, region=replica_region))
    replica = replace(
        record, region=replica_region, arn=arn, rotation_period_days=None, next_rotation_at=None
    )
    road.wait(road.store.insert_key(replica))
    named = {"KeyId": record.key_id, "region": replica_region}
    for operation in CHANGES:
        assert refused(road, operation, **named) == (
            "UnsupportedOperationException",
            f"{arn} is not a multi-region primary key.",
        )
    road.call("EnableKeyRotation", KeyId=record.key_id, RotationPeriodInDays=200)
    road.call("RotateKeyOnDemand", KeyId=record.key_id)
    of_primary, of_replica = status(road, primary), road.call("GetKeyRotationStatus", **named)
    assert of_replica == {**of_primary, "KeyId": arn}
    assert of_replica["RotationPeriodInDays"] == 200
    assert "OnDemandRotationStartDate" in of_replica


@pytest.mark.parametrize("operation", CHANGES)
def test_rotation_of_a_key_in_a_refusing_state_is_refused_before_its_kind(road: Road, operation: str) -> None:
    """Recorded on AWS for RotateKeyOnDemand: a disabled RSA key gets DisabledException."""
    key = road.create_key()
    changed(road, key, key_spec=KeySpec.RSA_4096, key_state=KeyState.DISABLED)
    assert refused(road, operation, KeyId=key["KeyId"]) == ("DisabledException", f"{key['Arn']} is disabled.")
    changed(road, key, key_state=KeyState.PENDING_DELETION)
    assert refused(road, operation, KeyId=key["KeyId"]) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )


# ---------------------------------------------------------------- on demand


def test_rotate_key_on_demand_answers_the_arn_and_is_under_way_until_the_job(own_road: Road) -> None:
    key = own_road.create_key()
    before = status(own_road, key)
    assert own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"]) == {"KeyId": key["Arn"]}
    assert own_road.last_record["responseElements"] == {"keyId": key["Arn"]}
    started_at = status(own_road, key)["OnDemandRotationStartDate"]
    assert started_at == pytest.approx(own_road.clock.epoch_seconds(), abs=5)
    assert current_material(own_road, key) == key["CurrentKeyMaterialId"]
    assert rotations(own_road, key) == []
    run_due(own_road)
    assert status(own_road, key) == before  # NextRotationDate, too: recorded on AWS
    assert current_material(own_road, key) != key["CurrentKeyMaterialId"]


def test_rotate_key_on_demand_again_before_the_first_is_completed_is_a_conflict(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"])[0] == "ConflictException"
    run_due(own_road)
    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])


def test_rotate_key_on_demand_near_an_automatic_rotation_is_a_conflict(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.clock.advance(365 * DAY_SECONDS - 21 * 60)
    rotate(own_road, key)
    own_road.clock.advance(120)
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"]) == NEAR
    own_road.clock.advance(20 * 60)
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"]) == NEAR  # due, and the job is to come
    run_due(own_road)
    rotate(own_road, key)
    assert [entry["RotationType"] for entry in rotations(own_road, key)] == [
        "ON_DEMAND",
        "AUTOMATIC",
        "ON_DEMAND",
    ]


def test_rotate_key_on_demand_twenty_five_times_in_a_life(own_road: Road) -> None:
    """The sentence as recorded on AWS; automatic rotations do not count."""
    key = own_road.create_key()
    for _ in range(ON_DEMAND_ROTATIONS_MAX - 1):
        rotate(own_road, key)
    own_road.clock.advance(365 * DAY_SECONDS + 1)
    run_due(own_road)
    rotate(own_road, key)
    refusal = (
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. "
        f"No more on-demand rotations can be performed for this key: {key['Arn']}",
    )
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"]) == refusal
    own_road.call("DisableKeyRotation", KeyId=key["KeyId"])
    own_road.call("EnableKeyRotation", KeyId=key["KeyId"])
    assert refused(own_road, "RotateKeyOnDemand", KeyId=key["KeyId"]) == refusal
    types = [entry["RotationType"] for entry in rotations(own_road, key)]
    assert (types.count("ON_DEMAND"), types.count("AUTOMATIC")) == (ON_DEMAND_ROTATIONS_MAX, 1)


def test_disable_key_rotation_lets_a_rotation_on_demand_be_completed(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    own_road.call("DisableKeyRotation", KeyId=key["KeyId"])
    run_due(own_road)
    assert len(rotations(own_road, key)) == 1


def test_rotate_key_on_demand_of_imported_material_needs_one_that_is_pending(own_road: Road) -> None:
    key = own_road.create_key(Origin="EXTERNAL")
    named = {"KeyId": key["KeyId"]}
    pending_import = ("KMSInvalidStateException", f"{key['Arn']} is pending import.")
    assert refused(own_road, "RotateKeyOnDemand", **named) == pending_import
    none = (
        "KMSInvalidStateException",
        f"No available key material pending rotation for the key: {key['Arn']}.",
    )
    record = with_material(stored(own_road, key), 1, KeyMaterialState.CURRENT)
    first = next(iter(record.materials))
    record = replace(record, current_material_id=first, key_state=KeyState.ENABLED)
    record = own_road.wait(own_road.store.update_key(record))
    assert refused(own_road, "RotateKeyOnDemand", **named) == none
    elsewhere = with_material(record, 2, KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION)
    record = own_road.wait(own_road.store.update_key(elsewhere))
    assert refused(own_road, "RotateKeyOnDemand", **named) == none
    waiting = with_material(record, 2, KeyMaterialState.PENDING_ROTATION)
    own_road.wait(own_road.store.update_key(waiting))
    rotate(own_road, key)
    assert current_material(own_road, key) == f"{2:064x}"
    assert "OnDemandRotationStartDate" not in status(own_road, key)
    assert refused(own_road, "RotateKeyOnDemand", **named) == none
