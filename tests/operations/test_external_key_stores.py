"""External key stores before a real proxy: made, connected, and every way in which a proxy fails."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.operations.external_key_scene import ExternalScene
from tests.operations.key_store_scene import private
from tests.operations.road_requests import refused
from tests.support.strength import promised
from tests.support.xks_proxy import ACCESS_KEY_ID, HOSTILE_MODES, SECRET, XksProxy

KEY = {"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "key-1"}


def create_refused(external: ExternalScene, **members: Any) -> str:
    code = refused(external.road, "CreateCustomKeyStore", **external.proxy.store_members(**members))[0]
    assert external.road.call("DescribeCustomKeyStores")["CustomKeyStores"] == []
    return code


def test_create_asks_the_proxy_for_its_health_in_the_name_of_the_request(external: ExternalScene) -> None:
    external.create()
    ((what, request),) = external.proxy.requests
    record = external.road.audit.records[-1]
    assert what == "health"
    assert request == {
        "requestMetadata": {"kmsOperation": "CreateCustomKeyStore", "kmsRequestId": record["requestID"]}
    }
    assert SECRET not in str(external.road.audit.records)


def test_connect_and_disconnect_of_a_sound_proxy_end_in_their_states(external: ExternalScene) -> None:
    store_id = external.create()
    assert external.connect(store_id) == "CONNECTED"
    assert external.proxy.requests[-1][1]["requestMetadata"]["kmsOperation"] == "ConnectCustomKeyStore"
    external.disconnect(store_id)
    assert external.entry(store_id)["ConnectionState"] == "DISCONNECTED"


@pytest.mark.parametrize("mode", HOSTILE_MODES)
def test_create_and_connect_of_a_proxy_that_answers_nonsense_are_refused(
    external: ExternalScene, mode: str
) -> None:
    external.proxy.mode = mode
    assert create_refused(external) == "XksProxyInvalidResponseException"
    external.proxy.mode = "honest"
    store_id = external.create()
    external.proxy.mode = mode
    assert external.connect(store_id) == "FAILED"
    assert external.entry(store_id)["ConnectionErrorCode"] == "XKS_PROXY_INVALID_RESPONSE"


@pytest.mark.parametrize(
    ("error", "of_create", "of_connect", "of_key"),
    [
        ("AuthenticationFailedException", "XksProxyIncorrectAuthenticationCredentialException",
         "XKS_PROXY_ACCESS_DENIED", "CustomKeyStoreInvalidStateException"),
        ("AccessDeniedException", "XksProxyInvalidResponseException", "XKS_PROXY_ACCESS_DENIED",
         "KMSInvalidStateException"),
        ("InvalidUriPathException", "XksProxyInvalidConfigurationException",
         "XKS_PROXY_INVALID_CONFIGURATION", "CustomKeyStoreInvalidStateException"),
        ("DependencyTimeoutException", "XksProxyUriUnreachableException", "XKS_PROXY_TIMED_OUT",
         "CustomKeyStoreInvalidStateException"),
        ("ThrottlingException", "XksProxyUriUnreachableException", "XKS_PROXY_NOT_REACHABLE",
         "CustomKeyStoreInvalidStateException"),
        ("InternalException", "XksProxyInvalidResponseException", "XKS_PROXY_INVALID_RESPONSE",
         "CustomKeyStoreInvalidStateException"),
        ("ValidationException", "XksProxyInvalidResponseException", "XKS_PROXY_INVALID_RESPONSE",
         "CustomKeyStoreInvalidStateException"),
        ("InvalidStateException", "XksProxyInvalidResponseException", "XKS_PROXY_INVALID_RESPONSE",
         "XksKeyInvalidConfigurationException"),
        ("KeyNotFoundException", "XksProxyInvalidResponseException", "XKS_PROXY_INVALID_RESPONSE",
         "XksKeyNotFoundException"),
        ("UnsupportedOperationException", "XksProxyInvalidResponseException",
         "XKS_PROXY_INVALID_RESPONSE", "XksKeyInvalidConfigurationException"),
    ],
)  # fmt: skip
def test_error_of_the_proxy_is_told_as_the_operation_names_it(
    external: ExternalScene, error: str, of_create: str, of_connect: str, of_key: str
) -> None:
    proxy = external.proxy
    proxy.errors = {"health": error, "metadata": error}
    assert create_refused(external) == of_create
    proxy.errors = {"metadata": error}
    store_id = external.connected()
    code, sentence = refused(external.road, "CreateKey", CustomKeyStoreId=store_id, **KEY)
    assert code == of_key
    assert "planted message" not in str(sentence)  # "KMS will not include the errorMessage"
    external.disconnect(store_id)
    proxy.errors = {"health": error}
    assert external.connect(store_id) == "FAILED"
    assert external.entry(store_id)["ConnectionErrorCode"] == of_connect


@pytest.mark.parametrize("mode", ["slow", "hangs", "drips"])
def test_proxy_that_does_not_answer_in_time_is_given_up_in_time(external: ExternalScene, mode: str) -> None:
    store_id = external.create()
    external.rebuild(timeout_seconds=0.25)
    external.proxy.mode = mode
    before = time.monotonic()
    assert external.connect(store_id) == "FAILED"
    assert time.monotonic() - before < promised(2.0, among_others=10.0)
    assert external.entry(store_id)["ConnectionErrorCode"] == "XKS_PROXY_TIMED_OUT"
    members = external.proxy.store_members(CustomKeyStoreName="b", XksProxyUriPath="/b/kms/xks/v1")
    code, sentence = refused(external.road, "CreateCustomKeyStore", **members)
    assert code == "XksProxyUriUnreachableException"
    assert str(sentence).startswith("AWS KMS rejected the request because the external key store proxy did")


def test_proxy_with_a_certificate_of_nobody_known_is_refused(external: ExternalScene) -> None:
    other_directory = external.road.directory / "other"
    other_directory.mkdir()
    other = XksProxy(other_directory)  # another test CA
    other._server.server_close()
    external.rebuild(ca_file=other.ca_file)
    code, sentence = refused(external.road, "CreateCustomKeyStore", **external.proxy.store_members())
    assert code == "XksProxyUriUnreachableException"
    assert str(sentence).startswith("AWS KMS cannot establish a TLS connection")
    external.rebuild()
    store_id = external.create()
    external.rebuild(ca_file=other.ca_file)
    assert external.connect(store_id) == "FAILED"
    assert external.entry(store_id)["ConnectionErrorCode"] == "XKS_PROXY_INVALID_TLS_CONFIGURATION"
    assert [what for what, _ in external.proxy.requests] == ["health"]  # of the create that succeeded


def test_proxy_without_tls_or_of_another_name_is_told_nothing(external: ExternalScene) -> None:
    external.proxy.mode = "no-tls"
    assert create_refused(external) == "XksProxyUriUnreachableException"
    external.proxy.mode = "honest"
    address = {"XksProxyUriEndpoint": "https://127.0.0.1"}  # the certificate is for localhost
    assert create_refused(external, **address) == "XksProxyUriUnreachableException"
    assert external.proxy.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "0.0.0.0", "2130706433"])
def test_private_address_is_never_connected_to_unless_allowed(external: ExternalScene, host: str) -> None:
    external.rebuild(private_addresses=False)
    endpoint = {"XksProxyUriEndpoint": f"https://{host}"}
    assert create_refused(external, **endpoint) == "XksProxyUriUnreachableException"
    assert external.proxy.connections == 0


def test_endpoint_service_of_a_vpc_is_not_found(external: ExternalScene) -> None:
    code = refused(external.road, "CreateCustomKeyStore", **private())[0]
    assert code == "XksProxyVpcEndpointServiceNotFoundException"


def test_proxy_that_is_gone_is_not_reachable(external: ExternalScene, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with XksProxy(gone) as other:
        port = other.port
    external.proxy.port, port = port, external.proxy.port
    external.rebuild()
    assert create_refused(external) == "XksProxyUriUnreachableException"
    nowhere = {"XksProxyUriEndpoint": "https://no-such-host.invalid"}
    assert create_refused(external, **nowhere) == "XksProxyUriUnreachableException"


def test_credential_is_rotated_by_update(external: ExternalScene) -> None:
    store_id = external.connected()
    external.disconnect(store_id)
    secret = "B" * 43
    fresh = {"AccessKeyId": "BBBBBBBBBBBBBBBBBBBB", "RawSecretAccessKey": secret}
    update: dict[str, Any] = {"CustomKeyStoreId": store_id, "XksProxyAuthenticationCredential": fresh}
    code = refused(external.road, "UpdateCustomKeyStore", **update)[0]
    assert code == "XksProxyIncorrectAuthenticationCredentialException"
    external.proxy.credentials = {ACCESS_KEY_ID: SECRET, fresh["AccessKeyId"]: secret}
    external.road.call("UpdateCustomKeyStore", **update)
    assert external.proxy.requests[-1][1]["requestMetadata"]["kmsOperation"] == "UpdateCustomKeyStore"
    external.proxy.credentials = {fresh["AccessKeyId"]: secret}
    assert external.connect(store_id) == "CONNECTED"
    assert external.entry(store_id)["XksProxyConfiguration"]["AccessKeyId"] == fresh["AccessKeyId"]


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"keySpec": "AES_128"}, "XksKeyInvalidConfigurationException"),
        ({"keyStatus": "DISABLED"}, "XksKeyInvalidConfigurationException"),
        ({"keyUsage": ["ENCRYPT"]}, "XksKeyInvalidConfigurationException"),
        ({"keyUsage": []}, "XksKeyInvalidConfigurationException"),
        ({"keyStatus": "enabled"}, "CustomKeyStoreInvalidStateException"),
        ({"keyUsage": ["ENCRYPT", "DECRYPT"] * 6}, "CustomKeyStoreInvalidStateException"),
        ({"keyUsage": "ENCRYPT,DECRYPT"}, "CustomKeyStoreInvalidStateException"),
    ],
)
def test_create_key_of_an_unfit_external_key_is_refused(
    external: ExternalScene, metadata: dict[str, Any], code: str
) -> None:
    store_id = external.connected()
    external.proxy.metadata |= metadata
    assert refused(external.road, "CreateKey", CustomKeyStoreId=store_id, **KEY)[0] == code
    assert external.road.call("ListKeys")["Keys"] == []


@pytest.mark.parametrize("xks_key_id", ["no-such-key", ".", ".."])
def test_create_key_of_an_external_key_that_is_not_there_is_refused(
    external: ExternalScene, xks_key_id: str
) -> None:
    members = KEY | {"CustomKeyStoreId": external.connected(), "XksKeyId": xks_key_id}
    assert refused(external.road, "CreateKey", **members)[0] == "XksKeyNotFoundException"


def test_requests_share_a_connection_and_survive_its_end(external: ExternalScene) -> None:
    store_id = external.connected()
    external.create_key(store_id)
    assert external.proxy.connections == 1
    external.proxy.mode = "closes after each answer"
    external.create_key(store_id, "key-2")
    external.create_key(store_id, "key.3_A")
    assert external.proxy.connections == 2
