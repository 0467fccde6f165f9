"""AWS Signature Version 4, pure: the canonical request, the string to sign, and the keyed HMAC over it.

Source: AWS IAM User Guide, "Create a signed AWS API request"; FIPS 198-1 for HMAC; RFC 3986 5.2.4.
Nothing here knows who a caller is or what is allowed; nothing here raises an ApiError.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"

# Looking for one byte by its number takes a fifth of the time of looking for a bytes of length one.
_TAB, _LINE_BREAK, _BLANK = b"\t\n "

_RUN_OF_BLANKS = re.compile(rb"[ \t]+")
_IMF_FIXDATE = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4})"
    rb" ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|UTC|[+-]0000)"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}


def parse_timestamp(value: bytes) -> int:
    """Read `YYYYMMDDTHHMMSSZ`, the only form AWS takes in X-Amz-Date.

    Units: whole seconds since 1970. Raises: ValueError.
    """
    if not (
        len(value) == 16
        and value[8:9] == b"T"
        and value[15:] == b"Z"
        and value[:8].isdigit()
        and value[9:15].isdigit()
    ):
        raise ValueError("not ISO 8601 basic format")
    return int(datetime.fromisoformat(value.decode("ascii")).timestamp())


def parse_http_date(value: bytes) -> int:
    """Read a Date header: ISO 8601 basic, or `Mon, 09 Sep 2011 23:36:00 GMT` as botocore sends it.

    Units: whole seconds since 1970. Raises: ValueError.
    """
    match = _IMF_FIXDATE.fullmatch(value)
    if match is None:
        return parse_timestamp(value)
    day, month, year, hour, minute, second = match.groups()
    if month not in _MONTHS:
        raise ValueError("no such month")
    instant = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    return int(instant.timestamp())


def render_timestamp(epoch_seconds: int) -> bytes:
    """`YYYYMMDDTHHMMSSZ`, as it stands in the string to sign."""
    text = datetime.fromtimestamp(epoch_seconds, UTC).isoformat()[:19]
    return (text.replace("-", "").replace(":", "") + "Z").encode()


def merge_headers(received: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Canonical header values: trimmed, runs of blanks as one, repeated headers joined by a comma."""
    merged: dict[bytes, bytes] = {}
    for name, value in received:
        if _is_uncollapsed(value):
            value = _RUN_OF_BLANKS.sub(b" ", value)  # noqa: PLW2901
        value = value.strip(b" ")  # noqa: PLW2901
        merged[name] = merged[name] + b"," + value if name in merged else value
    return merged


def _is_uncollapsed(values: bytes) -> bool:
    return _TAB in values or (_BLANK in values and b"  " in values)


def parse_query(query: bytes) -> list[tuple[bytes, bytes]]:
    """The parameters of a query string, decoded, in received order.

    `+` is a blank, as every reader of forms takes it; were it a plus sign here, someone on the way
    could turn one into the other without breaking the signature.
    """
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def canonical_query(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encoded again and sorted; without X-Amz-Signature, which cannot sign itself."""
    encoded = sorted(
        (quote_from_bytes(name, safe="-_.~"), quote_from_bytes(value, safe="-_.~"))
        for name, value in pairs
        if name != b"X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded).encode()


def canonical_path(path: bytes) -> bytes:
    """The path without dot segments and repeated slashes, encoded once more as all services but S3 do."""
    if path == b"/":
        return path
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    normalized = b"/" + b"/".join(kept) + (b"/" if kept and path.endswith(b"/") else b"")
    return quote_from_bytes(normalized, safe="/-_.~").encode()


def canonical_target(method: str, target: bytes) -> bytes:
    """The first three lines of the canonical request, each with its line break.

    Raises: ValueError when the method holds a line break.
    """
    if "\n" in method:
        raise ValueError("line break inside the method")
    path, _, query = target.partition(b"?")
    return b"%b\n%b\n%b\n" % (
        method.encode("utf-8", "surrogatepass"),
        canonical_path(path),
        canonical_query(parse_query(query)),
    )


POST_ROOT = canonical_target("POST", b"/")
"""What nearly every request to KMS begins with."""


class SignedHeaders:
    """The list of headers that a signature covers, made ready to build canonical requests from.

    Shape: `raw` is the SignedHeaders value exactly as sent; its order is the order of the lines.
    """

    __slots__ = ("_is_broken", "_pick", "_template", "covers_target", "covers_token", "names", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.names = tuple(raw.lower().split(b";"))
        self.covers_target = b"x-amz-target" in self.names
        self.covers_token = b"x-amz-security-token" in self.names
        pick: Any = itemgetter(*self.names)
        # itemgetter of a single name gives the value itself, not a tuple of one
        self._pick = pick if len(self.names) > 1 else lambda headers: (pick(headers),)
        lines = b"".join(name.replace(b"%", b"%%") + b":%b\n" for name in self.names)
        self._template = b"%b" + lines + b"\n" + raw.replace(b"%", b"%%") + b"\n%b"
        # A name given twice would put its value in twice: 16,000 names of one long header are a gigabyte.
        self._is_broken = _LINE_BREAK in raw or len(set(self.names)) < len(self.names)

    def canonical_request(self, first_lines: bytes, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
        """The canonical request over these headers and the SHA-256 of the body as it was received.

        What x-amz-content-sha256 claims never stands for the body: UNSIGNED-PAYLOAD does not verify.
        Raises: KeyError when a signed header was not sent. ValueError when a part holds a line break,
        which would let one header's value pass for another's line, or blanks that are not collapsed.
        """
        if self._is_broken:  # before anything is joined
            raise ValueError("a list of signed headers that has no canonical form")
        values = self._pick(headers)
        joined = b"".join(values)
        if _LINE_BREAK in joined or _is_uncollapsed(joined):
            raise ValueError("a signed part that has no canonical form")
        canonical: bytes = self._template % (first_lines, *values, sha256(body).hexdigest().encode())
        return canonical


class SigningKey:
    """One day's signing key of a caller for a Region and service, as keyed hash states.

    Secrets: holds no key bytes, only the two SHA-256 states of FIPS 198-1 that are keyed with them:
    a copy of each is the cheapest HMAC there is in Python. No repr of either tells anything.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:  # longer keys than a block would have to be hashed first
            raise ValueError("a SigV4 signing key has 32 bytes")
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def is_signature(self, signature: bytes, timestamp: bytes, scope: bytes, canonical: bytes) -> bool:
        """Whether `signature` (64 hex digits) is this key's over the request, in constant time.

        Shape: `scope` is `date/region/service/aws4_request`.
        """
        inner = self._inner.copy()
        inner.update(
            b"AWS4-HMAC-SHA256\n%b\n%b\n%b" % (timestamp, scope, sha256(canonical).hexdigest().encode())
        )
        outer = self._outer.copy()
        outer.update(inner.digest())
        # INVARIANT I1: signatures are compared in constant time.
        return hmac.compare_digest(outer.hexdigest().encode(), signature)
