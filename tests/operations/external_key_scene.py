"""A road with external key stores: the real client before a real proxy over TLS."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.support.road import Road
from tests.support.xks_proxy import XksProxy

from strongroom.aws.generated.enums import CustomKeyStoreType
from strongroom.clock import HostClock
from strongroom.external_key_store.backend import ExternalKeyStores, build_tls_context
from strongroom.external_key_store.https_client import HttpsClient
from strongroom.operations.key_store_backend import KeyStoreBackend


class ExternalScene:
    """A context manager is what its `proxy` and `road` are; see the fixture `external`."""

    def __init__(self, directory: Path, proxy: XksProxy) -> None:
        self.proxy = proxy
        key_stores: dict[CustomKeyStoreType, KeyStoreBackend] = {}
        self.road = Road(directory, key_stores=key_stores)
        self._key_stores = key_stores
        self.rebuild()

    def rebuild(
        self, *, timeout_seconds: float = 5.0, private_addresses: bool = True, ca_file: Path | None = None
    ) -> None:
        """Another client, as after a start with other settings."""
        client = HttpsClient(
            partial(build_tls_context, ca_file or self.proxy.ca_file),
            timeout_seconds=timeout_seconds,
            private_addresses=private_addresses,
        )
        self.backend = ExternalKeyStores(self.road.boundary, HostClock(), client, self.proxy.port)
        self._key_stores[CustomKeyStoreType.EXTERNAL_KEY_STORE] = self.backend

    def create(self, **members: Any) -> str:
        made = self.road.call("CreateCustomKeyStore", **self.proxy.store_members(**members))
        return str(made["CustomKeyStoreId"])

    def entry(self, store_id: str) -> dict[str, Any]:
        (entry,) = self.road.call("DescribeCustomKeyStores", CustomKeyStoreId=store_id)["CustomKeyStores"]
        return dict(entry)

    def connect(self, store_id: str) -> str:
        """Returns the state that it ends in."""
        self.road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id)
        self.road.wait(self.road.jobs.run_due())
        return str(self.entry(store_id)["ConnectionState"])

    def disconnect(self, store_id: str) -> None:
        self.road.call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
        self.road.wait(self.road.jobs.run_due())

    def connected(self) -> str:
        store_id = self.create()
        assert self.connect(store_id) == "CONNECTED"
        return store_id

    def create_key(self, store_id: str, xks_key_id: str = "key-1") -> dict[str, Any]:
        return self.road.create_key(
            CustomKeyStoreId=store_id, Origin="EXTERNAL_KEY_STORE", XksKeyId=xks_key_id
        )
