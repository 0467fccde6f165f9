"""MongoDB's client-side field level encryption (PyMongo and libmongocrypt), unmodified, over TLS.

libmongocrypt signs the requests and reads the answers itself, and PyMongo carries them. No MongoDB runs
here: a list of documents stands for its key vault.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.binary import UUID_SUBTYPE
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.encryption import ClientEncryption
from pymongo.encryption_shared import Algorithm
from pymongo.errors import EncryptionError
from tests.support.certificates import Authority
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

HOST = "127.0.0.1"
"""libmongocrypt refuses a host without a dot."""


class Vault:
    """The key vault collection, as far as explicit encryption asks it."""

    def __init__(self) -> None:
        self.documents: list[RawBSONDocument] = []

    def insert_one(self, document: RawBSONDocument) -> None:
        self.documents.append(document)

    @contextlib.contextmanager
    def find(self, _: RawBSONDocument) -> Iterator[list[RawBSONDocument]]:
        yield self.documents


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[Server]:
    certificate, key_file = authority.issue(HOST)
    key_file.chmod(0o600)
    tls = {"STRONGROOM_TLS_CERTIFICATE_FILE": str(certificate), "STRONGROOM_TLS_KEY_FILE": str(key_file)}
    with Server("--auth", "strict", environment={**strict_environment(), **tls}) as server:
        yield server


@pytest.fixture
def kms(tls_server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    tls_server.url = f"https://{HOST}:{tls_server.port}"
    return tls_server.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)


@contextlib.contextmanager
def encryption(vault: Vault, ca_file: Path, secret: str = ROOT_SECRET_ACCESS_KEY) -> Iterator[Any]:
    """A client with an empty cache of data keys."""
    client: Any = MongoClient("mongodb://localhost:1", connect=False)
    made: Any = ClientEncryption(
        {"aws": {"accessKeyId": ROOT_ACCESS_KEY_ID, "secretAccessKey": secret}},
        "encryption.keys",
        client,
        CodecOptions(),
        kms_tls_options={"aws": {"tlsCAFile": str(ca_file), "tlsDisableOCSPEndpointCheck": True}},
    )
    with client, made:
        made._io_callbacks.key_vault_coll = vault
        yield made


def test_mongodb_data_key_is_wrapped_here_and_opened_by_another_client(
    tls_server: Server, authority: Authority, kms: Any
) -> None:
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    master_key = {"region": REGION, "key": arn, "endpoint": f"{HOST}:{tls_server.port}"}
    vault = Vault()
    with encryption(vault, authority.ca_file) as writer:
        data_key = writer.create_data_key("aws", master_key=master_key)
        assert data_key.subtype == UUID_SUBTYPE
        deterministic = Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic
        sealed = [writer.encrypt(value, deterministic, key_id=data_key) for value in ("blau", 7)]
        random = Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random
        sealed.append(writer.encrypt({"a": [1, "ä"]}, random, key_id=data_key))
    (document,) = vault.documents
    stored = bson.decode(document.raw)
    assert stored["masterKey"] == {"provider": "aws", **master_key}
    wrapped = kms.decrypt(CiphertextBlob=bytes(stored["keyMaterial"]))
    assert (wrapped["KeyId"], len(wrapped["Plaintext"])) == (arn, 96)
    with encryption(vault, authority.ca_file) as reader:
        assert [reader.decrypt(value) for value in sealed] == ["blau", 7, {"a": [1, "ä"]}]
    kms.disable_key(KeyId=arn)
    with (
        encryption(vault, authority.ca_file) as reader,
        pytest.raises(EncryptionError, match="DisabledException"),
    ):
        reader.decrypt(sealed[0])


def test_mongodb_with_a_wrong_secret_is_refused(tls_server: Server, authority: Authority, kms: Any) -> None:
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    master_key = {"region": REGION, "key": arn, "endpoint": f"{HOST}:{tls_server.port}"}
    vault = Vault()
    with (
        encryption(vault, authority.ca_file, secret="wrong") as writer,
        pytest.raises(EncryptionError, match="InvalidSignatureException"),
    ):
        writer.create_data_key("aws", master_key=master_key)
    assert vault.documents == []
