"""A real external key store proxy, small: the API over real TLS, real AES-256-GCM, and every misbehaviour.

It verifies signatures with botocore, which shares no line with the client under test.
"""

from __future__ import annotations

import base64
import datetime
import hmac
import json
import os
import re
import socket
import ssl
import threading
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.certificates import Authority

ACCESS_KEY_ID = "ABCDE2345672EXAMPLEA"
SECRET = "PlantedRawSecretAccessKey/0123456789+abcdefgh="
PATH = "/tenant-1/kms/xks/v1"
HOST = "localhost"
ERROR_STATUS = {
    "ValidationException": 400,
    "InvalidStateException": 400,
    "InvalidCiphertextException": 400,
    "InvalidKeyUsageException": 400,
    "AuthenticationFailedException": 401,
    "AccessDeniedException": 403,
    "KeyNotFoundException": 404,
    "InvalidUriPathException": 404,
    "ThrottlingException": 429,
    "InternalException": 500,
    "UnsupportedOperationException": 501,
    "DependencyTimeoutException": 503,
}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[A-Z2-7]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/kms-xks-proxy/"
    r"aws4_request, SignedHeaders=host;x-amz-date, Signature=(?P<signature>[0-9a-f]{64})"
)
HEALTH = {
    "xksProxyFleetSize": 1,
    "xksProxyVendor": "tests",
    "xksProxyModel": "tests 1",
    "ekmVendor": "tests",
    "ekmFleetDetails": [{"id": "1", "model": "tests", "healthStatus": "ACTIVE"}],
}


class ProxyError(Exception):
    """An error of the proxy API, by its name."""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class XksProxy:
    """A context manager. `mode` says how it misbehaves, `errors` which path ends get an error instead."""

    def __init__(self, directory: Path, client_authority: Path | None = None) -> None:
        self.mode = "honest"
        self.errors: dict[str, str] = {}
        self.credentials = {ACCESS_KEY_ID: SECRET}
        self.keys = {name: AESGCM(os.urandom(32)) for name in ("key-1", "key-2", "key.3_A")}
        self.metadata: dict[str, Any] = {
            "keySpec": "AES_256",
            "keyUsage": ["ENCRYPT", "DECRYPT", "WRAP"],
            "keyStatus": "ENABLED",
        }
        self.health: dict[str, Any] = HEALTH
        self.ciphertext_metadata = b"version=1"
        self.iv_bytes = 12
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.plaintexts: list[bytes] = []
        """What it was given to encrypt."""
        self.connections = 0
        authority = Authority(directory)
        self.ca_file = authority.ca_file
        self.released = threading.Event()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*authority.issue(HOST))
        if client_authority is not None:
            tls.load_verify_locations(client_authority)
            tls.verify_mode = ssl.CERT_REQUIRED
        proxy = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                stream, address = super().get_request()
                proxy.connections += 1
                return stream, address

            def finish_request(self, request: Any, client_address: Any) -> None:
                if proxy.mode == "no-tls":
                    request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    return
                with tls.wrap_socket(request, server_side=True) as stream:
                    Handler(stream, client_address, self)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up is no trouble."""

        class Handler(_Handler):
            of = proxy

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def store_members(self, **members: Any) -> dict[str, Any]:
        """CreateCustomKeyStore for this proxy."""
        return {
            "CustomKeyStoreName": "proxy store",
            "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
            "XksProxyUriEndpoint": f"https://{HOST}",
            "XksProxyUriPath": PATH,
            "XksProxyAuthenticationCredential": {
                "AccessKeyId": ACCESS_KEY_ID,
                "RawSecretAccessKey": SECRET,
            },
            "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        } | members

    # the API

    def answer(self, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        """The answer to a request. Raises ProxyError."""
        self._verify_signature(path, headers, body)
        if not path.startswith(PATH + "/"):
            raise ProxyError("InvalidUriPathException")
        parts = path.removeprefix(PATH + "/").split("/")
        request = json.loads(body)
        self.requests.append((parts[-1], request))
        if parts[-1] in self.errors:
            raise ProxyError(self.errors[parts[-1]])
        if parts == ["health"]:
            return self.health
        key = self.keys.get(parts[1])
        if len(parts) != 3 or parts[0] != "keys" or key is None:
            raise ProxyError("KeyNotFoundException")
        if parts[2] == "metadata":
            return self.metadata
        aad = base64.b64decode(request["additionalAuthenticatedData"])
        return self._encrypt(key, request, aad) if parts[2] == "encrypt" else self._decrypt(key, request, aad)

    def _verify_signature(self, path: str, headers: Any, body: bytes) -> None:
        match = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        timestamp = headers.get("X-Amz-Date", "")
        if match is None or match["id"] not in self.credentials or timestamp[:8] != match["date"]:
            raise ProxyError("AuthenticationFailedException")
        sent = datetime.datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        request = AWSRequest("POST", f"https://{headers['Host']}{path}", {"X-Amz-Date": timestamp}, body)
        request.context["timestamp"] = timestamp
        auth = SigV4Auth(
            Credentials(match["id"], self.credentials[match["id"]]), "kms-xks-proxy", match["region"]
        )
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        is_recent = abs(datetime.datetime.now(datetime.UTC) - sent) < datetime.timedelta(minutes=5)
        if not is_recent or not hmac.compare_digest(expected, match["signature"]):
            raise ProxyError("AuthenticationFailedException")

    def _bound(self, aad: bytes, metadata: bytes) -> bytes:
        if not metadata:
            return aad
        return len(aad).to_bytes(2, "big") + aad + bytes([len(metadata)]) + metadata

    def _encrypt(self, key: AESGCM, request: dict[str, Any], aad: bytes) -> dict[str, Any]:
        plaintext = base64.b64decode(request["plaintext"])
        self.plaintexts.append(plaintext)
        metadata, iv = self.ciphertext_metadata, os.urandom(self.iv_bytes)
        sealed = key.encrypt(iv, plaintext, self._bound(aad, metadata))
        ciphertext, tag = sealed[:-16], sealed[-16:]
        if self.mode == "lies about the tag":
            tag = bytes(16)
        value = sha256(aad + metadata + iv + ciphertext + tag).digest()
        if self.mode == "wrong integrity value":
            value = bytes(32)
        if self.mode == "encrypts nothing":
            ciphertext = plaintext
            value = sha256(aad + metadata + iv + ciphertext + tag).digest()
        answer = {
            "ciphertext": _text(ciphertext),
            "initializationVector": _text(iv),
            "authenticationTag": _text(tag),
            "ciphertextDataIntegrityValue": _text(value),
        }
        if metadata:
            answer["ciphertextMetadata"] = _text(metadata)
        return answer

    def _decrypt(self, key: AESGCM, request: dict[str, Any], aad: bytes) -> dict[str, Any]:
        ciphertext = base64.b64decode(request["ciphertext"])
        if self.mode == "lies about the plaintext":
            return {"plaintext": _text(os.urandom(len(ciphertext)))}
        if self.mode == "gives the last plaintext":
            return {"plaintext": _text(self.plaintexts[-1])}
        if self.mode == "short plaintext":
            return {"plaintext": _text(self.plaintexts[-1][:-1])}
        metadata = base64.b64decode(request.get("ciphertextMetadata", ""))
        iv, tag = (
            base64.b64decode(request[member]) for member in ("initializationVector", "authenticationTag")
        )
        try:
            plaintext = key.decrypt(iv, ciphertext + tag, self._bound(aad, metadata))
        except InvalidTag:
            raise ProxyError("InvalidCiphertextException") from None
        return {"plaintext": _text(plaintext)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: XksProxy
    timeout = 30
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mode = self.of.mode
        if mode == "slow":
            time.sleep(0.4)
        if mode == "hangs":
            self.of.released.wait(30)
            self.close_connection = True
            return
        try:
            status, answer = 200, self.of.answer(self.path, self.headers, body)
        except ProxyError as error:
            name = str(error)
            status, answer = ERROR_STATUS[name], {"errorName": name, "errorMessage": "planted message"}
        data = json.dumps(answer).encode()
        if mode == "drips":
            for byte in _whole(_JSON, data):
                self.wfile.write(bytes((byte,)))
                self.wfile.flush()
                if self.of.released.wait(0.02):
                    break
            return
        if mode in _WHOLE_ANSWERS:
            self.wfile.write(_WHOLE_ANSWERS[mode])
            self.close_connection = True
            return
        if mode == "wrong status":
            status = 201 if status == 200 else 418
        if mode == "closes early":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
            )
            self.wfile.write(data[:10])
            self.close_connection = True
            return
        if mode == "closes at once":
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if mode == "wrong type" else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        if mode == "says more later":
            self.wfile.flush()
            time.sleep(0.1)
            unasked = b'{"errorName": "AccessDeniedException"}'
            self.wfile.write(_whole(b"403 Forbidden\r\nContent-Type: application/json", unasked))
        self.close_connection = mode == "closes after each answer"


def _whole(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


_JSON = b"200 OK\r\nContent-Type: application/json"
_WHOLE_ANSWERS = {
    "html": _whole(b"200 OK\r\nContent-Type: text/html", b"<html>Sign in</html>"),
    "redirect": _whole(b"307 Temporary Redirect\r\nLocation: https://localhost/", b""),
    "huge body": _whole(_JSON, b'{"plaintext": "' + b"A" * 1_000_000 + b'"}'),
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 0123456789\r\n" * 50_000,
    "list": _whole(_JSON, b"[]"),
    "null": _whole(_JSON, b"null"),
    "empty": _whole(_JSON, b""),
    "deep": _whole(_JSON, b"[" * 60_000),
    "wrong types": _whole(
        _JSON,
        b'{"ciphertext": 1, "plaintext": [], "keySpec": {}, "xksProxyFleetSize": "1", "errorName": null}',
    ),
    "not base64": _whole(
        _JSON,
        b'{"plaintext": "A*==", "ciphertext": "\\u0000", "initializationVector": "AAAA", '
        b'"authenticationTag": "AAAA", "ciphertextDataIntegrityValue": "AAAA"}',
    ),
    "not http": b"SSH-2.0-OpenSSH_9.9\r\n" * 10,
    "two answers": _whole(_JSON, b"{}") + _whole(_JSON, b"{}"),
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
}

HOSTILE_MODES = (
    *_WHOLE_ANSWERS,
    "wrong status",
    "wrong type",
    "closes early",
    "closes at once",
)
"""Each makes any request fail as an answer that cannot be interpreted."""
