"""Java's clients of AWS KMS, unmodified: both SDKs, the Encryption SDK, the S3 Encryption Client, Tink.

The tests themselves are in Java, in `java` beside this file; each class there is one of those here. They
download 53 MB where nothing is there yet, so only `make torture` asks for them (JAVA_CLIENTS=all). Needs a
JDK, Maven, and its artifacts as the host configures them. Without them the tests skip aloud.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import StrictAwsKmsMasterKeyProvider
from tests.support.aws_clients import new_client
from tests.support.tls_server import serving_with_tls

if os.environ.get("JAVA_CLIENTS") != "all":
    pytest.skip("clients in Java are tried by make torture", allow_module_level=True)

SOURCES = Path(__file__).with_name("java")
CLASSES = sorted(path.stem for path in SOURCES.glob("*Test.java"))
TRUST_STORE_PASSWORD = "changeit"


def absent(what: str) -> NoReturn:
    pytest.skip(f"Java's clients were not tested: {what}")


def run(
    command: Sequence[str],
    directory: Path,
    *,
    environment: dict[str, str] | None = None,
    stdin: str = "",
    timeout_seconds: int = 180,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled tests, and the clients, which Maven has put where it keeps what it downloads."""
    for tool in ("java", "javac", "keytool", "mvn"):
        if shutil.which(tool) is None:
            absent(f"there is no {tool} here")
    directory = tmp_path_factory.mktemp("java")
    shutil.copy(SOURCES / "pom.xml", directory)
    listing = directory / "class_path.txt"
    resolve = ["mvn", "--batch-mode", "dependency:build-classpath", f"-Dmdep.outputFile={listing}"]
    resolved = run(resolve, directory, timeout_seconds=540)
    if resolved.returncode != 0:
        absent(f"the artifacts cannot be had: {resolved.stdout.partition('[ERROR]')[2][:400]}")
    clients = listing.read_text()
    sources = [str(path) for path in SOURCES.glob("*.java")]
    classes = str(directory / "classes")
    compiled = run(
        ["javac", "--release", "17", "-proc:none", "-d", classes, "-cp", clients, *sources], directory
    )
    assert compiled.returncode == 0, compiled.stderr
    return os.pathsep.join([classes, clients])


@pytest.fixture(scope="module")
def environment(class_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with serving_with_tls(tmp_path_factory.mktemp("production")) as environment:
        yield environment


@pytest.fixture(scope="module")
def java(class_path: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Java as a command that trusts the server's authority."""
    directory = tmp_path_factory.mktemp("trust")
    trusted = str(directory / "trusted.p12")
    certificate = environment["SSL_CERT_FILE"]
    store = ["-keystore", trusted, "-storetype", "PKCS12", "-storepass", TRUST_STORE_PASSWORD]
    imported = run(["keytool", "-importcert", "-noprompt", "-file", certificate, *store], directory)
    assert imported.returncode == 0, imported.stdout
    return [
        str(shutil.which("java")),
        "-XX:TieredStopAtLevel=1",
        "-Duser.home=/nonexistent",
        f"-Djavax.net.ssl.trustStore={trusted}",
        f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        "-cp",
        class_path,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_java_sdk(java: list[str], environment: dict[str, str], tmp_path: Path, name: str) -> None:
    launcher = ["org.junit.platform.console.ConsoleLauncher", "execute", "--fail-if-no-tests"]
    options = ["--disable-banner", "--disable-ansi-colors", "--details=tree"]
    select = ["--select-class", f"conformance.{name}"]
    done = run([*java, *launcher, *options, *select], tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_java_and_python_encryption_sdks_open_each_others_messages(
    java: list[str], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CA_BUNDLE", environment["SSL_CERT_FILE"])
    key = new_client("kms", region_name=environment["AWS_REGION"]).create_key()["KeyMetadata"]["Arn"]
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[key], botocore_session=botocore.session.Session())
    message, _ = client.encrypt(
        source=b"made by Python", key_provider=provider, encryption_context={"tenant": "rot"}
    )
    done = run(
        [*java, "conformance.Envelopes", key],
        tmp_path,
        environment=environment,
        stdin=base64.b64encode(message).decode(),
    )
    assert done.returncode == 0, done.stderr
    found, made = done.stdout.splitlines()
    assert found == "made by Python"
    opened, header = client.decrypt(source=base64.b64decode(made), key_provider=provider)
    assert opened == b"envelope " * 5000
    assert header.encryption_context["tenant"] == "blau"
