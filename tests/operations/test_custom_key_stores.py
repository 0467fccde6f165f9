"""The life of custom key stores, with a double of what stands behind them."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from tests.operations.key_store_scene import (
    CREDENTIAL,
    PASSWORD,
    PROXY_SECRET,
    SERVICE,
    STATES,
    Scene,
    cluster,
    private,
    proxy,
    without,
)
from tests.operations.road_requests import STRANGER, refused
from tests.support.road import Road

from strongroom.aws.generated.enums import ConnectionErrorCodeType
from strongroom.operations import key_store_backend as backend_errors
from strongroom.operations.key_store_backend import (
    CiphertextNotOpened,
    ClusterKeyNotFound,
    ConnectionFailed,
    KeyStoreError,
    LoginRefused,
)

# ---------------------------------------------------------------- without a backend


def test_create_custom_key_store_without_a_backend_is_refused_and_keeps_nothing(own_road: Road) -> None:
    code, _ = refused(own_road, "CreateCustomKeyStore", **cluster())
    assert code == "CloudHsmClusterNotFoundException"
    assert refused(own_road, "CreateCustomKeyStore", **proxy())[0] == "XksProxyUriUnreachableException"
    assert own_road.call("DescribeCustomKeyStores") == {"CustomKeyStores": [], "Truncated": False}


# ---------------------------------------------------------------- create, describe


def test_create_custom_key_store_gives_an_id_and_is_described_without_its_secrets(scene: Scene) -> None:
    store_id = scene.create(**cluster())
    assert store_id.startswith("cks-")
    assert len(store_id) == 21
    entry = scene.entry(store_id)
    assert entry.pop("CreationDate") == pytest.approx(scene.road.clock.epoch_seconds(), abs=60)
    assert entry == {
        "CustomKeyStoreId": store_id,
        "CustomKeyStoreName": "cluster store",
        "CloudHsmClusterId": "cluster-2a23b4cdefg",
        "TrustAnchorCertificate": "-----BEGIN CERTIFICATE-----",
        "ConnectionState": "DISCONNECTED",
        "CustomKeyStoreType": "AWS_CLOUDHSM",
    }
    proxy_entry = scene.entry(scene.create(**private()))
    assert proxy_entry["CustomKeyStoreType"] == "EXTERNAL_KEY_STORE"
    assert proxy_entry["XksProxyConfiguration"] == {
        "Connectivity": "VPC_ENDPOINT_SERVICE",
        "AccessKeyId": CREDENTIAL["AccessKeyId"],
        "UriEndpoint": "https://proxy.example.com",
        "UriPath": "/kms/xks/v1",
        "VpcEndpointServiceName": SERVICE,
    }


@pytest.mark.parametrize("member", ["CloudHsmClusterId", "TrustAnchorCertificate", "KeyStorePassword"])
def test_create_custom_key_store_of_a_cluster_without_a_member_is_refused(scene: Scene, member: str) -> None:
    assert refused(scene.road, "CreateCustomKeyStore", **without(cluster(), member)) == (
        "ValidationException",
        f"{member} is required for custom key stores of type AWS_CLOUDHSM.",
    )


@pytest.mark.parametrize(
    "member",
    ["XksProxyUriEndpoint", "XksProxyUriPath", "XksProxyAuthenticationCredential", "XksProxyConnectivity"],
)
def test_create_custom_key_store_of_a_proxy_without_a_member_is_refused(scene: Scene, member: str) -> None:
    assert refused(scene.road, "CreateCustomKeyStore", **without(proxy(), member)) == (
        "ValidationException",
        f"{member} is required for custom key stores of type EXTERNAL_KEY_STORE.",
    )


def test_create_custom_key_store_with_a_member_of_the_other_type_is_refused(scene: Scene) -> None:
    for member in set(private()) - {"CustomKeyStoreName", "CustomKeyStoreType"}:
        members = cluster(**{member: private()[member]})
        code, sentence = refused(scene.road, "CreateCustomKeyStore", **members)
        assert code == "ValidationException"
        assert sentence == f"{member} is not valid for custom key stores of type AWS_CLOUDHSM."
    for member in set(cluster()) - {"CustomKeyStoreName"}:
        members = proxy(**{member: cluster()[member]})
        _, sentence = refused(scene.road, "CreateCustomKeyStore", **members)
        assert sentence == f"{member} is not valid for custom key stores of type EXTERNAL_KEY_STORE."


def test_create_custom_key_store_needs_an_endpoint_service_with_vpc_connectivity_only(scene: Scene) -> None:
    name = "XksProxyVpcEndpointServiceName"
    assert refused(scene.road, "CreateCustomKeyStore", **without(private(), name))[1] == (
        f"{name} is required with an XksProxyConnectivity of VPC_ENDPOINT_SERVICE."
    )
    assert refused(scene.road, "CreateCustomKeyStore", **proxy(**{name: SERVICE}))[1] == (
        f"{name} is not valid with an XksProxyConnectivity of PUBLIC_ENDPOINT."
    )


def test_owner_of_an_endpoint_service_is_shown(scene: Scene) -> None:
    owner = {"XksProxyVpcEndpointServiceOwner": "123456789012"}
    created = scene.road.call("CreateCustomKeyStore", **private(**owner))["CustomKeyStoreId"]
    update = {"CustomKeyStoreId": created, "XksProxyVpcEndpointServiceOwner": "210987654321"}
    for expected in ("123456789012", "210987654321"):
        (found,) = scene.road.call("DescribeCustomKeyStores", CustomKeyStoreId=created)["CustomKeyStores"]
        assert found["XksProxyConfiguration"]["VpcEndpointServiceOwner"] == expected
        scene.road.call("UpdateCustomKeyStore", **update)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (cluster(), cluster(number=3), "CustomKeyStoreNameInUseException"),
        (cluster(), cluster("b"), "CloudHsmClusterInUseException"),
        (proxy(), proxy("b"), "XksProxyUriInUseException"),
        (
            proxy(),
            proxy("b", XksProxyUriEndpoint="https://PROXY.example.com"),
            "XksProxyUriInUseException",
        ),
        (proxy(), private("b", XksProxyUriPath="/b/kms/xks/v1"), "XksProxyUriEndpointInUseException"),
        (
            private(),
            private("b", XksProxyUriEndpoint="https://b.example.com"),
            "XksProxyVpcEndpointServiceInUseException",
        ),
    ],
)
def test_create_custom_key_store_with_what_another_uses_is_refused(
    scene: Scene, first: dict[str, Any], second: dict[str, Any], code: str
) -> None:
    scene.create(**first)
    assert refused(scene.road, "CreateCustomKeyStore", **second)[0] == code
    scene.road.call("CreateCustomKeyStore", region="us-west-2", **second)  # another Region
    scene.road.call("CreateCustomKeyStore", account=STRANGER, **second)  # another account
    assert len(scene.road.call("DescribeCustomKeyStores")["CustomKeyStores"]) == 1


def test_public_proxies_may_share_an_endpoint_with_different_paths(scene: Scene) -> None:
    scene.create(**proxy())
    scene.create(**proxy("b", XksProxyUriPath="/b/kms/xks/v1"))


def test_an_account_has_ten_custom_key_stores_in_a_region(scene: Scene) -> None:
    clusters = [
        cluster(f"store {n}", CloudHsmClusterId=f"cluster-{'abcdefghijk'[n] * 11}") for n in range(11)
    ]
    ids = [scene.create(**members) for members in clusters[:10]]
    assert refused(scene.road, "CreateCustomKeyStore", **clusters[10])[0] == "LimitExceededException"
    scene.road.call("CreateCustomKeyStore", region="us-west-2", **clusters[10])
    scene.road.call("DeleteCustomKeyStore", CustomKeyStoreId=ids[0])
    scene.create(**clusters[10])


_ERRORS = [
    kind
    for kind in vars(backend_errors).values()
    if isinstance(kind, type)
    and issubclass(kind, KeyStoreError)
    and kind.code != KeyStoreError.code
    and kind not in (CiphertextNotOpened, ClusterKeyNotFound, LoginRefused)  # of the use of a key
]


@pytest.mark.parametrize("kind", _ERRORS)
def test_create_custom_key_store_says_what_its_backend_says(scene: Scene, kind: type[KeyStoreError]) -> None:
    assert len(_ERRORS) == 16
    scene.double.failures["check_configuration"] = kind()
    code, sentence = refused(scene.road, "CreateCustomKeyStore", **cluster())
    assert code == kind.code
    assert sentence
    assert scene.road.call("DescribeCustomKeyStores")["CustomKeyStores"] == []


def test_describe_custom_key_stores_by_id_name_and_in_pages(scene: Scene) -> None:
    ids = sorted(
        scene.create(**members)
        for members in (cluster(), proxy(), private(XksProxyUriEndpoint="https://b.example.com"))
    )
    road = scene.road
    (named,) = road.call("DescribeCustomKeyStores", CustomKeyStoreName="proxy store")["CustomKeyStores"]
    assert named["CustomKeyStoreName"] == "proxy store"
    first = road.call("DescribeCustomKeyStores", Limit=2)
    assert first["Truncated"] is True
    rest = road.call("DescribeCustomKeyStores", Limit=2, Marker=first["NextMarker"])
    listed = [one["CustomKeyStoreId"] for one in first["CustomKeyStores"] + rest["CustomKeyStores"]]
    assert listed == ids
    assert rest["Truncated"] is False
    assert "NextMarker" not in rest
    not_found = "CustomKeyStoreNotFoundException"
    assert refused(road, "DescribeCustomKeyStores", CustomKeyStoreName="no")[0] == not_found
    assert refused(road, "DescribeCustomKeyStores", CustomKeyStoreId="cks-1")[0] == not_found
    assert refused(road, "DescribeCustomKeyStores", Marker="x")[0] == "InvalidMarkerException"
    both = {"CustomKeyStoreId": ids[0], "CustomKeyStoreName": "proxy store"}
    assert refused(road, "DescribeCustomKeyStores", **both)[0] == "ValidationException"
    assert refused(road, "DescribeCustomKeyStores", account=STRANGER, CustomKeyStoreId=ids[0])[0] == not_found


# ---------------------------------------------------------------- connect, disconnect, delete, update


def test_connect_custom_key_store_answers_before_the_job_connects(scene: Scene) -> None:
    store_id = scene.create(**cluster())
    assert scene.road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id) == {}
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTING"
    assert "connect" not in scene.double.calls
    scene.run_jobs()
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"
    scene.run_jobs()
    assert scene.double.calls.count("connect") == 1
    assert scene.road.call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id) == {}
    assert scene.entry(store_id)["ConnectionState"] == "DISCONNECTING"
    scene.run_jobs()
    assert scene.entry(store_id)["ConnectionState"] == "DISCONNECTED"
    assert scene.double.calls.count("disconnect") == 1


@pytest.mark.parametrize("reason", list(ConnectionErrorCodeType))
def test_connection_that_fails_tells_its_reason_until_disconnected(
    scene: Scene, reason: ConnectionErrorCodeType
) -> None:
    scene.double.failures["connect"] = ConnectionFailed(reason)
    store_id = scene.connected(**cluster())
    entry = scene.entry(store_id)
    assert (entry["ConnectionState"], entry["ConnectionErrorCode"]) == ("FAILED", reason)
    scene.disconnect(store_id)
    assert "ConnectionErrorCode" not in scene.entry(store_id)


def test_connection_that_fails_without_a_reason_is_an_internal_error(scene: Scene) -> None:
    scene.double.failures["connect"] = KeyStoreError()
    assert scene.entry(scene.connected(**cluster()))["ConnectionErrorCode"] == "INTERNAL_ERROR"


def test_connect_custom_key_store_refuses_a_cluster_that_is_not_ready_and_stays_disconnected(
    scene: Scene,
) -> None:
    store_id = scene.create(**cluster())
    scene.double.failures["check_connection"] = backend_errors.ClusterNotActive()
    answer = refused(scene.road, "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert answer[0] == "CloudHsmClusterNotActiveException"
    assert scene.entry(store_id)["ConnectionState"] == "DISCONNECTED"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("operation", "allowed", "members"),
    [
        ("ConnectCustomKeyStore", {"CONNECTED", "CONNECTING", "DISCONNECTED"}, {}),
        ("DisconnectCustomKeyStore", {"CONNECTED", "CONNECTING", "FAILED"}, {}),
        ("DeleteCustomKeyStore", {"DISCONNECTED"}, {}),
        ("UpdateCustomKeyStore", {"DISCONNECTED"}, {"KeyStorePassword": "another one"}),
        ("UpdateCustomKeyStore", set(STATES), {"NewCustomKeyStoreName": "another one"}),
    ],
)
def test_custom_key_store_operations_go_with_these_connection_states_only(
    scene: Scene, state: str, operation: str, allowed: set[str], members: dict[str, str]
) -> None:
    """Source: CustomKeyStoreInvalidStateException in the API reference."""
    store_id = scene.in_state(state)
    if state in allowed:
        assert scene.road.call(operation, CustomKeyStoreId=store_id, **members) == {}
        return
    code, sentence = refused(scene.road, operation, CustomKeyStoreId=store_id, **members)
    assert code == "CustomKeyStoreInvalidStateException"
    assert sentence is not None
    assert sentence.endswith(f"{store_id} is {state}.")
    assert scene.entry(store_id)["ConnectionState"] == state


@pytest.mark.parametrize(
    "operation",
    ["ConnectCustomKeyStore", "DisconnectCustomKeyStore", "DeleteCustomKeyStore", "UpdateCustomKeyStore"],
)
def test_operation_on_a_custom_key_store_of_another_account_finds_none(scene: Scene, operation: str) -> None:
    store_id = scene.create(**cluster())
    members = {"NewCustomKeyStoreName": "mine"} if operation == "UpdateCustomKeyStore" else {}
    answer = refused(scene.road, operation, account=STRANGER, CustomKeyStoreId=store_id, **members)
    assert answer[0] == "CustomKeyStoreNotFoundException"


@pytest.mark.parametrize(
    ("change", "may_be_connected"),
    [
        ({"XksProxyAuthenticationCredential": CREDENTIAL}, True),
        ({"XksProxyUriPath": "/b/kms/xks/v1", "NewCustomKeyStoreName": "another one"}, True),
        ({"XksProxyUriEndpoint": "https://b.example.com"}, False),
        ({"XksProxyUriEndpoint": "https://b.example.com", "XksProxyUriPath": "/b/kms/xks/v1"}, False),
    ],
)
def test_update_of_a_connected_external_key_store_changes_credential_and_path_only(
    scene: Scene, change: dict[str, Any], may_be_connected: bool
) -> None:
    """Source: UpdateCustomKeyStore, "when the external key store is connected or disconnected"."""
    store_id = scene.connected(**proxy())
    members = {"CustomKeyStoreId": store_id, **change}
    if may_be_connected:
        assert scene.road.call("UpdateCustomKeyStore", **members) == {}
    else:
        code = refused(scene.road, "UpdateCustomKeyStore", **members)[0]
        assert code == "CustomKeyStoreInvalidStateException"
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"


def test_update_custom_key_store_changes_what_is_given_and_checks_it(scene: Scene) -> None:
    store_id = scene.create(**private())
    change = {"XksProxyConnectivity": "PUBLIC_ENDPOINT", "XksProxyUriEndpoint": "https://b.example.com"}
    scene.road.call("UpdateCustomKeyStore", CustomKeyStoreId=store_id, **change)
    assert scene.entry(store_id)["XksProxyConfiguration"] == {
        "Connectivity": "PUBLIC_ENDPOINT",
        "AccessKeyId": CREDENTIAL["AccessKeyId"],
        "UriEndpoint": "https://b.example.com",
        "UriPath": "/kms/xks/v1",
    }
    assert scene.double.calls == ["check_configuration", "check_configuration"]
    scene.double.failures["check_configuration"] = backend_errors.ProxyUnreachable()
    path = {"CustomKeyStoreId": store_id, "XksProxyUriPath": "/b/kms/xks/v1"}
    assert refused(scene.road, "UpdateCustomKeyStore", **path)[0] == "XksProxyUriUnreachableException"
    assert scene.entry(store_id)["XksProxyConfiguration"]["UriPath"] == "/kms/xks/v1"


def test_update_custom_key_store_refuses_members_of_the_other_type_taken_names_and_nothing(
    scene: Scene,
) -> None:
    store_id = scene.create(**cluster())
    scene.create(**proxy())
    of = {"CustomKeyStoreId": store_id}
    assert refused(scene.road, "UpdateCustomKeyStore", **of)[0] == "ValidationException"
    other_type = of | {"XksProxyUriPath": "/kms/xks/v1"}
    assert refused(scene.road, "UpdateCustomKeyStore", **other_type)[0] == "ValidationException"
    taken = of | {"NewCustomKeyStoreName": "proxy store"}
    assert refused(scene.road, "UpdateCustomKeyStore", **taken)[0] == "CustomKeyStoreNameInUseException"
    scene.road.call("UpdateCustomKeyStore", **of, NewCustomKeyStoreName="cluster store")  # its own


# ---------------------------------------------------------------- secrets


def test_password_and_proxy_secret_are_in_no_file_record_log_or_repr(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """They are planted, used, refused, updated, and looked for everywhere."""
    caplog.set_level(logging.DEBUG)
    road = scene.road
    hsm, external = scene.connected(**cluster()), scene.create(**proxy())
    other_credential = CREDENTIAL | {"AccessKeyId": "ABCDE2345672EXAMPLEB"}
    road.call(
        "UpdateCustomKeyStore", CustomKeyStoreId=external, XksProxyAuthenticationCredential=other_credential
    )
    refused(road, "UpdateCustomKeyStore", CustomKeyStoreId=hsm, KeyStorePassword=PASSWORD)
    for kind in (backend_errors.IncorrectTrustAnchor, KeyStoreError):
        scene.double.failures["check_configuration"] = kind()
        road.send("CreateCustomKeyStore", json.dumps(cluster("b", number=3)).encode())
    secrets = (PASSWORD.encode(), PROXY_SECRET.encode())
    files = {path: path.read_bytes() for path in scene.directory.rglob("*") if path.is_file()}
    assert any(b"cluster store" in content for content in files.values())  # the search sees the database
    for path, content in files.items():
        assert not any(secret in content for secret in secrets), path
    shown = json.dumps(road.audit.records, ensure_ascii=False) + caplog.text + repr(scene.double.seen)
    shown += json.dumps(road.call("DescribeCustomKeyStores"), ensure_ascii=False)
    assert "cluster store" in shown
    assert not any(secret.decode() in shown for secret in secrets)
    tokens = [
        token
        for store in scene.double.seen
        for token in (store.key_store_password_token, store.xks_proxy_secret_token)
        if token is not None
    ]
    assert tokens
    assert not any(token.hex() in shown or repr(token) in shown for token in tokens)


def test_records_of_custom_key_stores_name_the_store_and_no_credential(scene: Scene) -> None:
    store_id = scene.create(**proxy())
    record = scene.road.last_record
    assert record["eventName"] == "CreateCustomKeyStore"
    assert record["responseElements"] == {"customKeyStoreId": store_id}
    assert record["requestParameters"] == {
        "customKeyStoreName": "proxy store",
        "customKeyStoreType": "EXTERNAL_KEY_STORE",
        "xksProxyConnectivity": "PUBLIC_ENDPOINT",
        "xksProxyUriEndpoint": "https://proxy.example.com",
        "xksProxyUriPath": "/kms/xks/v1",
    }
