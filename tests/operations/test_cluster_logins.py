"""Connected CloudHSM key stores are kept logged in, whoever uses them or not."""

from __future__ import annotations

import logging

import pytest
from tests.operations.key_store_scene import Scene, cluster, proxy
from tests.operations.road_requests import refused

from strongroom.aws.generated.enums import ConnectionErrorCodeType
from strongroom.jobs.cluster_logins import ClusterLogins
from strongroom.operations.key_store_backend import ClusterUnreachable, LoginRefused

LOCKED = LoginRefused(ConnectionErrorCodeType.USER_LOCKED_OUT)


def test_connected_clusters_are_looked_at_and_nothing_else(scene: Scene) -> None:
    logins = ClusterLogins(scene.road.rooms, scene.double)
    first = scene.connected(**cluster("first", 2))
    scene.create(**cluster("disconnected", 3))
    scene.connected(**proxy())
    scene.double.calls.clear()
    scene.double.seen.clear()
    scene.road.wait(logins.keep_all())
    assert scene.double.calls == ["keep_connected"]
    assert [store.custom_key_store_id for store in scene.double.seen] == [first]


def test_refused_password_makes_the_store_failed_with_its_reason(scene: Scene) -> None:
    logins = ClusterLogins(scene.road.rooms, scene.double)
    store_id = scene.connected(**cluster())
    scene.double.failures["keep_connected"] = LOCKED
    scene.road.wait(logins.keep_all())
    entry = scene.entry(store_id)
    assert (entry["ConnectionState"], entry["ConnectionErrorCode"]) == ("FAILED", "USER_LOCKED_OUT")
    scene.double.calls.clear()
    scene.road.wait(logins.keep_all())
    assert scene.double.calls == []


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("wrap", "Encrypt"),
        ("unwrap", "Decrypt"),
        ("create_key", "CreateKey"),
        ("generate_random", "GenerateRandom"),
    ],
)
def test_any_use_that_finds_the_password_refused_makes_the_store_failed(
    scene: Scene, call: str, operation: str
) -> None:
    store_id = scene.connected(**cluster())
    key_id = scene.road.create_key(CustomKeyStoreId=store_id, Origin="AWS_CLOUDHSM")["KeyId"]
    blob = scene.road.call("Encrypt", KeyId=key_id, Plaintext="dGV4dA==")["CiphertextBlob"]
    scene.double.failures[call] = LOCKED
    members = {
        "Encrypt": {"KeyId": key_id, "Plaintext": "dGV4dA=="},
        "Decrypt": {"CiphertextBlob": blob},
        "CreateKey": {"CustomKeyStoreId": store_id, "Origin": "AWS_CLOUDHSM"},
        "GenerateRandom": {"CustomKeyStoreId": store_id, "NumberOfBytes": 8},
    }[operation]
    code, sentence = refused(scene.road, operation, **members)
    if operation in ("Encrypt", "Decrypt"):
        assert (code, "kmsuser is locked out" in str(sentence)) == ("KMSInvalidStateException", True)
    else:
        assert code == "CustomKeyStoreInvalidStateException"
    assert scene.entry(store_id)["ConnectionErrorCode"] == "USER_LOCKED_OUT"
    scene.disconnect(store_id)
    assert scene.entry(store_id)["ConnectionState"] == "DISCONNECTED"


def test_cluster_that_is_away_is_told_once_and_again_when_it_is_back(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    logins = ClusterLogins(scene.road.rooms, scene.double)
    store_id = scene.connected(**cluster())
    scene.double.failures["keep_connected"] = ClusterUnreachable()
    with caplog.at_level(logging.WARNING, "strongroom.jobs"):
        for _ in range(3):
            scene.road.wait(logins.keep_all())
        del scene.double.failures["keep_connected"]
        for _ in range(2):
            scene.road.wait(logins.keep_all())
    assert [record.getMessage() for record in caplog.records] == [
        f"The cluster of custom key store {store_id} cannot be used (ClusterUnreachable); it stays "
        "connected, and its keys fail meanwhile.",
        f"The cluster of custom key store {store_id} can be used again.",
    ]
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"
