"""What the operator does at the command line, against a real server."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    STRONGROOM,
    Server,
)

from strongroom.administration.messages import NewAccessKey

ENVIRONMENT = {
    "STRONGROOM_ROOT_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
    "STRONGROOM_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    data = tmp_path_factory.mktemp("data") / ("a" * 120)  # a socket's path could not be that long
    with Server("--auth", "strict", environment=ENVIRONMENT, data_dir=data) as running:
        yield running, data


def strongroom(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STRONGROOM), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def shown_keys(output: str) -> tuple[str, str]:
    found = re.search(r"AWS_ACCESS_KEY_ID=(\S+)\nexport AWS_SECRET_ACCESS_KEY=(\S+)\n", output)
    assert found is not None, output
    return found[1], found[2]


def client(server: Server, service: str, credentials: tuple[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
    )


def records(data: Path, name: str) -> list[dict[str, Any]]:
    lines = [
        line for file in sorted((data / "audit").glob("*.jsonl")) for line in file.read_text().split("\n")
    ]
    return [event for line in lines if f'"{name}"' in line for event in [json.loads(line)]]


def test_account_create_gives_a_root_whose_keys_are_its_own(server: tuple[Server, Path]) -> None:
    running, data = server
    made = strongroom("account", "create", "--name", "Payments", "--data-dir", str(data))
    assert made.returncode == 0, made.stderr
    credentials = shown_keys(made.stdout)
    who = client(running, "sts", credentials).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{who['Account']}:root"
    kms = client(running, "kms", credentials)
    key = kms.create_key()["KeyMetadata"]
    assert key["AWSAccountId"] == who["Account"]
    other = client(running, "kms", (ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY))
    with pytest.raises(ClientError, match="AccessDenied"):
        other.describe_key(KeyId=key["Arn"])
    listed = strongroom("account", "list", "--data-dir", str(data))
    assert re.search(rf"^{who['Account']}  \S+Z  Payments$", listed.stdout, re.M)


def test_account_create_of_one_that_is_there_is_refused(server: tuple[Server, Path]) -> None:
    _, data = server
    arguments = ("account", "create", "--name", "Twice", "--id", "123456789012", "--data-dir", str(data))
    assert strongroom(*arguments).returncode == 0
    again = strongroom(*arguments)
    assert again.returncode == 254
    assert again.stderr == "strongroom: There is an account 123456789012 already.\n"
    assert again.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(("--name", "x", "--id", "12"), "An account id has 12 digits.", id="id"),
        pytest.param(("--name", ""), "1 to 50 printable ASCII characters", id="empty name"),
        pytest.param(("--name", "a\nb"), "1 to 50 printable ASCII characters", id="line end"),
    ],
)
def test_account_create_with_bad_input_is_refused(
    server: tuple[Server, Path], arguments: tuple[str, ...], sentence: str
) -> None:
    refused = strongroom("account", "create", *arguments, "--data-dir", str(server[1]))
    assert refused.returncode == 254
    assert sentence in refused.stderr


def test_replace_root_key_ends_the_older_one_at_once(server: tuple[Server, Path]) -> None:
    running, data = server
    made = strongroom("account", "create", "--name", "Old", "--data-dir", str(data))
    before = shown_keys(made.stdout)
    account_id = client(running, "sts", before).get_caller_identity()["Account"]
    after = shown_keys(strongroom("account", "replace-root-key", account_id, "--data-dir", str(data)).stdout)
    assert client(running, "sts", after).get_caller_identity()["Account"] == account_id
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(running, "sts", before).get_caller_identity()


def test_service_register_and_list(server: tuple[Server, Path]) -> None:
    _, data = server
    first = strongroom("service", "register", "s3", "--data-dir", str(data))
    second = strongroom("service", "register", "s3.amazonaws.com", "--data-dir", str(data))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    listed = strongroom("service", "list", "--data-dir", str(data)).stdout
    assert re.search(rf"^s3\.amazonaws\.com  \S+Z  {shown_keys(second.stdout)[0]}$", listed, re.M), listed
    assert shown_keys(first.stdout)[0] not in listed
    refused = strongroom("service", "register", "kms", "--data-dir", str(data))
    assert (refused.returncode, refused.stderr) == (254, "strongroom: kms is this server itself.\n")


def test_commands_are_recorded_without_the_secret(server: tuple[Server, Path]) -> None:
    _, data = server
    made = strongroom("account", "create", "--name", "Recorded", "--data-dir", str(data))
    access_key_id, secret = shown_keys(made.stdout)
    (event,) = (
        event for event in records(data, "CreateAccount") if event["requestParameters"]["name"] == "Recorded"
    )
    assert event["userIdentity"]["type"] == "Operator"
    assert event["eventSource"] == "strongroom"
    assert event["responseElements"]["accessKeyId"] == access_key_id
    assert not [file for file in data.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


def test_socket_is_for_the_servers_user_alone_and_survives_nonsense(server: tuple[Server, Path]) -> None:
    _, data = server
    path = data / "operator.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    directory = os.open(data, os.O_RDONLY)
    for line in (b"\n", b"{}\n", b'{"type":"CreateAccount"}\n', b"x" * 70_000 + b"\n", b"[" * 60_000 + b"\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(15)
            connection.connect(f"/proc/self/fd/{directory}/operator.sock")
            try:
                connection.sendall(line)
                answer = connection.recv(65_536)
            except ConnectionError:
                answer = b""
        assert answer == b"" or json.loads(answer)["type"] == "Refused"
    os.close(directory)
    assert strongroom("account", "list", "--data-dir", str(data)).returncode == 0


def test_command_without_a_server_says_so(tmp_path: Path) -> None:
    refused = strongroom("account", "list", "--data-dir", str(tmp_path))
    assert refused.returncode == 255
    assert "No server answers in" in refused.stderr


def test_repr_of_a_new_access_key_hides_its_secret() -> None:
    assert "hidden" not in repr(NewAccessKey("1", "AKIA", "hidden"))


def test_key_usage_and_schedule_deletion_show_who_used_the_key(server: tuple[Server, Path]) -> None:
    running, data = server
    credentials = (ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
    kms = client(running, "kms", credentials)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for _ in range(2):
        kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"tenant": "a"})
    shown = strongroom("key", "usage", key_id, "--days", "1", "--data-dir", str(data))
    assert re.search(r"  Encrypt +2 +0 +arn:aws:iam::000000000000:root  tenant$", shown.stdout, re.M), shown
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_KMS": running.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": credentials[0],
        "AWS_SECRET_ACCESS_KEY": credentials[1],
    }

    def schedule(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(STRONGROOM), "key", "schedule-deletion", key_id, "--data-dir", str(data), *more],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )

    unasked = schedule()
    assert (unasked.returncode, "Nothing was scheduled" in unasked.stderr) == (1, True)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
    done = schedule("--yes", "--pending-window-days", "7")
    assert done.returncode == 0, done.stderr
    assert "tenant" in done.stdout
    assert "is PendingDeletion, to be deleted on" in done.stdout
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    again = schedule("--yes")
    assert (again.returncode, "KMSInvalidStateException" in again.stderr) == (254, True)
