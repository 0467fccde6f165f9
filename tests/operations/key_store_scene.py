"""A road with custom key stores, and sound requests for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.key_store_double import KeyStoreDouble
from tests.support.road import Road

from strongroom.aws.generated.enums import ConnectionErrorCodeType, CustomKeyStoreType
from strongroom.operations.key_store_backend import ConnectionFailed

STATES = ("CONNECTED", "CONNECTING", "FAILED", "DISCONNECTED", "DISCONNECTING")
PASSWORD = "pass-w0rd-planted-Zürich"
PROXY_SECRET = "PlantedRawSecretAccessKey/0123456789+abcdefgh="
CREDENTIAL = {"AccessKeyId": "ABCDE2345672EXAMPLEA", "RawSecretAccessKey": PROXY_SECRET}
SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"


class Scene:
    """A road with one double for both types."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.double = KeyStoreDouble()
        self.road = Road(directory, key_stores=dict.fromkeys(CustomKeyStoreType, self.double))

    def create(self, **members: Any) -> str:
        return str(self.road.call("CreateCustomKeyStore", **members)["CustomKeyStoreId"])

    def entry(self, store_id: str) -> dict[str, Any]:
        (entry,) = self.road.call("DescribeCustomKeyStores", CustomKeyStoreId=store_id)["CustomKeyStores"]
        return dict(entry)

    def run_jobs(self) -> None:
        self.road.wait(self.road.jobs.run_due())

    def connected(self, **members: Any) -> str:
        store_id = self.create(**members)
        self.road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id)
        self.run_jobs()
        return store_id

    def disconnect(self, store_id: str) -> None:
        self.road.call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
        self.run_jobs()

    def in_state(self, state: str) -> str:
        """A cluster's store in that connection state."""
        store_id = self.create(**cluster())
        if state == "DISCONNECTED":
            return store_id
        if state == "FAILED":
            self.double.failures["connect"] = ConnectionFailed(ConnectionErrorCodeType.USER_LOCKED_OUT)
        self.road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id)
        if state != "CONNECTING":
            self.run_jobs()
        if state == "DISCONNECTING":
            self.road.call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
        assert self.entry(store_id)["ConnectionState"] == state
        return store_id


def cluster(name: str = "cluster store", number: int = 2, **members: Any) -> dict[str, Any]:
    return {
        "CustomKeyStoreName": name,
        "CloudHsmClusterId": f"cluster-{number}a23b4cdefg",
        "TrustAnchorCertificate": "-----BEGIN CERTIFICATE-----",
        "KeyStorePassword": PASSWORD,
    } | members


def proxy(name: str = "proxy store", **members: Any) -> dict[str, Any]:
    return {
        "CustomKeyStoreName": name,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriEndpoint": "https://proxy.example.com",
        "XksProxyUriPath": "/kms/xks/v1",
        "XksProxyAuthenticationCredential": CREDENTIAL,
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    } | members


def private(name: str = "private store", **members: Any) -> dict[str, Any]:
    service = {"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyVpcEndpointServiceName": SERVICE}
    return proxy(name, **(service | members))


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in members.items() if member != name}
