"""JavaScript's clients of AWS KMS, unmodified, in node: the SDK (v3), the Encryption SDK, jose, viem.

The programs are in `javascript` beside this file. Needs node and npm, and npm's registry as the host
configures it. Without them the tests skip aloud; with CI=true they fail.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import StrictAwsKmsMasterKeyProvider
from tests.support.aws_clients import new_client
from tests.support.plain_server import serving_plainly

SOURCES = Path(__file__).with_name("javascript")


def absent(what: str) -> NoReturn:
    reason = f"JavaScript's clients were not tested: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        absent(f"there is no {name} here")
    return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs, beside installed packages."""
    directory = tmp_path_factory.mktemp("javascript")
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    command = [tool("npm"), "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=240, check=False
    )
    if installed.returncode != 0:
        absent(f"npm install failed: {installed.stderr[-400:]}")
    return directory


@pytest.fixture(scope="module")
def environment(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with serving_plainly(tmp_path_factory.mktemp("settings") / "strongroom.toml") as environment:
        yield environment


def run(program: Path, environment: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """What a program prints."""
    done = subprocess.run(
        [tool("node"), str(program), *arguments],
        cwd=program.parent,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encryption", "asymmetric", "tokens", "ethereum"])
def test_javascript_sdk(programs: Path, environment: dict[str, str], name: str) -> None:
    assert run(programs / f"{name}.mjs", environment) == "every assertion held\n"


@pytest.mark.slow
def test_javascript_and_python_encryption_sdks_open_each_others_messages(
    programs: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    kms = new_client("kms", region_name=environment["AWS_REGION"])
    first, second = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[second], botocore_session=botocore.session.Session())
    message, _ = client.encrypt(
        source=b"made by Python", key_provider=provider, encryption_context={"tenant": "rot"}
    )
    printed = run(
        programs / "envelopes.mjs", environment, first, second, stdin=base64.b64encode(message).decode()
    )
    answer = json.loads(printed)
    assert answer["opened"] == "made by Python"
    opened, header = client.decrypt(source=base64.b64decode(answer["message"]), key_provider=provider)
    assert opened == b"envelope " * 5000
    assert header.encryption_context["tenant"] == "blau"
