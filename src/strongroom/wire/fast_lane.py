"""One HTTP connection: requests are gathered whole, answered one at a time, in order.

`POST /` (every KMS, STS and IAM call) takes the lane: no ASGI scope, no task, one write. Everything
else becomes an ASGI request of uvicorn's. Derived from uvicorn's protocol for that part and for its
life cycle; measured in docs/decisions/0003-no-task-per-request.md.

    bytes -> data_received -> parser callbacks -> _queue -> _start -> service -> _finish -> bytes

The usual request runs down this line in one turn. Whatever is unusual (a request in pieces, several at
once, a refusal, a stop) sets `_unusual`, and `_settle` decides what happens next, at rest between steps.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.reply import drive
from strongroom.wire import http_response
from strongroom.wire.asgi_exchange import CalmTransport, asgi_scope
from strongroom.wire.front_desk import FrontDesk
from strongroom.wire.request_gatherer import BETWEEN, RequestGatherer
from strongroom.wire.request_head import origin_form

logger = logging.getLogger("strongroom.wire")

LINGER_SECONDS = 2.0
"""After a refusal input is read and dropped this long, or a reset would overtake the answer."""


class FastLane(RequestGatherer):
    """Serves one connection.

    Invariant: H1 (input is bounded), H3 (answers in order), H4 (a connection fails alone).
    Concurrency: one event loop; `_finish` may be called in any turn of it.
    """

    __slots__ = (
        "_answer_keeps_alive",
        "_busy",
        "_calm_transport",
        "_lingering",
        "_pumping",
        "_stopping",
        "_unparsed",
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
        super().__init__(config, server_state, app_state, _loop, desk=desk)
        self._unparsed = b""
        self._busy = False
        self._answer_keeps_alive = True
        self._pumping = False
        self._lingering = False
        self._stopping = False

    # -- asyncio's side ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._calm_transport = CalmTransport(transport)
        self.flow = FlowControl(self._calm_transport)
        self._secure = self.scheme == "https"
        ip = self.client[0] if self.client else ""
        self._source_ip = ip.removeprefix("::ffff:") if "." in ip else ip
        self._deadline = self._desk.now + self._limits.keep_alive_seconds
        if len(self.connections) > self._limits.connections_max:
            self._desk.turned_away += 1
            self._input_over = True
            too_busy = self._desk.in_protocol(http_response.too_busy())
            transport.write(self._render(too_busy, keep_alive=False))
            self._close()
        elif self._desk.admits is not None and not self._desk.admits(
            transport.get_extra_info("peercert") or {}
        ):
            self._input_over = True
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._unparsed or len(data) > self._slice_bytes:
            if self._input_over:
                return
            self._unparsed += data
            self._unusual = True
            self._pump()
            return
        self._feed(data)
        if self._queue or self._unusual:
            self._pump()

    def eof_received(self) -> bool:  # type: ignore[override]
        self._input_over = True
        self._unusual = True
        # A client may close its sending half and wait for the answers; TLS has no such half.
        return (self._busy or bool(self._queue)) and not self._secure

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline = self._desk.now + self._limits.request_seconds_max

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unusual = True
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._release_partial()
        self._queue.clear()
        self._unparsed = b""
        self._input_over = True
        super().connection_lost(exc)

    # -- one request at a time -----------------------------------------------------------------------

    def _pump(self) -> None:
        """Answer what is complete, then parse on, until something has to be waited for.

        INVARIANT H3: one at a time, as RFC 9112 section 9.3.2 has it for requests that are not safe:
        the second of two pipelined calls sees what the first has done.
        """
        if self._pumping:
            return
        self._pumping = True
        while not self._busy and not self.flow.write_paused:
            if self._queue:
                self._start(*self._queue.popleft())
            elif self._unparsed and not self._input_over:
                data, self._unparsed = (
                    self._unparsed[: self._slice_bytes],
                    self._unparsed[self._slice_bytes :],
                )
                self._feed(data)
            else:
                break
        self._pumping = False
        if self._unusual or self._queue:
            self._settle()

    def _start(self, request: HttpRequest, keep_alive: bool) -> None:
        self._busy = True
        self._answer_keeps_alive = keep_alive
        target = request.target
        if not target.startswith(b"/"):
            target = request.target = origin_form(target)
        if request.method == "POST" and (
            target == b"/" or target.startswith(b"/?") or self._desk.takes_every_path
        ):
            try:
                coroutine = self._desk.service(request)
            except Exception as error:
                self._finish(None, error)
            else:
                drive(coroutine, self._finish)
        else:
            self._start_asgi(request, keep_alive)

    def _finish(self, answer: Answer | None, error: BaseException | None) -> None:
        """Write the answer. Never raises: it is called in the turn of whoever resolved the last wait."""
        if error is not None:
            # The type only: what an exception says may quote the request.
            logger.error("A request failed inside the service: %s", type(error).__name__)
        self._busy = False
        keep_alive = self._answer_keeps_alive and not self._stopping
        limits = self._limits
        self._deadline = self._desk.now + (
            limits.keep_alive_seconds if self._phase is BETWEEN else limits.request_seconds_max
        )
        transport = self.transport
        if not transport.is_closing():  # INVARIANT H4: uvloop raises on a write to a client that left
            transport.write(self._render(answer, keep_alive))
        if not keep_alive:
            self._close()
        elif self._unusual or self._queue:
            self._pump()

    def _render(self, answer: Answer | None, keep_alive: bool) -> bytes:
        date_line = self._desk.date_line
        if answer is not None:
            try:
                return http_response.render_response(answer, date_line, keep_alive)
            except Exception as error:
                logger.error("An answer could not be rendered: %s", type(error).__name__)
        failure = self._desk.in_protocol(http_response.internal_failure())
        return http_response.render_response(failure, date_line, keep_alive)

    def _start_asgi(self, request: HttpRequest, keep_alive: bool) -> None:
        try:
            scope = asgi_scope(request, self.client, self.server, self.app_state)
        except (httptools.HttpParserError, UnicodeError):
            self._answer_keeps_alive = False
            malformed = http_response.malformed("The request target is malformed.")
            self._finish(self._desk.in_protocol(malformed), None)
            return
        self.cycle = cycle = RequestResponseCycle(
            scope=scope,
            transport=self._calm_transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive and not self._stopping,
            on_response=self._finish_asgi,
        )
        cycle.body = bytearray(request.body)
        cycle.more_body = False
        cycle.message_event.set()
        self._start_asgi_task(cycle, self.app)

    def _finish_asgi(self) -> None:
        self._busy = False
        self._deadline = self._desk.now + self._limits.keep_alive_seconds
        if not self.transport.is_closing():
            self._unusual = True
            self._pump()

    # -- at rest -------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Decide how to go on: read, wait, say 100 Continue, refuse, or close."""
        if self.transport.is_closing() or self._lingering:
            return
        if self._busy or self._queue or self.flow.write_paused:
            if (self._queue or self._unparsed or self.flow.write_paused) and not self._input_over:
                self.flow.pause_reading()
                self._unusual = True  # so that reading is resumed
            return
        if self._refusal is not None:
            self._linger(self._refusal)
            return
        if self._input_over or (self._stopping and self._phase is BETWEEN):
            self._close()
            return
        if self._continue_due:
            self._continue_due = False
            if not self._body:
                self.transport.write(http_response.CONTINUE)
        self.flow.resume_reading()
        self._unusual = self._stopping or self._phase is not BETWEEN

    def _linger(self, answer: Answer) -> None:
        self._lingering = True
        self.transport.write(self._render(self._desk.in_protocol(answer), keep_alive=False))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self._desk.now + LINGER_SECONDS

    def _close(self) -> None:
        self._input_over = True
        self._queue.clear()
        self._unparsed = b""
        self._deadline = self._desk.now + self._limits.request_seconds_max  # to take what is still to be sent
        if not self.transport.is_closing():
            self.transport.close()

    def shutdown(self) -> None:
        """Stop gracefully: the request under way is answered, then the connection closes."""
        self._stopping = True
        self._unusual = True
        if self._busy and self.cycle is not None:
            self.cycle.keep_alive = False
        self._pump()

    def enforce_deadline(self) -> None:
        """End what takes too long; called by the front's sweep."""
        if self._deadline > self._desk.now:
            return
        if self.transport.is_closing() or self.flow.write_paused or self._lingering:
            self.transport.abort()
        elif self._busy or self._queue:
            return  # the service has its own time-outs
        elif self._phase is BETWEEN:
            self._close()
        else:
            self._refuse(http_response.too_slow(self._limits.request_seconds_max))
            self._pump()


def connections_of(server_state: ServerState) -> list[FastLane]:
    """The open connections of a worker."""
    return cast("list[FastLane]", list(server_state.connections))
