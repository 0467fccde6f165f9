"""Signatures that AWS published: the SigV4 test suite of 2015 and the example of the documentation.

All with AKIDEXAMPLE / wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY, 20150830T123600Z, us-east-1.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.identity.signed_requests import SECRET, derive

from strongroom.identity import sigv4

HOST = (b"host", b"example.amazonaws.com")
DATE = (b"x-amz-date", b"20150830T123600Z")
FORM = (b"content-type", b"application/x-www-form-urlencoded")

Case: TypeAlias = tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes, bytes, bytes]
# name, method, target, headers, signed headers, body, signature
SUITE: list[Case] = [
    ("get-vanilla", "GET", b"/", [HOST, DATE], b"host;x-amz-date", b"",
     b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("post-vanilla", "POST", b"/", [HOST, DATE], b"host;x-amz-date", b"",
     b"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("get-vanilla-query-order-key-case", "GET", b"/?Param2=value2&Param1=value1", [HOST, DATE],
     b"host;x-amz-date", b"", b"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("get-vanilla-empty-query-key", "GET", b"/?Param1=value1", [HOST, DATE], b"host;x-amz-date", b"",
     b"a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("get-vanilla-query-unreserved", "GET",
     b"/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
     b"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     [HOST, DATE], b"host;x-amz-date", b"",
     b"9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("get-vanilla-utf8-query", "GET", "/?ሴ=bar".encode(), [HOST, DATE], b"host;x-amz-date", b"",
     b"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("get-utf8", "GET", "/ሴ".encode(), [HOST, DATE], b"host;x-amz-date", b"",
     b"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("get-unreserved", "GET", b"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     [HOST, DATE], b"host;x-amz-date", b"",
     b"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("get-relative", "GET", b"/example/..", [HOST, DATE], b"host;x-amz-date", b"",
     b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-relative-relative", "GET", b"/example1/example2/../..", [HOST, DATE], b"host;x-amz-date", b"",
     b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash", "GET", b"//", [HOST, DATE], b"host;x-amz-date", b"",
     b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash-dot-slash", "GET", b"/./", [HOST, DATE], b"host;x-amz-date", b"",
     b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slashes", "GET", b"//example//", [HOST, DATE], b"host;x-amz-date", b"",
     b"9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("get-slash-pointless-dot", "GET", b"/./example", [HOST, DATE], b"host;x-amz-date", b"",
     b"ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ("get-space", "GET", b"/example space/", [HOST, DATE], b"host;x-amz-date", b"",
     b"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("get-header-key-duplicate", "GET", b"/",
     [HOST, (b"my-header1", b"value2"), (b"my-header1", b"value2"), (b"my-header1", b"value1"), DATE],
     b"host;my-header1;x-amz-date", b"",
     b"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("get-header-value-order", "GET", b"/",
     [HOST, *((b"my-header1", b"value%d" % n) for n in (4, 1, 3, 2)), DATE],
     b"host;my-header1;x-amz-date", b"",
     b"08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ("get-header-value-trim", "GET", b"/",
     [HOST, (b"my-header1", b"value1"), (b"my-header2", b'"a   b   c"'), DATE],
     b"host;my-header1;my-header2;x-amz-date", b"",
     b"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("post-header-key-sort", "POST", b"/", [HOST, (b"my-header1", b"value1"), DATE],
     b"host;my-header1;x-amz-date", b"",
     b"c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("post-x-www-form-urlencoded", "POST", b"/", [FORM, HOST, DATE], b"content-type;host;x-amz-date",
     b"Param1=value1", b"ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
]  # fmt: skip


@pytest.mark.parametrize("case", SUITE, ids=[case[0] for case in SUITE])
def test_signature_of_published_request_is_the_published_one(case: Case) -> None:
    _, method, target, headers, signed, body, signature = case
    canonical = sigv4.SignedHeaders(signed).canonical_request(
        sigv4.canonical_target(method, target), sigv4.merge_headers(headers), body
    )
    key = sigv4.SigningKey(derive(SECRET, "20150830", "us-east-1", "service"))
    scope = b"20150830/us-east-1/service/aws4_request"
    assert key.is_signature(signature, b"20150830T123600Z", scope, canonical)
    assert not key.is_signature(signature[::-1], b"20150830T123600Z", scope, canonical)


def test_signature_of_the_documentations_list_users_is_the_published_one() -> None:
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        (b"host", b"iam.amazonaws.com"),
        DATE,
    ]
    canonical = sigv4.SignedHeaders(b"content-type;host;x-amz-date").canonical_request(
        sigv4.canonical_target("GET", b"/?Action=ListUsers&Version=2010-05-08"),
        sigv4.merge_headers(headers),
        b"",
    )
    key = sigv4.SigningKey(derive(SECRET, "20150830", "us-east-1", "iam"))
    assert key.is_signature(
        b"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        b"20150830T123600Z",
        b"20150830/us-east-1/iam/aws4_request",
        canonical,
    )


@given(key=st.binary(min_size=32, max_size=32), canonical=st.binary(max_size=300))
def test_signing_key_for_any_key_is_the_librarys_hmac(key: bytes, canonical: bytes) -> None:
    """The keyed hash states are FIPS 198-1: what hmac.new computes."""
    to_sign = b"AWS4-HMAC-SHA256\nwhen\nscope\n" + sha256(canonical).hexdigest().encode()
    expected = hmac.new(key, to_sign, "sha256").hexdigest().encode()
    assert sigv4.SigningKey(key).is_signature(expected, b"when", b"scope", canonical)
    assert not sigv4.SigningKey(key).is_signature(expected[:-1], b"when", b"scope", canonical)
    assert not sigv4.SigningKey(key).is_signature(expected.upper() + b"0", b"when", b"scope", canonical)


@pytest.mark.parametrize("length", [0, 31, 33, 64, 65])
def test_signing_key_of_other_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sigv4.SigningKey(b"k" * length)


def test_canonical_request_with_a_line_break_in_any_part_has_no_form() -> None:
    with pytest.raises(ValueError, match="line break"):
        sigv4.canonical_target("POST\n/x", b"/")
    assert sigv4.canonical_target("POST", b"/a\nb?c\nd=e").count(b"\n") == 3
    headers = {b"host": b"h", b"a\nhost": b"h", b"b": b"x\ny"}
    for signed in (b"a\nhost", b"host;a\nhost", b"host;b"):
        with pytest.raises(ValueError, match="no canonical form"):
            sigv4.SignedHeaders(signed).canonical_request(sigv4.POST_ROOT, headers, b"")
