"""A server whose clusters are SoftHSM tokens, and what tests of CloudHSM key stores ask of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.hsm_clusters import TestCluster, write_configuration
from tests.support.server import Server
from tests.support.strength import promised

STATE = "KMSInvalidStateException"
CONTEXT = {"purpose": "test"}


class Scene:
    """A server with one or two clusters, and what the tests ask of it."""

    def __init__(self, directory: Path, *clusters: TestCluster, workers: int = 2) -> None:
        self._clients: dict[str, Any] = {}
        self.cluster, self.clusters = clusters[0], clusters
        configuration = write_configuration(directory, *clusters)
        self.server = Server(
            "--workers", str(workers), "--config", str(configuration), data_dir=directory / "data"
        )

    @property
    def kms(self) -> Any:
        """One client for all threads: to make one takes as long as many requests."""
        if self.server.url not in self._clients:
            self._clients = {self.server.url: self.server.client()}
        return self._clients[self.server.url]

    def entry(self, store_id: str) -> dict[str, Any]:
        (entry,) = self.kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
        return dict(entry)

    def settle(self, store_id: str) -> tuple[str, str | None]:
        """The connection state when nothing is under way any more, and the error code."""
        deadline = time.monotonic() + 60
        while (entry := self.entry(store_id))["ConnectionState"] in ("CONNECTING", "DISCONNECTING"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return entry["ConnectionState"], entry.get("ConnectionErrorCode")

    def create(self, cluster: TestCluster | None = None, name: str = "store", **members: Any) -> str:
        made = self.kms.create_custom_key_store(**(cluster or self.cluster).store_members(name, **members))
        return str(made["CustomKeyStoreId"])

    def connect(self, store_id: str) -> tuple[str, str | None]:
        self.kms.connect_custom_key_store(CustomKeyStoreId=store_id)
        return self.settle(store_id)

    def disconnect(self, store_id: str) -> None:
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
        assert self.settle(store_id) == ("DISCONNECTED", None)

    def connected(self, cluster: TestCluster | None = None, name: str = "store") -> str:
        store_id = self.create(cluster, name)
        assert self.connect(store_id) == ("CONNECTED", None)
        return store_id

    def create_key(self, store_id: str) -> str:
        made = self.kms.create_key(CustomKeyStoreId=store_id, Origin="AWS_CLOUDHSM")
        return str(made["KeyMetadata"]["KeyId"])

    def encrypt(self, key_id: str) -> bytes:
        answer = self.kms.encrypt(KeyId=key_id, Plaintext=b"text", EncryptionContext=CONTEXT)
        return bytes(answer["CiphertextBlob"])

    def decrypt(self, blob: bytes) -> bytes:
        return bytes(self.kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"])

    def decrypt_after_a_kill(self, blob: bytes) -> bytes:
        """No request fails because a process was killed, where the next one comes within the three seconds
        for which a request waits. Among other tests that may take longer, and the caller asks again."""
        deadline = time.monotonic() + promised(0.0, among_others=60.0)
        while True:
            try:
                return self.decrypt(blob)
            except self.kms.exceptions.KMSInvalidStateException:
                if time.monotonic() > deadline:
                    raise

    def hsm_pid(self, cluster: TestCluster | None = None) -> int:
        return self.server.pid_of(f"strongroom: hsm {(cluster or self.cluster).cluster_id}")

    def key_labels(self) -> dict[str, str]:
        """What the token holds, read by another process."""
        return dict(line.split() for line in self.cluster.ask_token("list").splitlines())


def error_of(call: Any, **members: Any) -> tuple[str, str]:
    """The code and the sentence of the refusal that this call must be."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def code_of(call: Any, **members: Any) -> str:
    """The code of the refusal that this call must be."""
    return error_of(call, **members)[0]
