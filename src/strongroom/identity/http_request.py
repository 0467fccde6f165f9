"""The HTTP request as it was received, as far as a signature and a record can see it."""

from __future__ import annotations


class HttpRequest:
    """One request, undecoded.

    Shape: `target` is the request target exactly as on the request line (path and query, still
    percent-encoded); `headers` are in received order, names in lower case, values as received with
    surrounding blanks removed; `fields` are the same by name (of repeated names the last), which the
    front has at hand anyway; `body` is whole; `secure` says whether it came over TLS.
    """

    __slots__ = ("body", "fields", "headers", "method", "secure", "source_ip", "target")

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        source_ip: str,
        secure: bool,
        fields: dict[bytes, bytes] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.source_ip = source_ip
        self.secure = secure
        self.fields = dict(headers) if fields is None else fields
