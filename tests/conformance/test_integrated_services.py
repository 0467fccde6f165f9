"""Integrated services with boto3 against a whole server of several workers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conformance.test_operator_commands import shown_keys, strongroom
from tests.support.server import (
    ACCOUNT,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

CLIENTS = 12


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    data = tmp_path_factory.mktemp("services") / "data"
    with Server("--auth", "strict", "--workers", "3", environment=strict_environment(), data_dir=data) as one:
        yield one, data


def register(running: tuple[Server, Path], name: str) -> tuple[str, str]:
    return shown_keys(strongroom("service", "register", name, "--data-dir", str(running[1])).stdout)


def service_client(running: tuple[Server, Path], keys: tuple[str, str], caller: str | None = None) -> Any:
    """Signs as the service; with `caller`, forwards it."""
    client = running[0].client(access_key_id=keys[0], secret_access_key=keys[1])

    def forward(request: Any, **_: object) -> None:
        request.headers["X-Strongroom-Acting-For"] = caller

    if caller is not None:
        client.meta.events.register("before-sign.kms", forward)
    return client


def as_root(running: tuple[Server, Path], service: str = "kms") -> Any:
    return running[0].client(
        service, access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY
    )


def test_first_use_by_many_at_once_makes_one_key(running: tuple[Server, Path]) -> None:
    keys = register(running, "ssm")
    clients = [service_client(running, keys, f"{ACCOUNT}/{ACCOUNT}") for _ in range(CLIENTS)]

    def encrypt(client: Any) -> str:
        arn: str = client.encrypt(KeyId="alias/aws/ssm", Plaintext=b"x")["KeyId"]
        return arn

    with ThreadPoolExecutor(CLIENTS) as pool:
        arns = set(pool.map(encrypt, clients))
    assert len(arns) == 1
    root = as_root(running)
    aliases = [one["AliasName"] for one in root.list_aliases()["Aliases"]]
    assert aliases == ["alias/aws/ssm"]
    assert [one["KeyArn"] for one in root.list_keys()["Keys"]] == list(arns)
    (metadata,) = (root.describe_key(KeyId=arn)["KeyMetadata"] for arn in arns)
    assert (
        metadata["Description"] == "Default key that protects my SSM parameters when no other key is defined"
    )


def test_header_that_a_user_signs_is_refused(running: tuple[Server, Path]) -> None:
    iam = as_root(running, "iam")
    iam.create_user(UserName="mallory")
    made = iam.create_access_key(UserName="mallory")["AccessKey"]
    forged = service_client(running, (made["AccessKeyId"], made["SecretAccessKey"]), f"{ACCOUNT}/{ACCOUNT}")
    with pytest.raises(ClientError, match="Only an integrated service"):
        forged.list_keys()


def test_owned_keys_are_seen_by_their_service_on_every_worker(running: tuple[Server, Path]) -> None:
    keys = register(running, "sqs")
    arn = service_client(running, keys).create_key(Description="queues")["KeyMetadata"]["Arn"]
    for _ in range(6):  # connections go to any worker
        service = service_client(running, keys)
        blob = service.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
        assert service.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
        with pytest.raises(ClientError, match="AccessDenied"):
            as_root(running).describe_key(KeyId=arn)
    listed = strongroom("account", "list", "--data-dir", str(running[1])).stdout
    assert arn.split(":")[4] not in listed
