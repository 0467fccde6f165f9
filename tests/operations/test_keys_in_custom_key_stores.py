"""Keys in custom key stores: made, described, and available while their store is connected."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.key_store_scene import STATES, Scene, cluster, proxy
from tests.operations.road_requests import TEXT, decoded, refused
from tests.support.road import Road

from strongroom.operations import key_store_backend as backend_errors


def cluster_key(scene: Scene, store_id: str) -> dict[str, Any]:
    return scene.road.create_key(CustomKeyStoreId=store_id, Origin="AWS_CLOUDHSM")


def test_key_in_a_cluster_is_described_and_follows_the_connection(scene: Scene) -> None:
    store_id = scene.connected(**cluster())
    key = cluster_key(scene, store_id)
    assert key["KeyId"] in scene.double.keys
    assert (key["KeyState"], key["Origin"]) == ("Enabled", "AWS_CLOUDHSM")
    assert (key["CustomKeyStoreId"], key["CloudHsmClusterId"]) == (store_id, "cluster-2a23b4cdefg")
    assert "CurrentKeyMaterialId" not in key

    def state() -> tuple[str, bool]:
        found = scene.road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
        return found["KeyState"], found["Enabled"]

    scene.road.call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert state() == ("Unavailable", False)  # before any job
    scene.run_jobs()
    code, sentence = refused(scene.road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    assert (code, sentence) == ("KMSInvalidStateException", f"{key['Arn']} is unavailable.")
    # Note 12: it takes effect when the key is available again.
    scene.road.call("DisableKey", KeyId=key["KeyId"])
    scene.road.call("UpdateKeyDescription", KeyId=key["KeyId"], Description="changed meanwhile")
    assert state() == ("Unavailable", False)
    scene.road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert state() == ("Unavailable", False)
    scene.run_jobs()
    assert state() == ("Disabled", False)
    scene.road.call("EnableKey", KeyId=key["KeyId"])
    assert state() == ("Enabled", True)
    # Note 13: pending deletion stays so.
    scene.road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    scene.disconnect(store_id)
    assert state() == ("PendingDeletion", False)


def test_custom_key_store_with_a_key_is_not_deleted_until_the_key_is_destroyed(scene: Scene) -> None:
    store_id = scene.connected(**cluster())
    key = cluster_key(scene, store_id)
    scene.disconnect(store_id)
    of = {"CustomKeyStoreId": store_id}
    assert refused(scene.road, "DeleteCustomKeyStore", **of)[0] == "CustomKeyStoreHasCMKsException"
    scene.road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    assert refused(scene.road, "DeleteCustomKeyStore", **of)[0] == "CustomKeyStoreHasCMKsException"
    scene.road.clock.advance(8 * 86_400)
    scene.run_jobs()
    scene.road.call("DeleteCustomKeyStore", **of)
    assert refused(scene.road, "DeleteCustomKeyStore", **of)[0] == "CustomKeyStoreNotFoundException"


def test_create_key_in_an_external_key_store_takes_each_external_key_once(scene: Scene) -> None:
    store_id = scene.connected(**proxy())
    members = {"CustomKeyStoreId": store_id, "Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "key-1"}
    key = scene.road.create_key(**members)
    assert key["XksKeyConfiguration"] == {"Id": "key-1"}
    assert "CloudHsmClusterId" not in key
    found = scene.road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
    assert found["XksKeyConfiguration"] == {"Id": "key-1"}
    assert refused(scene.road, "CreateKey", **members)[0] == "XksKeyAlreadyInUseException"
    assert list(scene.double.keys.values()) == ["key-1"]  # the second was undone
    for error in (backend_errors.ExternalKeyNotFound(), backend_errors.ExternalKeyInvalidConfiguration()):
        scene.double.failures["create_key"] = error
        assert refused(scene.road, "CreateKey", **(members | {"XksKeyId": "key-2"}))[0] == error.code
    assert len(scene.road.call("ListKeys")["Keys"]) == 1


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Origin": "AWS_CLOUDHSM", "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, "Unsupported"),
        ({"Origin": "AWS_CLOUDHSM", "MultiRegion": True}, "Unsupported"),
        ({"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "key-1"}, "Validation"),
        ({"Origin": "EXTERNAL_KEY_STORE"}, "Validation"),
        ({"Origin": "AWS_CLOUDHSM", "XksKeyId": "key-1"}, "Validation"),
        ({"Origin": "AWS_KMS"}, "Validation"),
        ({"Origin": "EXTERNAL"}, "Validation"),
        ({}, "Validation"),
    ],
)
def test_create_key_that_does_not_fit_its_custom_key_store_is_refused(
    scene: Scene, members: dict[str, Any], code: str
) -> None:
    store_id = scene.connected(**cluster())
    assert refused(scene.road, "CreateKey", CustomKeyStoreId=store_id, **members)[0].startswith(code)
    assert scene.double.keys == {}


@pytest.mark.parametrize("origin", ["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"])
def test_create_key_with_the_origin_of_a_custom_key_store_needs_one(road: Road, origin: str) -> None:
    assert refused(road, "CreateKey", Origin=origin)[0] == "ValidationException"


@pytest.mark.parametrize("state", [state for state in STATES if state != "CONNECTED"])
def test_create_key_and_random_bytes_want_a_connected_store(scene: Scene, state: str) -> None:
    store_id = scene.in_state(state)
    invalid = "CustomKeyStoreInvalidStateException"
    create = {"CustomKeyStoreId": store_id, "Origin": "AWS_CLOUDHSM"}
    assert refused(scene.road, "CreateKey", **create)[0] == invalid
    random = {"CustomKeyStoreId": store_id, "NumberOfBytes": 8}
    assert refused(scene.road, "GenerateRandom", **random)[0] == invalid


def test_random_bytes_come_from_the_cluster_and_from_no_proxy(scene: Scene) -> None:
    store_id = scene.connected(**cluster())
    answer = scene.road.call("GenerateRandom", NumberOfBytes=16, CustomKeyStoreId=store_id)
    assert decoded(answer["Plaintext"]) == b"\x42" * 16
    external = scene.connected(**proxy())
    refusal = refused(scene.road, "GenerateRandom", NumberOfBytes=16, CustomKeyStoreId=external)
    assert refusal[0] == "UnsupportedOperationException"


def test_cryptography_with_a_key_in_a_cluster_takes_the_key_of_its_own_name(scene: Scene) -> None:
    key = cluster_key(scene, scene.connected(**cluster()))
    key_id = key["KeyId"]
    blob = scene.road.call("Encrypt", KeyId=key_id, Plaintext=TEXT)["CiphertextBlob"]
    answer = scene.road.call("Decrypt", CiphertextBlob=blob)
    assert answer == {"KeyId": key["Arn"], "Plaintext": TEXT, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    assert scene.double.calls[-2:] == ["wrap", "unwrap"]
    assert scene.double.asked[-1].key_arn == key["Arn"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (backend_errors.ClusterUnreachable(), "KMSInvalidStateException"),
        (backend_errors.ClusterUnusable(), "KMSInvalidStateException"),
        (backend_errors.ClusterKeyNotFound(), "KMSInvalidStateException"),
        (backend_errors.CiphertextNotOpened(), "InvalidCiphertextException"),
    ],
)
def test_failures_of_a_cluster_are_told_as_aws_tells_them(
    scene: Scene, error: backend_errors.KeyStoreError, code: str
) -> None:
    key = cluster_key(scene, scene.connected(**cluster()))
    blob = scene.road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    scene.double.failures["unwrap"] = error
    assert refused(scene.road, "Decrypt", CiphertextBlob=blob)[0] == code


def test_destroyed_key_is_deleted_from_its_cluster_and_a_cluster_that_fails_keeps_none_back(
    scene: Scene,
) -> None:
    store_id = scene.connected(**cluster())
    keys = [cluster_key(scene, store_id)["KeyId"] for _ in range(3)]
    for key_id in keys[:2]:
        scene.road.call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    scene.road.clock.advance(8 * 86_400)
    scene.run_jobs()
    assert list(scene.double.keys) == keys[2:]
    scene.double.failures["delete_key"] = backend_errors.ClusterUnreachable()
    scene.road.call("ScheduleKeyDeletion", KeyId=keys[2], PendingWindowInDays=7)
    scene.road.clock.advance(8 * 86_400)
    scene.run_jobs()
    assert refused(scene.road, "DescribeKey", KeyId=keys[2])[0] == "NotFoundException"
    assert list(scene.double.keys) == keys[2:]  # the orphan
