"""Signed calls, many at once and cheap: what a client does, without a client library's cost.

One connection each, kept alive. Answers are told by their outcome; nothing is retried.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode

TIMEOUT_SECONDS: Final = 60
QUERY_VERSIONS: Final = {"iam": "2010-05-08", "sts": "2011-06-15"}
_CODE = re.compile(rb"<Code>([A-Za-z.]+)</Code>")
_TYPE = re.compile(rb'"__type": ?"(?:[^"#]*#)?([A-Za-z.]+)"')


class RoundOver(Exception):
    """A call that the rest of a round depends on was not answered as it should."""


@dataclass
class Caller:
    """One connection of one identity to one Region. Counts each call by operation and outcome."""

    port: int
    access_key_id: str
    secret: str
    region: str
    session_token: str = ""
    counted: Counter[str] = field(default_factory=Counter)
    _keys: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    _stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def kms(self, operation: str, **members: Any) -> dict[str, Any] | None:
        """A call of KMS; None when it was refused. Bytes are sent as base64."""
        status, body = await self.send("kms", operation, json.dumps(members, default=_text).encode())
        return json.loads(body) if status == 200 and body else {} if status == 200 else None

    async def need(self, operation: str, **members: Any) -> dict[str, Any]:
        """The same. Raises RoundOver when it was refused."""
        answer = await self.kms(operation, **members)
        if answer is None:
            raise RoundOver(operation)
        return answer

    async def query(self, service: str, operation: str, **members: str) -> bytes | None:
        """A call of IAM or STS; the document, or None when it was refused."""
        form = {"Action": operation, "Version": QUERY_VERSIONS[service], **members}
        status, body = await self.send(service, operation, urlencode(form, quote_via=quote).encode())
        return body if status == 200 else None

    async def send(
        self, service: str, operation: str, body: bytes, *, is_signed: bool = True
    ) -> tuple[int, bytes]:
        """Any body, well signed or not; status and body, status 0 when the connection ended."""
        request = self._render(service, operation, body, is_signed=is_signed)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status, answer = await self._exchange(request)
        except (OSError, EOFError, TimeoutError):
            self.close()
            status, answer = 0, b""
        found = (_TYPE if service == "kms" else _CODE).search(answer) if status != 200 else None
        outcome = "ok" if status == 200 else found[1].decode() if found else f"status {status}"
        self.counted[f"{operation}: {outcome}"] += 1
        return status, answer

    def close(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._stream is None:
            self._stream = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        reader, writer = self._stream
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(head[9:12]), body

    def _render(self, service: str, operation: str, body: bytes, *, is_signed: bool) -> bytes:
        """Source: IAM User Guide, "Create a signed AWS API request"."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        region = self.region if service == "kms" else "us-east-1"
        kind = "x-amz-json-1.1" if service == "kms" else "x-www-form-urlencoded; charset=utf-8"
        headers = {"content-type": f"application/{kind}", "host": f"127.0.0.1:{self.port}", "x-amz-date": now}
        if service == "kms":
            headers["x-amz-target"] = f"TrentService.{operation}"
        if self.session_token:
            headers["x-amz-security-token"] = self.session_token
            headers = dict(sorted(headers.items()))
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        names = ";".join(headers)
        canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{region}/{service}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = self._signing_key(now[:8], region, service)
        signature = hmac.digest(key if is_signed else bytes(32), to_sign.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key_id}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST / HTTP/1.1\r\n{sent}content-length: {len(body)}\r\n\r\n".encode() + body

    def _signing_key(self, date: str, region: str, service: str) -> bytes:
        key = self._keys.get((date, region, service))
        if key is None:
            key = b"AWS4" + self.secret.encode()
            for part in (date, region, service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._keys[date, region, service] = key
        return key


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value))
