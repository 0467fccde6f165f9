"""What a request that is not `POST /` needs to become one of uvicorn's ASGI exchanges."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Any, cast

import httptools
from uvicorn._types import HTTPScope

from strongroom.identity.http_request import HttpRequest

REQUEST_KEY = "strongroom.request"


def asgi_scope(
    request: HttpRequest,
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
    app_state: dict[str, Any],
) -> HTTPScope:
    """The ASGI scope of a request that has been received whole.

    Raises: httptools.HttpParserInvalidURLError or UnicodeError for a target that is no path.
    """
    parsed = httptools.parse_url(request.target)
    raw_path: bytes = parsed.path or b"/"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https" if request.secure else "http",
        "path": urllib.parse.unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": parsed.query or b"",
        "root_path": "",
        "headers": request.headers,
        "client": client,
        "server": server,
        "state": app_state.copy(),
        REQUEST_KEY: request,
    }
    return cast(HTTPScope, scope)


class CalmTransport(asyncio.Transport):
    """A transport whose client may have left: what can no longer be done is not done, and nothing raises.

    Invariant: H4.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.close()

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
