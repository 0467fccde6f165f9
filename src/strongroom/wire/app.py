"""Everything on the port that is not `POST /`: health, the development controls, other services' calls.

None of it is hot, so it is plain Starlette. Requests have been received whole by the connection
(fast_lane.py) and are taken from the scope.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol, TypeAlias, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire import http_response
from strongroom.wire.asgi_exchange import REQUEST_KEY
from strongroom.wire.browser_guard import BrowserRefusedError, require_no_browser

logger = logging.getLogger("strongroom.wire")

OtherServices: TypeAlias = Callable[[HttpRequest], Answer]
"""Answers a call to an AWS service that this server is not, with that service's kind of error."""

PresignedCalls: TypeAlias = Callable[[HttpRequest], Awaitable[Answer]]
"""Answers a GET of the root that carries an AWS signature."""

ReadinessCheck: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether requests will be answered. An exception counts as no."""

READINESS_SECONDS_MAX = 5.0

HINT = (
    "This is Strongroom, an AWS Key Management Service endpoint.\n"
    "Point an AWS SDK or the AWS CLI at this address: AWS_ENDPOINT_URL_KMS, or --endpoint-url.\n"
    "Health: /healthz and /readyz.\n"
)


class DevelopmentControls(Protocol):
    """What a test suite may do to a development server: given only when it is one."""

    async def advance_clock(self, seconds: float) -> float:
        """Move the service's clock forward, in all its processes. Returns the new time in epoch seconds.

        Raises: ValueError, with a sentence, for an amount that is not to be.
        """
        ...

    async def reset(self) -> None:
        """Forget every key, alias and grant."""
        ...


class _AdvanceClock(msgspec.Struct, forbid_unknown_fields=True):
    advance_seconds: float


def build_app(
    *,
    is_ready: ReadinessCheck,
    other: OtherServices,
    presigned: PresignedCalls,
    controls: DevelopmentControls | None = None,
    host_names: Collection[str] = (),
    routes: Sequence[BaseRoute] = (),
    not_ready: str = "not ready\n",
) -> QuietApp:
    """Join the routes of a worker. `not_ready` is what /readyz says then.

    `host_names` are this server's own names, for the browser guard; `routes` are further ones (metrics, the
    console), looked at before the answers for unknown paths.
    """
    front = _Routes(is_ready, other, presigned, controls, host_names, not_ready)
    app = Starlette(
        routes=[
            Route("/healthz", front.healthz, methods=["GET"]),
            Route("/readyz", front.readyz, methods=["GET"]),
            Route("/_strongroom/clock", front.clock, methods=["POST"]),
            Route("/_strongroom/reset", front.reset, methods=["POST"]),
            Route("/", front.root, methods=["GET"]),
            *routes,
        ],
        exception_handlers={
            400: front.refused,
            403: front.refused,
            404: front.unknown,
            405: front.unknown,
            500: front.fault,
        },
    )
    app.router.redirect_slashes = False  # PUT /bucket/ is another service's request, not a slip
    return QuietApp(app)


class QuietApp:
    """The app, with faults logged by type: what an exception says may quote the request."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # Starlette has answered 500 already
            logger.error("A request for %s failed: %s", scope.get("method"), type(error).__name__)


class _Routes:
    def __init__(
        self,
        is_ready: ReadinessCheck,
        other: OtherServices,
        presigned: PresignedCalls,
        controls: DevelopmentControls | None,
        host_names: Collection[str],
        not_ready: str,
    ) -> None:
        self._is_ready = is_ready
        self._not_ready = not_ready
        self._other = other
        self._presigned = presigned
        self._controls = controls
        self._host_names = host_names

    async def healthz(self, _: Request) -> Response:
        return _human("ok\n")

    async def readyz(self, _: Request) -> Response:
        try:
            async with asyncio.timeout(READINESS_SECONDS_MAX):
                ready = await self._is_ready()
        except Exception as error:  # could not tell: not ready
            logger.warning("The readiness check failed: %s", type(error).__name__)
            ready = False
        return _human("ready\n") if ready else _human(self._not_ready, 503)

    async def root(self, request: Request) -> Response:
        received = _received(request)
        return _response(await self._presigned(received)) if _is_aws_call(received) else _human(HINT)

    async def clock(self, request: Request) -> Response:
        controls = self._require_controls(request)
        try:
            wanted = msgspec.json.decode(_received(request).body, type=_AdvanceClock)
            now = await controls.advance_clock(wanted.advance_seconds)
        except ValueError as error:  # msgspec's errors are of this type, too
            raise HTTPException(400, f'Send {{"advance_seconds": N}}: {error}') from error
        return _json(200, {"epoch_seconds": now})

    async def reset(self, request: Request) -> Response:
        await self._require_controls(request).reset()
        return _json(200, {})

    def _require_controls(self, request: Request) -> DevelopmentControls:
        """INVARIANT H5: only a development server has controls, and no web page may use them."""
        try:
            require_no_browser(_received(request), self._host_names)
        except BrowserRefusedError as error:
            raise HTTPException(403, str(error)) from error
        if self._controls is None:
            raise HTTPException(404, "This server does not run in development mode: it has no such controls.")
        return self._controls

    async def unknown(self, request: Request, error: Exception) -> Response:
        """A path or method that is not ours: another service's call, or a slip."""
        refused = cast(HTTPException, error)
        received = _received(request)
        ours = request.scope["path"].startswith("/_strongroom/")
        if not ours and (
            _is_aws_call(received) or (received.method == "POST" and refused.status_code == 404)
        ):
            return _response(self._other(received))
        sentence = {404: "Nothing is served at this path.", 405: "This path does not take this method."}
        said = refused.detail if self._controls is None and ours else sentence[refused.status_code]
        return _json(refused.status_code, {"message": said}, refused.headers)

    async def refused(self, _: Request, error: Exception) -> Response:
        refused = cast(HTTPException, error)
        return _json(refused.status_code, {"message": refused.detail})

    async def fault(self, _: Request, __: Exception) -> Response:
        return _response(http_response.internal_failure())


def _received(request: Request) -> HttpRequest:
    received: HttpRequest = request.scope[REQUEST_KEY]
    return received


def _is_aws_call(request: HttpRequest) -> bool:
    """Whether an AWS SDK or a presigned URL made this request."""
    fields = dict(request.headers)
    _, _, query = request.target.partition(b"?")
    return (
        fields.get(b"authorization", b"").startswith((b"AWS4-", b"AWS "))
        or b"x-amz-target" in fields
        or any(name in query for name in (b"X-Amz-Algorithm=", b"X-Amz-Signature=", b"AWSAccessKeyId="))
    )


def _response(answer: Answer) -> Response:
    headers = {
        "content-type": answer.content_type.decode("latin-1"),
        "x-amzn-RequestId": answer.request_id,
    }
    return Response(answer.body, answer.status, headers)


def _human(text: str, status: int = 200) -> Response:
    return PlainTextResponse(text, status, {"cache-control": "no-store", "x-content-type-options": "nosniff"})


def _json(status: int, content: dict[str, Any], headers: Any = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
