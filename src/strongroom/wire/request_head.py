"""Which request heads are refused, and why: everything two servers could read differently.

llhttp, run without leniency, already refuses Content-Length beside Transfer-Encoding, repeated or
odd Content-Length, folded lines, bare LF and CR, blanks before a colon, and control characters.
tests/unit/wire_front/test_smuggling.py holds it to that. What it lets through is refused here.
"""

from __future__ import annotations

import re

from strongroom.pipeline import Answer
from strongroom.wire.http_response import head_too_large, malformed, refusal
from strongroom.wire.limits import Limits

_SINGLE = frozenset(
    {
        b"authorization",
        b"connection",
        b"content-type",
        b"date",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amz-source-account",
        b"x-amz-source-arn",
        b"x-amz-target",
        b"x-strongroom-acting-for",
        b"x-strongroom-acting-for-session",
    }
)
"""Fields that say one thing: with two of them, the signature and the service might pick different ones."""


_ABSOLUTE_FORM = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


def origin_form(target: bytes) -> bytes:
    """The target without scheme and host, which a client adds that takes this server for a proxy."""
    found = _ABSOLUTE_FORM.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


class RequestRefusedError(Exception):
    """A request that the front refuses; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def require_sound_head(
    headers: list[tuple[bytes, bytes]], target: bytes, http_version: str, upgrade: bool, limits: Limits
) -> None:
    """Refuse a request head that is too large, asks for what is not here, or has two readings.

    Raises: RequestRefusedError. Invariant: H2.
    """
    if len(headers) > limits.header_count_max:
        raise RequestRefusedError(
            head_too_large(f"The request has more than {limits.header_count_max} header fields.")
        )
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > limits.header_bytes_max:
        raise RequestRefusedError(
            head_too_large(f"The request head is larger than {limits.header_bytes_max} bytes.")
        )
    if upgrade:
        raise RequestRefusedError(
            refusal(501, "NotImplemented", "This server does not upgrade or tunnel connections.")
        )
    if http_version not in ("1.0", "1.1"):
        raise RequestRefusedError(refusal(505, "HttpVersionNotSupported", "This server speaks HTTP/1.1."))
    _require_single_fields(headers)
    fields = dict(headers)
    if fields.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise RequestRefusedError(
            refusal(501, "NotImplemented", "The only transfer encoding this server takes is chunked.")
        )
    if b"host" not in fields and http_version == "1.1":
        raise RequestRefusedError(malformed("The header field host is missing."))


def _require_single_fields(headers: list[tuple[bytes, bytes]]) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _SINGLE and name in seen:
            raise RequestRefusedError(malformed(f"The header field {name.decode()} is given more than once."))
        seen.add(name)
