"""The AWS CLI (version 1, from PyPI), unmodified, in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import ACCOUNT, REGION, Server

AWS = Path(sys.executable).with_name("aws")


def aws(server: Server, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `aws` against the server with nothing but environment variables."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL_KMS": server.url,
        "AWS_ENDPOINT_URL_STS": server.url,
        "AWS_ENDPOINT_URL_IAM": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        [sys.executable, str(AWS), *arguments, "--output", "json"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


def answer(server: Server, *arguments: str) -> Any:
    return json.loads(aws(server, *arguments).stdout)


def test_aws_cli_main_job_round_trip(server: Server, tmp_path: Path) -> None:
    key_id = answer(server, "kms", "create-key", "--description", "cli")["KeyMetadata"]["KeyId"]
    plaintext = tmp_path / "plaintext"
    plaintext.write_bytes(b"from the command line")
    sealed = answer(
        server, "kms", "encrypt", "--key-id", key_id, "--plaintext", f"fileb://{plaintext}",
        "--encryption-context", "purpose=cli",
    )  # fmt: skip
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = answer(
        server,
        "kms",
        "decrypt",
        "--ciphertext-blob",
        f"fileb://{blob}",
        "--encryption-context",
        "purpose=cli",
    )
    assert base64.b64decode(opened["Plaintext"]) == b"from the command line"
    aws(server, "kms", "create-alias", "--alias-name", f"alias/cli-{key_id}", "--target-key-id", key_id)
    assert (
        answer(server, "kms", "describe-key", "--key-id", f"alias/cli-{key_id}")["KeyMetadata"]["KeyId"]
        == key_id
    )
    assert answer(server, "sts", "get-caller-identity")["Account"] == ACCOUNT


def test_aws_cli_refusal_shows_the_sentence(server: Server) -> None:
    absent = "00000000-0000-4000-8000-000000000000"
    refused = aws(server, "kms", "describe-key", "--key-id", absent, check=False)
    assert refused.returncode in (254, 255)  # version 2, version 1
    assert f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{absent}' does not exist" in refused.stderr


@pytest.mark.parametrize("command", [("s3", "ls"), ("dynamodb", "list-tables"), ("ec2", "describe-vpcs")])
def test_aws_cli_other_service_gets_a_quick_well_formed_error(
    server: Server, command: tuple[str, ...]
) -> None:
    refused = aws(server, *command, "--endpoint-url", server.url, check=False)
    assert refused.returncode in (1, 254, 255)
    assert "An error occurred (" in refused.stderr, refused.stderr


def test_aws_cli_manages_users_groups_and_access_keys(server: Server) -> None:
    user = answer(
        server, "iam", "create-user", "--user-name", "cli-user", "--path", "/cli/",
        "--tags", "Key=Team,Value=billing",
    )["User"]  # fmt: skip
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/cli/cli-user"
    aws(server, "iam", "wait", "user-exists", "--user-name", "cli-user")
    aws(server, "iam", "create-group", "--group-name", "cli-group")
    aws(server, "iam", "add-user-to-group", "--group-name", "cli-group", "--user-name", "cli-user")
    members = answer(server, "iam", "get-group", "--group-name", "cli-group")["Users"]
    assert [member["UserName"] for member in members] == ["cli-user"]
    key = answer(server, "iam", "create-access-key", "--user-name", "cli-user")["AccessKey"]
    listed = answer(server, "iam", "list-access-keys", "--user-name", "cli-user", "--max-items", "1")
    assert [one["AccessKeyId"] for one in listed["AccessKeyMetadata"]] == [key["AccessKeyId"]]
    kept = aws(server, "iam", "delete-user", "--user-name", "cli-user", check=False)
    assert "(DeleteConflict)" in kept.stderr
    assert "Cannot delete entity, must remove users from group first." in kept.stderr
    aws(server, "iam", "remove-user-from-group", "--group-name", "cli-group", "--user-name", "cli-user")
    aws(
        server, "iam", "delete-access-key", "--user-name", "cli-user", "--access-key-id", key["AccessKeyId"]
    )  # fmt: skip
    aws(server, "iam", "update-user", "--user-name", "cli-user", "--new-user-name", "cli-renamed")
    aws(server, "iam", "delete-user", "--user-name", "cli-renamed")
    aws(server, "iam", "delete-group", "--group-name", "cli-group")
    gone = aws(server, "iam", "get-user", "--user-name", "cli-renamed", check=False)
    assert "(NoSuchEntity)" in gone.stderr
