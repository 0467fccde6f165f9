"""The incoming half of an HTTP connection: bytes are gathered into whole requests, within limits.

Derived from uvicorn's protocol; httptools (llhttp) calls the `on_` methods while it is fed. A request in
one piece costs nothing but those calls; one that comes in pieces is bounded and timed as well.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire import http_response
from strongroom.wire.front_desk import FrontDesk
from strongroom.wire.request_head import RequestRefusedError, require_sound_head


class Phase(enum.Enum):
    """How far the request now arriving has come."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


BETWEEN, HEAD, BODY = Phase.BETWEEN, Phase.HEAD, Phase.BODY


class InputOverError(Exception):
    """Raised out of a parser callback: nothing more of this connection's input is wanted."""


class RequestGatherer(HttpToolsProtocol):
    """Puts each whole request into `_queue`; or a refusal into `_refusal`, after which nothing is read.

    Invariant: H1 (input is bounded), H2 (a request has one reading).
    Concurrency: one event loop.
    """

    # Slots, because more attributes than a shared-key dict holds would slow every access.
    __slots__ = (
        "_body",
        "_continue_due",
        "_deadline",
        "_desk",
        "_fed_bytes",
        "_fields",
        "_header_count",
        "_headers",
        "_input_over",
        "_keep_alive",
        "_limits",
        "_method",
        "_phase",
        "_queue",
        "_refusal",
        "_secure",
        "_slice_bytes",
        "_source_ip",
        "_target",
        "_timed_phase",
        "_unusual",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        desk: FrontDesk,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # INVARIANT H2: no leniency (uvicorn sets one), so nothing is read after `Connection: close`.
        self.parser = httptools.HttpRequestParser(self)
        self._desk = desk
        self._limits = desk.limits
        self._slice_bytes = desk.limits.slice_bytes
        self._source_ip = ""
        self._secure = False
        # The request now arriving.
        self._phase = BETWEEN
        self._method = "POST"
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        self._keep_alive = True
        self._body: bytes | bytearray = b""
        self._header_count = 0
        self._fed_bytes = 0
        self._timed_phase = BETWEEN
        self._continue_due = False
        # What became of those before it.
        self._queue: deque[tuple[HttpRequest, bool]] = deque()
        """Whole requests, and whether the connection stays open after each."""
        self._refusal: Answer | None = None
        self._input_over = False
        self._unusual = False
        """Something other than one whole request has happened: `_settle` (fast_lane.py) looks into it."""
        self._deadline = desk.now + self._limits.keep_alive_seconds

    def on_message_begin(self) -> None:
        if self._input_over:
            raise InputOverError
        self._phase = HEAD
        self._target = b""
        self._headers = []
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        parser, headers = self.parser, self._headers
        self._phase = BODY
        self._header_count = len(headers)
        self._keep_alive = parser.should_keep_alive()
        self._fields = fields = dict(headers)
        if (
            parser.get_method() == b"POST"
            and self._keep_alive  # so it is HTTP/1.1
            and b"connection" not in fields
            and b"transfer-encoding" not in fields
            and b"host" in fields
            and len(fields) == len(headers) <= self._limits.header_count_max
            and not self._fed_bytes
        ):
            self._method = "POST"
        else:
            self._examine_head()

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._limits.body_bytes_max:
            self._refuse(http_response.body_too_large(self._limits.body_bytes_max))
            raise InputOverError
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytes):  # a bytearray grows in place: no quadratic cost for tiny pieces
            self._body = bytearray(self._body) + body
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self._phase = BETWEEN
        if self._fed_bytes:
            self._release_partial()
        if len(self._headers) != self._header_count:  # INVARIANT H2: no header field after the head
            self._refuse(http_response.malformed("Trailer fields are not taken."))
            raise InputOverError
        body = self._body
        request = HttpRequest(
            self._method,
            self._target,
            self._headers,
            body if type(body) is bytes else bytes(body),
            self._source_ip,
            self._secure,
            self._fields,
        )
        self._queue.append((request, self._keep_alive))
        if not self._keep_alive:
            self._input_over = True
            self._unusual = True

    def _feed(self, data: bytes) -> None:
        if self._input_over:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._input_over:
                self._refuse(http_response.malformed(f"Malformed HTTP request: {error}."))
        except httptools.HttpParserUpgrade:  # unreached: _examine_head refuses what asks for one
            self._refuse(http_response.malformed("This server does not upgrade connections."))
        if self._phase is not BETWEEN and not self._input_over:
            self._note_partial(len(data))

    def _examine_head(self) -> None:
        """The slow look at a head that is not the everyday one."""
        parser = self.parser
        self._method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        self._keep_alive = self._keep_alive and version == "1.1"
        upgrade = parser.should_upgrade()
        try:
            require_sound_head(self._headers, self._target, version, upgrade, self._limits)
        except RequestRefusedError as refused:
            self._refuse(refused.answer)
            raise

    def _note_partial(self, fed_bytes: int) -> None:
        """Bound and time a request that did not arrive in one piece."""
        limits = self._limits
        self._fed_bytes += fed_bytes
        self._desk.buffered_bytes += fed_bytes
        self._unusual = True
        # The first piece may have held other requests too: that much is allowed on top.
        head_bytes_max = limits.header_bytes_max + self._slice_bytes
        if self._phase is HEAD:
            if self._fed_bytes > head_bytes_max:
                sentence = f"The request head is larger than {limits.header_bytes_max} bytes."
                self._refuse(http_response.head_too_large(sentence))
        elif self._timed_phase is not BODY:
            self._begin_body()
        # INVARIANT H1: chunk extensions and trailers cost memory or time but are no body. The most that
        # honest framing can cost is 6 bytes for each byte, when every chunk holds one.
        if self._phase is BODY and self._fed_bytes > 2 * head_bytes_max + 6 * len(self._body):
            self._refuse(http_response.malformed("The chunked framing is larger than the body."))
        if self._desk.buffered_bytes > limits.buffered_bytes_max:
            self._refuse(http_response.too_busy())
        if self._timed_phase is not self._phase:
            self._timed_phase = self._phase
            self._deadline = self._desk.now + limits.request_seconds_max

    def _begin_body(self) -> None:
        """The head is there and the body is not: what it announces may be answered already."""
        fields = dict(self._headers)
        if int(fields.get(b"content-length", b"0")) > self._limits.body_bytes_max:
            self._refuse(http_response.body_too_large(self._limits.body_bytes_max))
        elif fields.get(b"expect", b"").lower() == b"100-continue":
            self._continue_due = not self._body and self.parser.get_http_version() == "1.1"

    def _release_partial(self) -> None:
        self._desk.buffered_bytes -= self._fed_bytes
        self._fed_bytes = 0
        self._timed_phase = BETWEEN
        self._continue_due = False

    def _refuse(self, answer: Answer) -> None:
        """Take no more input; answer what was asked before, then this, then close."""
        if self._refusal is None:
            self._refusal = answer
        self._input_over = True
        self._unusual = True
        self._unparsed = b""
        self._body = b""
        self._phase = BETWEEN
        self._release_partial()
