"""The seal program's KMS client before a server that lies or redirects: a sentence, and nothing believed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from strongroom.boundary.seal.kms_client import (
    ANSWER_BYTES_MAX,
    Credentials,
    KmsClient,
    credentials_of,
    parse_credentials,
)
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token")

Answering = Callable[[int, bytes, dict[str, str]], tuple[KmsClient, list[BaseHTTPRequestHandler]]]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A server on loopback that always gives one answer, and a client of it."""
    servers: list[HTTPServer] = []

    def start(
        status: int, body: bytes, headers: dict[str, str]
    ) -> tuple[KmsClient, list[BaseHTTPRequestHandler]]:
        seen: list[BaseHTTPRequestHandler] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                seen.append(self)
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return KmsClient(f"http://127.0.0.1:{server.server_port}", CREDENTIALS), seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "sentence"),
    [
        (200, b"<html>hello</html>", {}, "gave no answer of a KMS"),
        (200, b"{}", {}, "gave no answer of a KMS"),
        (200, b'{"Plaintext": 7}', {}, "gave no answer of a KMS"),
        (200, b'{"Plaintext": "!!"}', {}, "gave no answer of a KMS"),
        (200, b"[" * 50_000, {}, "gave no answer of a KMS"),
        (200, b"x" * (ANSWER_BYTES_MAX + 1), {}, "too long"),
        (200, b"{}", {"content-length": "99"}, "gave no answer of a KMS"),
        (302, b"", {"location": "http://127.0.0.1:1/"}, "answers with a redirect .HTTP status 302."),
        (400, b'{"__type": "AccessDeniedException"}', {}, "refused Decrypt with AccessDeniedException"),
        (400, b'{"__type": "x#DisabledException"}', {}, "refused Decrypt with DisabledException"),
        (400, b'{"__type": "Bad\\u001b[31m"}', {}, "refused Decrypt with an error without a name"),
        (500, b"", {}, "gave no answer of a KMS"),
    ],
)
def test_answer_that_is_none_is_refused_in_a_sentence(
    answering: Answering, status: int, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    client, seen = answering(status, body, headers)
    with pytest.raises(SealRefused, match=f"{sentence}.*Nothing was changed"):
        client.decrypt(KEY_ARN, b"blob", {"a": "b"})
    assert len(seen) == 1


@pytest.mark.parametrize("code", ["InvalidCiphertextException", "IncorrectKeyException"])
def test_ciphertext_that_the_kms_does_not_open_is_a_slot_that_does_not(
    answering: Answering, code: str
) -> None:
    client, _ = answering(400, f'{{"__type": "{code}"}}'.encode(), {})
    with pytest.raises(SlotDoesNotOpen):
        client.decrypt(KEY_ARN, b"blob", {})


def test_request_signs_its_target_and_token_and_holds_no_secret(answering: Answering) -> None:
    client, seen = answering(200, b'{"Plaintext": "AAEC"}', {})
    assert client.decrypt(KEY_ARN, b"blob", {}) == bytes(range(3))
    fields = seen[0].headers
    assert (
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"
        in fields["authorization"]
    )
    assert fields["x-amz-target"] == "TrentService.Decrypt"
    assert CREDENTIALS.secret_access_key not in str(fields)
    assert CREDENTIALS.secret_access_key not in repr(CREDENTIALS)


def test_kms_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(SealRefused, match=r"cannot be reached \(Connection refused\)"):
        KmsClient("http://127.0.0.1:1", CREDENTIALS).encrypt(KEY_ARN, b"key", {})


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://kms.example.com", "http://10.0.0.1", "ftp://127.0.0.1", "https://", "kms.example.com",
        "https://user@kms.example.com", "https://kms.example.com/path", "https://kms.example.com?x=y",
        "https://kms.example.com:99999", "https://[::1",
    ],
)  # fmt: skip
def test_endpoint_without_tls_or_with_more_than_a_host_is_refused(endpoint: str) -> None:
    with pytest.raises(SealRefused, match="must be https://"):
        KmsClient(endpoint, CREDENTIALS)


def test_authorities_that_are_none_are_refused() -> None:
    with pytest.raises(SealRefused, match="certificates in PEM"):
        KmsClient("https://kms.example.com", CREDENTIALS, "nonsense")


@pytest.mark.parametrize(
    "text",
    ["", "aws_access_key_id = x", "[other]\na = b", "[default]\naws_access_key_id = x", "[default\n",
     "[default]\naws_access_key_id = x y\naws_secret_access_key = z"],
)  # fmt: skip
def test_credentials_file_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SealRefused, match="credentials") as refused:
        parse_credentials(text)
    assert "x y" not in str(refused.value)


def test_credentials_of_a_file_and_of_the_environment() -> None:
    file = "[default]\naws_access_key_id = AKID\naws_secret_access_key = se%cret\n[x]\nregion = y\n"
    assert parse_credentials(file) == Credentials("AKID", "se%cret")
    names = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    assert credentials_of(names) == Credentials("AKID", "secret", "token")
    assert credentials_of({}) is None
