"""The proxy's HTTP front: the one of `wire`, with TLS, other words for its refusals, and POST alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from strongroom.pipeline import Answer
from strongroom.wire.front_desk import Service, Special
from strongroom.wire.http_front import HttpFront
from strongroom.wire.limits import Limits
from strongroom.wire.tls import TlsFiles
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused, render_error
from strongroom.xks_proxy.service import JSON

BODY_BYTES_MAX: Final = 65_536
"""The largest request of the specification has 17 KB of Base64 and a few ARNs of 2 KB."""
HEADER_BYTES_MAX: Final = 16_384
REQUEST_SECONDS_MAX: Final = 5.0
"""KMS itself gives a request 250 ms."""

_REFUSALS: Final = {
    408: ProxyRefused(ErrorName.VALIDATION, "The request did not arrive in time."),
    413: ProxyRefused(ErrorName.UNSUPPORTED_OPERATION, f"The body is larger than {BODY_BYTES_MAX} bytes."),
    500: ProxyRefused(ErrorName.INTERNAL, "The request failed inside the proxy. It can be retried."),
    501: ProxyRefused(ErrorName.UNSUPPORTED_OPERATION, "This proxy does not do that."),
    503: ProxyRefused(ErrorName.THROTTLING, "Too much is under way. Try again later."),
    505: ProxyRefused(ErrorName.UNSUPPORTED_OPERATION, "This proxy speaks HTTP/1.1."),
}
_MALFORMED: Final = ProxyRefused(ErrorName.VALIDATION, "This is no request that the proxy takes.")


def in_proxy_words(answer: Answer) -> Answer:
    """A refusal of the front itself as an error of the proxy API."""
    refused = _REFUSALS.get(answer.status, _MALFORMED)
    return Answer(refused.status, JSON, render_error(refused.name, refused.sentence), answer.request_id)


def is_client_named(certificate: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether a verified certificate's subject has one common name, and it is one of these."""
    subject = certificate.get("subject", ())
    found = [value for part in subject for name, value in part if name == "commonName"]
    return len(found) == 1 and found[0] in names


def build_proxy_front(
    service: Service,
    is_ready: Callable[[], Awaitable[bool]],
    tls: TlsFiles,
    *,
    client_names: Collection[str],
    connections_max: int,
    on_ready: Callable[[], None],
) -> HttpFront:
    """Raises OSError, ssl.SSLError for unusable TLS files."""
    limits = Limits(
        body_bytes_max=BODY_BYTES_MAX,
        header_bytes_max=HEADER_BYTES_MAX,
        connections_max=connections_max,
        request_seconds_max=REQUEST_SECONDS_MAX,
    )
    special = Special(
        takes_every_path=True,
        in_protocol=in_proxy_words,
        # INVARIANT K4: with client_ca_file, nobody is served without a certificate of one of these names.
        admits=None
        if tls.client_ca_file is None
        else lambda certificate: is_client_named(certificate, client_names),
    )
    return HttpFront(service, _Others(is_ready), limits, tls=tls, on_ready=on_ready, special=special)


class _Others:
    """Every method but POST: health for load balancers, and 405 (specification, "API operations")."""

    def __init__(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        self._is_ready = is_ready

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status, body, headers = 405, render_error("MethodNotAllowed", "Send a POST."), [(b"allow", b"POST")]
        if scope["method"] in ("GET", "HEAD") and scope["path"] == "/healthz":
            status, body, headers = 200, b'{"status":"ok"}', []
        elif scope["method"] in ("GET", "HEAD") and scope["path"] == "/readyz":
            ready = await self._is_ready()
            status, body, headers = (200, b'{"status":"ready"}', []) if ready else (503, b"{}", [])
        headers += [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
