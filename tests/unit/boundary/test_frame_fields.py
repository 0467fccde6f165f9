"""Frame bodies: fields fill them exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.boundary.messages import (
    BODY_BYTES_MAX,
    FIELD_COUNTS,
    MalformedFrame,
    Opcode,
    parse_fields,
    parse_four_fields,
    parse_number,
    render_fields,
    render_number,
)

FIELDS = st.lists(st.binary(max_size=50), max_size=7)


@given(FIELDS)
def test_parse_fields_of_rendered_fields_gives_them_back(fields: list[bytes]) -> None:
    assert parse_fields(render_fields(*fields), len(fields)) == fields


@given(st.binary(max_size=80), st.integers(0, 7))
def test_parse_fields_of_random_bytes_is_malformed_or_renders_back(body: bytes, count: int) -> None:
    try:
        fields = parse_fields(body, count)
    except MalformedFrame:
        return
    assert render_fields(*fields) == body


@given(st.binary(max_size=40))
def test_parse_four_fields_agrees_with_the_general_parser(body: bytes) -> None:
    try:
        expected: list[bytes] | None = parse_fields(body, 4)
    except MalformedFrame:
        expected = None
    if expected is None:
        with pytest.raises(MalformedFrame):
            parse_four_fields(body)
    else:
        assert list(parse_four_fields(body)) == expected


def test_parse_fields_of_every_truncation_and_an_extension_is_malformed() -> None:
    body = render_fields(b"one", b"two", b"", b"four")
    for damaged in [body[:length] for length in range(len(body))] + [body + b"x"]:
        with pytest.raises(MalformedFrame):
            parse_fields(damaged, 4)
        with pytest.raises(MalformedFrame):
            parse_four_fields(damaged)


@pytest.mark.parametrize(
    "fields", [(bytes(65536),), (bytes(65000), bytes(600)), (bytes(65536), b"", b"", b"")]
)
def test_render_fields_too_long_for_a_frame_is_refused(fields: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="too long"):
        render_fields(*fields)


def test_render_fields_of_the_longest_frame_is_allowed() -> None:
    assert len(render_fields(bytes(BODY_BYTES_MAX - 2))) == BODY_BYTES_MAX


@pytest.mark.parametrize("number", [-1, 65536])
def test_render_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="range"):
        render_number(number)


@pytest.mark.parametrize("field", [b"", b"\x00", b"\x00\x00\x01"])
def test_parse_number_of_another_length_is_malformed(field: bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse_number(field)


def test_every_opcode_has_a_field_count() -> None:
    assert set(FIELD_COUNTS) == set(Opcode)
