"""The end of imported key material: when its ValidTo has come, whether or not the job was there yet."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest
from tests.operations.road_requests import OTHER_REGION, STRANGER, TEXT, refused
from tests.support.key_imports import (
    described,
    external_key,
    import_material,
    materials_of,
    stored_key,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.audit.interface import AuditUnavailable
from strongroom.aws.generated.enums import KeyMaterialState
from strongroom.jobs.development import DevelopmentControls
from strongroom.jobs.material_expiry import BATCH_KEYS
from strongroom.jobs.runner import PERIOD_SECONDS
from strongroom.resources.key import Key

HOUR_SECONDS = 3600.0


def run_due(road: Road) -> None:
    road.wait(road.jobs.run_due())


def expiring_key(road: Road, material: bytes, seconds: float = HOUR_SECONDS) -> dict[str, Any]:
    """A key whose only material expires in so many seconds."""
    key = external_key(road)
    import_material(road, key, material, ValidTo=road.clock.epoch_seconds() + seconds)
    return key


def move_to_end_of(road: Road, key: dict[str, Any], seconds_after: float) -> None:
    valid_to = described(road, key)["ValidTo"]
    road.clock.advance(valid_to + seconds_after - road.clock.epoch_seconds())


def service_events(road: Road) -> list[dict[str, Any]]:
    return [record for record in road.audit.records if record["eventType"] == "AwsServiceEvent"]


def pending_import(key: dict[str, Any]) -> tuple[str, str]:
    return ("KMSInvalidStateException", f"{key['Arn']} is pending import.")


def test_expired_material_is_refused_before_the_job_has_run(own_road: Road) -> None:
    """INVARIANT R5: fail closed, at the instant itself."""
    key, other = expiring_key(own_road, os.urandom(32)), own_road.create_key()
    sealed = own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    others = own_road.call("Encrypt", KeyId=other["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    move_to_end_of(own_road, key, -2.0)
    assert own_road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT
    move_to_end_of(own_road, key, 0.002)
    assert stored_key(own_road, key).current_token  # it is still there
    for operation, members in {
        "Encrypt": {"KeyId": key["KeyId"], "Plaintext": TEXT},
        "Decrypt": {"CiphertextBlob": sealed},
        "GenerateDataKey": {"KeyId": key["KeyId"], "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key["KeyId"], "KeySpec": "AES_256"},
        "EnableKey": {"KeyId": key["KeyId"]},
        "DisableKey": {"KeyId": key["KeyId"]},
    }.items():
        assert refused(own_road, operation, **members) == pending_import(key), operation
    to_other = {"CiphertextBlob": sealed, "DestinationKeyId": other["KeyId"]}
    from_other = {"CiphertextBlob": others, "DestinationKeyId": key["KeyId"]}
    for members in (to_other, from_other):
        assert refused(own_road, "ReEncrypt", **members) == pending_import(key)
    dry = {"KeyId": key["KeyId"], "Plaintext": TEXT, "DryRun": True}
    assert refused(own_road, "Encrypt", **dry) == pending_import(key)


def test_expired_material_of_an_older_rotation_is_refused_too(own_road: Road) -> None:
    """A key needs all materials that are associated with it for ever, not its current one only."""
    key = expiring_key(own_road, os.urandom(32))
    import_material(own_road, key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    rotate(own_road, key)
    assert own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    own_road.clock.advance(HOUR_SECONDS)
    assert refused(own_road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == pending_import(key)
    run_due(own_road)
    assert described(own_road, key)["KeyState"] == "PendingImport"
    assert [there for _, there in materials_of(own_road, key).values()] == [False, True]


def rotate(road: Road, key: dict[str, Any]) -> None:
    """What RotateKeyOnDemand leaves in the store: the waiting material is the current one."""
    stored = stored_key(road, key)
    first, second = stored.materials.values()
    materials = (
        replace(first, state=KeyMaterialState.NON_CURRENT),
        replace(second, state=KeyMaterialState.CURRENT),
    )
    road.wait(
        road.store.update_key(
            replace(
                stored,
                materials={material.material_id: material for material in materials},
                current_material_id=second.material_id,
            )
        )
    )


def test_expired_material_that_waits_for_its_rotation_does_not_stop_the_key(own_road: Road) -> None:
    key = external_key(own_road)
    first = import_material(own_road, key, os.urandom(32))["KeyMaterialId"]
    valid_to = own_road.clock.epoch_seconds() + HOUR_SECONDS
    import_material(own_road, key, os.urandom(32), ImportType="NEW_KEY_MATERIAL", ValidTo=valid_to)
    own_road.clock.advance(HOUR_SECONDS)
    assert own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    run_due(own_road)
    assert described(own_road, key)["KeyState"] == "Enabled"
    assert materials_of(own_road, key) == {first: ("CURRENT", True)}


def test_job_deletes_material_when_its_instant_has_come_and_no_second_before(own_road: Road) -> None:
    material = os.urandom(32)
    key = expiring_key(own_road, material)
    imported = described(own_road, key)["CurrentKeyMaterialId"]
    sealed = own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    token = stored_key(own_road, key).current_token
    move_to_end_of(own_road, key, -2.0)
    run_due(own_road)
    assert described(own_road, key)["KeyState"] == "Enabled"
    assert service_events(own_road) == []
    move_to_end_of(own_road, key, 0.002)
    run_due(own_road)
    metadata = described(own_road, key)
    assert metadata["KeyState"] == "PendingImport"
    assert metadata["CurrentKeyMaterialId"] == imported
    assert not {"ValidTo", "ExpirationModel"} & metadata.keys()
    assert materials_of(own_road, key) == {imported: ("CURRENT", False)}
    assert not any(token[-48:] in path.read_bytes() for path in own_road.directory.glob("strongroom.db*"))
    assert own_road.wait(own_road.boundary.status()).facts["backing keys in memory"] == "0"
    import_material(own_road, key, material)
    assert own_road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_job_runs_often_enough_to_be_a_minute_late_at_most() -> None:
    assert PERIOD_SECONDS < 30


def test_expiry_is_recorded_as_the_service_event_of_aws(own_road: Road) -> None:
    """Source: KMS Developer Guide, ct-deleteexpiredkeymaterial."""
    key = expiring_key(own_road, os.urandom(32))
    imported = described(own_road, key)["CurrentKeyMaterialId"]
    move_to_end_of(own_road, key, 1.0)
    durable_before = own_road.audit.durably_recorded
    run_due(own_road)
    run_due(own_road)
    assert own_road.audit.durably_recorded == durable_before + 1
    (record,) = service_events(own_road)
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": ACCOUNT, "invokedBy": "AWS Internal"},
        "eventTime": record["eventTime"],
        "eventSource": "kms.amazonaws.com",
        "eventName": "DeleteExpiredKeyMaterial",
        "awsRegion": REGION,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "eventID": record["eventID"],
        "readOnly": False,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key["Arn"]}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "serviceEventDetails": {"keyId": key["KeyId"], "keyMaterialId": imported},
        "eventCategory": "Management",
    }


def test_material_imported_again_in_time_lives_on(own_road: Road) -> None:
    material = os.urandom(32)
    key = expiring_key(own_road, material)
    import_material(own_road, key, material)
    own_road.clock.advance(2 * HOUR_SECONDS)
    run_due(own_road)
    assert own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    assert service_events(own_road) == []


def test_expiry_of_a_key_pending_deletion_leaves_its_state_and_cancelling_leaves_it_waiting(
    own_road: Road,
) -> None:
    key = expiring_key(own_road, os.urandom(32))
    own_road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    own_road.clock.advance(HOUR_SECONDS + 1)
    run_due(own_road)
    assert described(own_road, key)["KeyState"] == "PendingDeletion"
    assert [record["eventName"] for record in service_events(own_road)] == ["DeleteExpiredKeyMaterial"]
    own_road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    assert described(own_road, key)["KeyState"] == "PendingImport"


def test_moved_clock_ends_what_expires_by_then(own_road: Road) -> None:
    controls = DevelopmentControls(own_road.clock, own_road.store, own_road.jobs)
    key = expiring_key(own_road, os.urandom(32))
    own_road.wait(controls.advance_clock(HOUR_SECONDS + 1))
    assert described(own_road, key)["KeyState"] == "PendingImport"


def test_jobs_twice_and_at_once_delete_every_material_once(own_road: Road) -> None:
    """INVARIANT J1, with more keys than one batch holds, in other accounts and Regions too."""
    places: list[dict[str, str]] = [{"account": STRANGER}, {"region": OTHER_REGION}, {}]
    material = os.urandom(32)
    keys = [expiring_key(own_road, material)]
    template = stored_key(own_road, keys[0])
    for number in range(BATCH_KEYS + 5):
        created = own_road.create_key(Origin="EXTERNAL", **places[number % len(places)])
        fresh = stored_key(own_road, created)
        # The same record that an import would leave; an import of each would only make wrapping keys.
        own_road.wait(own_road.store.update_key(_with_materials_of(fresh, template)))
        keys.append(created)
    own_road.clock.advance(HOUR_SECONDS + 1)

    async def at_once() -> None:
        await asyncio.gather(*(own_road.jobs.run_due() for _ in range(3)))

    own_road.wait(at_once())
    run_due(own_road)
    ended = [record["serviceEventDetails"]["keyId"] for record in service_events(own_road)]
    assert sorted(ended) == sorted(key["KeyId"] for key in keys)
    assert all(stored_key(own_road, key).key_state == "PendingImport" for key in keys)


def _with_materials_of(key: Key, template: Key) -> Key:
    return replace(
        key,
        key_state=template.key_state,
        materials=template.materials,
        current_material_id=template.current_material_id,
    )


def test_nothing_is_deleted_while_it_could_not_be_recorded(own_road: Road) -> None:
    """INVARIANT J4; and yet it cannot be used."""
    key = expiring_key(own_road, os.urandom(32))
    move_to_end_of(own_road, key, 1.0)
    own_road.audit.accepting = False
    with pytest.raises(AuditUnavailable):
        run_due(own_road)
    own_road.audit.accepting = True
    assert stored_key(own_road, key).current_token
    assert refused(own_road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == pending_import(key)
    run_due(own_road)
    assert [record["eventName"] for record in service_events(own_road)] == ["DeleteExpiredKeyMaterial"]


def test_expiry_is_done_and_recorded_while_the_boundary_is_gone(own_road: Road) -> None:
    key = expiring_key(own_road, os.urandom(32))
    own_road.clock.advance(HOUR_SECONDS + 1)
    own_road.running_boundary.kill()
    run_due(own_road)
    assert described(own_road, key)["KeyState"] == "PendingImport"
    assert len(service_events(own_road)) == 1
