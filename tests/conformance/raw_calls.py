"""Calls without an SDK: one fresh connection each, so that any worker may get it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.server import ACCOUNT, REGION, Server

AMZ_JSON = "application/x-amz-json-1.1"


def open_authorization(account: str = ACCOUNT, region: str = REGION, service: str = "kms") -> str:
    """Credentials in form only: for servers that run with --auth open."""
    scope = f"{account}/20260101/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An HTTP answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        """AWS's name of the error; None for a success."""
        return None if self.status == 200 else str(self.content["__type"])


def send(
    server: Server,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> RawAnswer:
    """One request over a connection of its own."""
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return RawAnswer(response.status, fields, response.read())
    finally:
        connection.close()


def call(server: Server, operation: str, **members: Any) -> RawAnswer:
    """One KMS operation with open credentials."""
    headers = {
        "X-Amz-Target": f"TrentService.{operation}",
        "Content-Type": AMZ_JSON,
        "Authorization": open_authorization(),
    }
    return send(server, "POST", "/", json.dumps(members).encode(), headers)


def control(server: Server, name: str, **members: Any) -> RawAnswer:
    """One of the development controls."""
    return send(server, "POST", f"/_strongroom/{name}", json.dumps(members).encode())
