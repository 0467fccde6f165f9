"""Tests that are written in Go: built with unmodified clients, and run against a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from tests.support.aws_clients import new_client
from tests.support.certificates import Authority
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

BUILD_FLAGS = ("-vet=off", "-gcflags=all=-l -dwarf=false", "-ldflags=-s -w")
"""Nothing is inlined, nothing kept for a debugger, and modules are not vetted: 40 % less time to compile."""


def go_tests(sources: Path) -> list[str]:
    """The names of the tests in a folder, which is never empty of them."""
    names = [
        name
        for path in sorted(sources.glob("*_test.go"))
        for name in re.findall(r"^func (Test\w+)\(", path.read_text(), re.MULTILINE)
    ]
    assert names
    return names


def absent(what: str) -> NoReturn:
    """Go is not among what we install: where the host has none, its clients go untested, aloud."""
    pytest.skip(f"Go's clients were not tested: {what}")


def build(sources: Sequence[Path], directory: Path) -> Path:
    """The tests as a program, built in the directory, where go.sum is written, too."""
    go = shutil.which("go")
    if go is None:
        absent("there is no go here")
    for path in sources:
        shutil.copy(path, directory)
    environment = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [go, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )

    found = run("list", "-deps", "-test", ".")
    if found.returncode != 0:
        absent(f"the modules cannot be had: {found.stderr[-400:]}")
    built = run("test", "-c", "-o", "walk", *BUILD_FLAGS, ".")
    assert built.returncode == 0, built.stderr
    return directory / "walk"


@contextmanager
def serving(directory: Path) -> Iterator[dict[str, str]]:
    """A production server with TLS, two workers and one GetKeyLastUsage a second, as its clients know it.

    Its data and settings are in the directory, which is empty.
    """
    authority = Authority(directory)
    certificate, key = authority.issue("localhost")
    key.chmod(0o600)
    seal_directory = directory / "seal"
    seal_directory.mkdir(mode=0o700)
    settings = directory / "strongroom.toml"
    settings.write_text(
        f"""
        host = "127.0.0.1"
        port = 0
        workers = 2
        data_directory = "{directory / "data"}"
        seal_key_file = "{seal_directory / "seal.key"}"
        tls_certificate_file = "{certificate}"
        tls_key_file = "{key}"
        [request_quotas]
        GetKeyLastUsage = 1
        """
    )
    with Server("--config", str(settings), command="serve", environment=strict_environment()) as server:
        url = f"https://localhost:{server.port}"
        iam = new_client(
            "iam",
            endpoint_url=url,
            verify=str(authority.ca_file),
            region_name=REGION,
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )
        user = iam.create_user(UserName="gopher")["User"]
        access_key = iam.create_access_key(UserName="gopher")["AccessKey"]
        yield {
            "HOME": "/nonexistent",
            "SSL_CERT_FILE": str(authority.ca_file),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_KMS": url,
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "ACCOUNT": ACCOUNT,
            "USER_ARN": user["Arn"],
            "USER_ACCESS_KEY_ID": access_key["AccessKeyId"],
            "USER_SECRET_ACCESS_KEY": access_key["SecretAccessKey"],
        }


def require_pass(program: Path, environment: dict[str, str], name: str) -> None:
    """Run one of a program's tests."""
    done = subprocess.run(
        [str(program), f"-test.run=^{name}$", "-test.v", "-test.timeout=60s"],
        cwd=program.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"--- PASS: {name} " in done.stdout, done.stdout
