"""The KMS slot over real TLS: another Strongroom, and servers that are none, hang, or are somebody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from tests.support.certificates import Authority
from tests.support.seal_commands import PASSPHRASE, make_seal, run_strongroom
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

from strongroom.boundary.seal.kms_client import Credentials, KmsClient
from strongroom.boundary.seal.refusal import SealRefused

HOST = "localhost"
KEY_ARN = f"arn:aws:kms:{REGION}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CREDENTIALS = Credentials(ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

Conversation = Callable[[ssl.SSLSocket], None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.contextmanager
def _tls_server(certificate: tuple[Path, Path], converse: Conversation) -> Iterator[str]:
    """A TLS server on loopback, and its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    converse(tls)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://{HOST}:{listening.getsockname()[1]}"
    finally:
        listening.close()


def _answer(content: bytes) -> Conversation:
    def converse(tls: ssl.SSLSocket) -> None:
        while not tls.recv(65536).endswith(b"}"):
            pass
        tls.sendall(content)

    return converse


def _drip(tls: ssl.SSLSocket) -> None:
    """A byte now and then: no single read ever takes long."""
    for byte in b"HTTP/1.1 200 OK\r\nX-More: " + b"x" * 10_000:
        tls.sendall(bytes((byte,)))
        time.sleep(0.05)


def _refusal(url: str, authorities: str, seconds_max: float = 10.0) -> str:
    with pytest.raises(SealRefused) as refused:
        KmsClient(url, CREDENTIALS, authorities, seconds_max).decrypt(KEY_ARN, b"blob", {"a": "b"})
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(HTML, "gave no answer of a KMS (HTTP status 200)"), (REDIRECT, "redirect (HTTP status 302)")],
    ids=["html", "redirect"],
)
def test_kms_that_is_none_over_tls_is_a_sentence(authority: Authority, content: bytes, sentence: str) -> None:
    with _tls_server(authority.issue(HOST), _answer(content)) as url:
        assert sentence in _refusal(url, authority.ca_file.read_text())


@pytest.mark.parametrize(
    ("subject", "days", "trusts", "sentence"),
    [
        (HOST, 1, "another", "is not trusted here; name its authorities"),
        (HOST, -1, "tests", "has expired"),
        ("kms.example.com", 1, "tests", "for another name than the endpoint's"),
    ],
    ids=["wrong-authority", "expired", "another-name"],
)
def test_certificate_that_is_not_the_kms_s_is_refused_before_anything_is_sent(
    authority: Authority, tmp_path: Path, subject: str, days: int, trusts: str, sentence: str
) -> None:
    received: list[bytes] = []
    trusted = authority if trusts == "tests" else Authority(tmp_path, trusts)
    certificate = authority.issue(subject, days=days)
    with _tls_server(certificate, lambda tls: received.append(tls.recv(65536))) as url:
        assert sentence in _refusal(url, trusted.ca_file.read_text())
    assert not any(received)


def test_kms_that_drips_or_hangs_holds_nobody_longer_than_the_deadline(authority: Authority) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # accepts, and never speaks TLS
    with _tls_server(authority.issue(HOST), _drip) as url, silent:
        for endpoint in (url, f"https://{HOST}:{silent.getsockname()[1]}"):
            client = KmsClient(endpoint, CREDENTIALS, authority.ca_file.read_text(), seconds_max=1.0)
            begun = time.monotonic()
            for _ in range(5):  # as many slots: the time is for all of them
                with pytest.raises(SealRefused, match="has not answered within 1 seconds"):
                    client.decrypt(KEY_ARN, b"blob", {})
            assert time.monotonic() - begun < 5.0


def test_server_opens_its_seal_over_tls_at_another_strongroom_and_shows_no_credentials(
    authority: Authority, tmp_path: Path
) -> None:
    """They come from the file that the settings name, or the operator's environment, and go nowhere."""
    certificate, key_file = authority.issue(HOST)
    key_file.chmod(0o600)
    data, credentials = tmp_path / "data", tmp_path / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id = {ROOT_ACCESS_KEY_ID}\n"
        f"aws_secret_access_key = {ROOT_SECRET_ACCESS_KEY}\n"
    )
    credentials.chmod(0o600)
    tls = {"STRONGROOM_TLS_CERTIFICATE_FILE": str(certificate), "STRONGROOM_TLS_KEY_FILE": str(key_file)}
    with Server(
        "--auth", "strict", data_dir=tmp_path / "other", environment={**strict_environment(), **tls}
    ) as other:
        url = f"https://{HOST}:{other.port}"
        kms = boto3.session.Session().client(
            "kms", endpoint_url=url, region_name=REGION, verify=str(authority.ca_file),
            aws_access_key_id=ROOT_ACCESS_KEY_ID, aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )  # fmt: skip
        key = kms.create_key()["KeyMetadata"]["Arn"]
        ca = ("--kms-ca-file", str(authority.ca_file))
        flags = ("--kms-endpoint", url, "--kms-credentials-file", str(credentials))
        make_seal(data, "--kms-key", key, *flags, *ca, secrets={"--passphrase-fd": PASSPHRASE})
        from_environment = run_strongroom(
            "seal", "verify", "--data-dir", data, "--kms-endpoint", url, *ca,
            environment={
                "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY
            },
        )  # fmt: skip
        assert "1 of 2 slots opened" in from_environment.stdout
        untrusted = run_strongroom("seal", "verify", "--data-dir", data, *flags)
        assert "name its authorities (--kms-ca-file)" in untrusted.stdout
        settings = {
            "STRONGROOM_SEAL_KMS_ENDPOINT": url,
            "STRONGROOM_SEAL_KMS_CREDENTIALS_FILE": str(credentials),
            "STRONGROOM_SEAL_KMS_CA_FILE": str(authority.ca_file),
        }
        seen = _CommandLines()
        with seen, Server(data_dir=data, environment=settings) as server:
            server.client().create_key()
        assert any(b"strongroom: seal" in line for line in seen.lines)  # the program was caught at its work
        secret = ROOT_SECRET_ACCESS_KEY.encode()
        assert not any(secret in line for line in seen.lines)
        assert secret not in server.logged
        assert secret not in other.logged
        said = from_environment.stdout + from_environment.stderr + untrusted.stdout + untrusted.stderr
        assert ROOT_SECRET_ACCESS_KEY not in said
        for file in (path for path in data.rglob("*") if path.is_file()):
            assert secret not in file.read_bytes()


class _CommandLines(threading.Thread):
    """Reads the command line of every process again and again; a context manager."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.lines: set[bytes] = set()
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.wait(0.005):
            for entry in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    self.lines.add((entry / "cmdline").read_bytes())

    def __enter__(self) -> _CommandLines:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()
