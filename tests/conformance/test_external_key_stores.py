"""External key stores with a whole server, boto3, and a real proxy over TLS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import Server
from tests.support.xks_proxy import SECRET, XksProxy


def environment_of(proxy: XksProxy) -> dict[str, str]:
    return {
        "STRONGROOM_XKS_CA_FILE": str(proxy.ca_file),
        "STRONGROOM_XKS_PRIVATE_ADDRESSES": "true",
        "STRONGROOM_XKS_PORT": str(proxy.port),
        "STRONGROOM_XKS_TIMEOUT_MILLISECONDS": "5000",
    }


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[XksProxy]:
    with XksProxy(tmp_path) as proxy:
        yield proxy


def entry_of(kms: Any, store_id: str) -> dict[str, Any]:
    (entry,) = kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
    return dict(entry)


def state_after(kms: Any, store_id: str, passing: str) -> str:
    """The connection state when it is `passing` no more."""
    deadline = time.monotonic() + 20
    while (state := entry_of(kms, store_id)["ConnectionState"]) == passing:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return str(state)


def code_of(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


def test_external_key_store_lives_from_create_to_delete(tmp_path: Path, proxy: XksProxy) -> None:
    data = tmp_path / "data"
    with Server("--workers", "2", data_dir=data, environment=environment_of(proxy)) as server:
        kms = server.client()
        store_id = kms.create_custom_key_store(**proxy.store_members())["CustomKeyStoreId"]
        kms.connect_custom_key_store(CustomKeyStoreId=store_id)
        assert state_after(kms, store_id, "CONNECTING") == "CONNECTED"
        place = {"CustomKeyStoreId": store_id, "Origin": "EXTERNAL_KEY_STORE"}
        key_id = kms.create_key(XksKeyId="key-1", **place)["KeyMetadata"]["KeyId"]
        assert code_of(kms.create_key, XksKeyId="key-1", **place) == "XksKeyAlreadyInUseException"
        assert code_of(kms.create_key, XksKeyId="none", **place) == "XksKeyNotFoundException"
        described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        assert described["XksKeyConfiguration"] == {"Id": "key-1"}

        context = {"purpose": "test"}
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"text", EncryptionContext=context)["CiphertextBlob"]
        for _ in range(4):  # whichever worker
            answer = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
            assert answer["Plaintext"] == b"text"
        data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
        again = kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"]
        assert again == data_key["Plaintext"]
        proxy.mode = "lies about the plaintext"
        invalid = "KMSInvalidStateException"
        decrypt = {"CiphertextBlob": blob, "EncryptionContext": context}
        assert code_of(kms.decrypt, **decrypt) == invalid
        proxy.mode = "honest"

        kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
        assert code_of(kms.decrypt, **decrypt) == invalid
        assert state_after(kms, store_id, "DISCONNECTING") == "DISCONNECTED"
        proxy.mode = "html"
        kms.connect_custom_key_store(CustomKeyStoreId=store_id)
        assert state_after(kms, store_id, "CONNECTING") == "FAILED"
        assert entry_of(kms, store_id)["ConnectionErrorCode"] == "XKS_PROXY_INVALID_RESPONSE"
        proxy.mode = "honest"
        kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
        assert state_after(kms, store_id, "DISCONNECTING") == "DISCONNECTED"
        assert code_of(kms.delete_custom_key_store, CustomKeyStoreId=store_id) == (
            "CustomKeyStoreHasCMKsException"
        )
        assert SECRET.encode() not in server.logged
    for file in data.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_server_without_settings_for_it_connects_to_no_private_address(proxy: XksProxy) -> None:
    with Server(environment={"STRONGROOM_XKS_PORT": str(proxy.port)}) as server:
        code = code_of(server.client().create_custom_key_store, **proxy.store_members())
    assert code == "XksProxyUriUnreachableException"
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "Cannot read xks_ca_file"), (b"no certificate", "must be certificates in PEM")],
    ids=["missing", "no PEM"],
)
def test_start_with_unusable_authorities_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RuntimeError, match=sentence):
        Server(environment={"STRONGROOM_XKS_CA_FILE": str(file)}).start()
