"""The secret that a server and its external key store share is in the boundaries of both, and nowhere else.

Two whole servers: a proxy, which verifies with the secret, and one that signs with it. Who told or was told
it in clear is left out: the proxy's jobs, which made the credential for an operator, and of the other server
the processes before its restart.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from tests.secrets.memory_scan import Needles
from tests.support.certificates import Authority
from tests.support.proxy_server import (
    CALLER,
    NAME,
    client_environment,
    create_credential,
    proxy_port_of,
    running_proxy,
    store_members,
    wait_for_state,
)
from tests.support.server import Server

USES = 30

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


def found_in(server: Server, needles: Needles) -> set[str]:
    """The titles of the processes that hold something of it."""
    processes = server.processes()
    assert len(processes) >= 5, processes
    return {title for title, pids in processes.items() if any(needles.find_in_process(pid) for pid in pids)}


@needs_root
def test_secret_of_an_external_key_store_is_in_two_boundaries_alone(tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificate, key = clients.issue(NAME)
    with running_proxy(tmp_path, authority, clients, None) as (proxy, _):
        credential = create_credential(tmp_path / "proxy-data")
        secret = Needles({"secret": credential["RawSecretAccessKey"].encode()})
        access_key_id = Needles({"access key id": credential["AccessKeyId"].encode()})
        environment = client_environment(
            authority, proxy_port_of(proxy),
            STRONGROOM_XKS_CLIENT_CERTIFICATE_FILE=str(certificate),
            STRONGROOM_XKS_CLIENT_KEY_FILE=str(key),
        )  # fmt: skip
        data = tmp_path / "user-data"
        with Server("--account", CALLER, data_dir=data, environment=environment) as user:
            kms = user.client()
            store_id = kms.create_custom_key_store(**store_members(credential))["CustomKeyStoreId"]
            kms.connect_custom_key_store(CustomKeyStoreId=store_id)
            wait_for_state(kms, store_id, "CONNECTED")
            place = {"CustomKeyStoreId": store_id, "Origin": "EXTERNAL_KEY_STORE"}
            key_id = kms.create_key(**place, XksKeyId="foo")["KeyMetadata"]["KeyId"]
        with Server("--account", CALLER, data_dir=data, environment=environment) as user:
            kms = user.client(retries=4)
            for number in range(USES):
                plaintext = f"text {number}".encode()
                blob = kms.encrypt(KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext
            assert found_in(user, secret) <= {"strongroom: boundary"}
            assert found_in(proxy, secret) - {"strongroom: jobs"} <= {"strongroom: boundary"}
            assert any("xks proxy" in title for title in found_in(proxy, access_key_id))
            assert any("worker" in title for title in found_in(user, access_key_id))
        logged = bytes(user.logged) + bytes(proxy.logged)
    assert secret.find_in([logged]) == Counter()
    assert secret.find_in_files(tmp_path) == {}
    assert access_key_id.find_in_files(tmp_path), "the scanner does not see into the files"
