"""Exported key tokens as bytes: every field is bound, nothing malformed parses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION

from strongroom.boundary.key_hierarchy import (
    TOKEN_BYTES_MAX,
    TokenHeader,
    TokenKind,
    parse_token,
    render_header,
)

HEADER = TokenHeader(
    TokenKind.BACKING_KEY,
    bytes(range(16)),
    bytes(range(32)),
    ACCOUNT,
    REGION,
    KEY_ID,
    "SYMMETRIC_DEFAULT",
    "ENCRYPT_DECRYPT",
    "AWS_KMS",
)
DOMAIN_HEADER = TokenHeader(TokenKind.DOMAIN_KEY, bytes(16), bytes(32), "", REGION, "00" * 16, "1", "")
SECRET_HEADER = TokenHeader(
    TokenKind.SECRET_ACCESS_KEY, bytes(16), bytes(32), ACCOUNT, "aws-global", "AKIAIOSFODNN7EXAMPLE", "", ""
)
IMPORT_HEADER = replace(
    HEADER,
    kind=TokenKind.IMPORT_KEY,
    material_id=bytes(32),
    key_spec="RSA_2048",
    key_usage="RSAES_OAEP_SHA_256",
    origin="",
)
REST = bytes(12) + bytes(48)


@pytest.mark.parametrize(
    "header", [HEADER, DOMAIN_HEADER, SECRET_HEADER, IMPORT_HEADER], ids=lambda header: header.kind.name
)
def test_parse_token_of_a_rendered_header_gives_it_back(header: TokenHeader) -> None:
    header_bytes = render_header(header)
    token = parse_token(header_bytes + REST)
    assert token.header == header
    assert (token.header_bytes, token.iv, token.wrapped) == (header_bytes, REST[:12], REST[12:])


def test_render_header_is_laid_out_as_the_document_says() -> None:
    header = render_header(HEADER)
    assert header[:2] == b"\x02\x01"
    assert header[2:18] == HEADER.wrapping_key_id
    assert header[18:50] == HEADER.material_id
    assert header[50:56] == bytes([12, len(REGION), 36, 17, 15, 7])
    assert header[56:] == f"{ACCOUNT}{REGION}{KEY_ID}SYMMETRIC_DEFAULTENCRYPT_DECRYPTAWS_KMS".encode()


def test_token_of_version_1_has_no_origin_and_is_still_read() -> None:
    texts = f"{ACCOUNT}{REGION}{KEY_ID}SYMMETRIC_DEFAULTENCRYPT_DECRYPT".encode()
    start = b"\x01\x01" + bytes(range(16)) + bytes(range(32)) + bytes([12, len(REGION), 36, 17, 15])
    token = parse_token(start + texts + REST)
    assert token.header == replace(HEADER, origin="")
    assert (token.header_bytes, token.iv, token.wrapped) == (start + texts, REST[:12], REST[12:])


def test_domain_key_of_version_1_is_its_regions_first() -> None:
    start = b"\x01\x02" + bytes(48) + bytes([0, len(REGION), 32, 0, 0])
    header = parse_token(start + f"{REGION}{'00' * 16}".encode() + REST).header
    assert header.generation == DOMAIN_HEADER.generation == 1
    assert replace(DOMAIN_HEADER, key_spec="36500").generation == 36500


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, account_id="1111"),
        replace(HEADER, account_id="１" * 12),
        replace(HEADER, region=""),
        replace(HEADER, region="EU"),
        replace(HEADER, key_id=""),
        replace(HEADER, key_id="a b"),
        replace(HEADER, key_id="x" * 129),
        replace(HEADER, key_spec=""),
        replace(HEADER, key_usage="ENCRYPT\n"),
        replace(HEADER, material_id=b""),
        replace(HEADER, wrapping_key_id=bytes(15)),
        replace(DOMAIN_HEADER, account_id=ACCOUNT),
        replace(DOMAIN_HEADER, key_spec="AES_256"),
        replace(DOMAIN_HEADER, key_spec=""),
        replace(DOMAIN_HEADER, key_spec="0"),
        replace(DOMAIN_HEADER, key_spec="1" * 11),
        replace(DOMAIN_HEADER, key_spec="\u0661"),
        replace(DOMAIN_HEADER, origin="AWS_KMS"),
        replace(HEADER, origin=""),
        replace(HEADER, origin="AWS KMS"),
        replace(IMPORT_HEADER, origin="EXTERNAL"),
        replace(SECRET_HEADER, account_id=""),
        replace(SECRET_HEADER, key_usage="SIGN_VERIFY"),
        replace(IMPORT_HEADER, key_spec=""),
        replace(IMPORT_HEADER, key_usage=""),
        replace(IMPORT_HEADER, account_id=""),
    ],
)
def test_render_header_with_a_field_that_does_not_fit_is_refused(header: TokenHeader) -> None:
    with pytest.raises(ValueError, match="not a"):
        render_header(header)


def test_parse_token_of_every_truncation_is_refused() -> None:
    token = render_header(HEADER) + bytes(12) + bytes(17)
    parse_token(token)
    for length in range(len(token)):
        with pytest.raises(ValueError):
            parse_token(token[:length])


def test_parse_token_of_a_later_version_or_unknown_kind_is_refused() -> None:
    token = render_header(HEADER) + REST
    for changed in (b"\x03" + token[1:], token[:1] + b"\x05" + token[2:], token[:1] + b"\x00" + token[2:]):
        with pytest.raises(ValueError):
            parse_token(changed)


def test_parse_token_beyond_the_longest_is_refused() -> None:
    header = render_header(HEADER)
    parse_token(header + bytes(TOKEN_BYTES_MAX - len(header)))
    with pytest.raises(ValueError, match="length"):
        parse_token(header + bytes(TOKEN_BYTES_MAX - len(header) + 1))


@given(st.binary(max_size=200).map(lambda rest: b"\x02" + rest))
def test_parse_token_of_random_bytes_raises_value_error_or_renders_back(garbage: bytes) -> None:
    try:
        token = parse_token(garbage)
    except ValueError:
        return
    assert render_header(token.header) == token.header_bytes
