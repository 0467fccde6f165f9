"""A signed header named again and again must not make the server work on its value again and again."""

from __future__ import annotations

import tracemalloc

import pytest
from tests.unit.identity.signed_requests import Desk, header_signed, refusal_of

from strongroom.identity import sigv4

HEADERS = [(b"a", b"x" * 30_000), (b"host", b"h"), (b"x-amz-date", b"20150830T123600Z")]
NOW = sigv4.parse_timestamp(b"20150830T123600Z")


def test_signed_headers_that_repeat_a_name_are_refused_even_when_rightly_signed() -> None:
    lines = b"a:1\na:1\nhost:h\n"
    headers = [(b"a", b"1"), *HEADERS[1:]]
    request = header_signed(headers, b"a;a;host", canonical_headers=lines)
    assert refusal_of(Desk(NOW), request).code == "InvalidSignatureException"


def test_signed_headers_of_sixteen_thousand_names_take_no_memory_to_refuse() -> None:
    """63 KB of head, no secret needed: the refusal must come before the values are put together."""
    signed = sigv4.SignedHeaders(b"host;" + b";".join([b"a"] * 16_000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="canonical"):
            signed.canonical_request(sigv4.POST_ROOT, dict(HEADERS), b"")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000
