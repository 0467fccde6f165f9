"""Any bytes at the AWS JSON codec: an input or an ApiError, and both passes of validation agree."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.aws.constraint import ShapeConstraint
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.constraints import OPERATIONS, SHAPES
from strongroom.operations.operation import Operation
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.wire.aws_json import AwsJson11
from strongroom.wire.validation import explain_document

ANY_OPERATION = KMS_OPERATIONS["Encrypt"]
CODEC = AwsJson11()
SENTENCE = re.compile(
    r"(?P<count>[1-9]|10) validation errors? detected: "
    r"(?:Value(?: null| '.*')? at '[a-zA-Z0-9.]+' failed to satisfy constraint: .+?(?:; |\Z))+",
    re.DOTALL,
)
names = st.sampled_from(sorted(OPERATIONS))
wild_text = st.text(max_size=40) | st.from_regex(r"[a-z0-9:/_-]{1,30}", fullmatch=True)
scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | wild_text
    | st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode())
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(wild_text, inner, max_size=4),
    max_leaves=8,
)


def operation(name: str) -> Operation:
    given_shape, answer = OPERATIONS[name]
    return replace(ANY_OPERATION, name=name, input=given_shape, output=answer)


def near(value: int) -> st.SearchStrategy[int]:
    return st.integers(value - 1, value + 1)


def lengths(shape: ShapeConstraint) -> st.SearchStrategy[int]:
    edges = [near(bound) for bound in (shape.min, shape.max) if bound is not None and bound <= 5000]
    return st.one_of(st.integers(0, 40), *edges).map(lambda length: max(0, length))


def values_of(shape: ShapeConstraint) -> st.SearchStrategy[Any]:
    """Values of the right type, at and beyond the bounds, and sometimes of another type."""
    match shape.kind:
        case "string" if shape.enum:
            right: st.SearchStrategy[Any] = st.sampled_from(shape.enum) | wild_text
        case "string":
            right = lengths(shape).map(lambda length: "a" * length) | wild_text
            if shape.pattern is not None and "p{" not in shape.pattern:
                right |= st.from_regex(re.compile(shape.pattern, re.ASCII), fullmatch=True)
        case "blob":
            right = lengths(shape).map(lambda length: base64.b64encode(bytes(length)).decode())
        case "integer":
            right = near(shape.min or 0) | near(shape.max or 0)
        case "boolean":
            right = st.booleans()
        case "timestamp":
            right = near(shape.min or 0) | near(shape.max or 0) | st.floats(0, 4e9)
        case "list":
            right = st.lists(values_of(SHAPES[shape.member or ""]), max_size=12)
        case "map":
            right = st.dictionaries(wild_text, values_of(SHAPES[shape.value or ""]), max_size=4)
        case _:
            right = structures_of(shape)
    return st.integers(0, 20).flatmap(lambda roll: anything if roll == 0 else right)


def structures_of(shape: ShapeConstraint) -> st.SearchStrategy[dict[str, Any]]:
    members = {member.name: values_of(SHAPES[member.shape]) for member in shape.members}
    required = {member.name for member in shape.members if member.required}
    return st.fixed_dictionaries(
        {name: value for name, value in members.items() if name in required},
        optional={name: value for name, value in members.items() if name not in required},
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An operation and a JSON object that is an input of it, or nearly."""
    name = draw(names)
    members = draw(structures_of(SHAPES[OPERATIONS[name][0].__name__]))
    if members and draw(st.integers(0, 5)) == 0:
        del members[draw(st.sampled_from(sorted(members)))]
    if draw(st.integers(0, 5)) == 0:
        members[draw(wild_text)] = draw(anything)
    return name, members


def decode(name: str, body: bytes) -> msgspec.Struct | ApiError:
    """What the codec makes of `body`; any exception but ApiError fails the test."""
    try:
        return CODEC.decode(operation(name), body)
    except ApiError as caught:
        error = caught
    assert error.status == 400
    assert error.code in ("SerializationException", "ValidationException")
    if error.code == "ValidationException":
        assert error.message is not None
        assert SENTENCE.fullmatch(error.message), error.message
    assert CODEC.encode_error(error, "")
    return error


@given(names, st.binary(max_size=400))
def test_decode_any_bytes_gives_an_input_or_an_api_error(name: str, body: bytes) -> None:
    decode(name, body)


@given(names, anything)
def test_decode_any_json_gives_an_input_or_an_api_error(name: str, document: Any) -> None:
    decode(name, json.dumps(document).encode())


@given(requests(), st.data())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_decode_damaged_request_gives_an_input_or_an_api_error(
    request: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    name, members = request
    body = bytearray(json.dumps(members, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "replace"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 6))
        body[at : at + cut] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"\\ud800", b",", b"["])
        )
    decode(name, bytes(body))


@given(requests())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_both_passes_agree_on_what_is_refused(request: tuple[str, dict[str, Any]]) -> None:
    name, members = request
    body = msgspec.json.encode(members)
    try:
        document = msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number that no JSON reader takes, in a member or beside the members
        decode(name, body)
        return
    explained = explain_document(OPERATIONS[name][0].__name__, document)
    decoded = decode(name, body)
    if isinstance(decoded, ApiError):
        assert explained is not None, f"the decoder refuses, the slow pass finds nothing: {body!r}"
        assert (decoded.code, decoded.message) == (explained.code, explained.message)
    else:
        assert explained is None, f"the decoder accepts, the slow pass says {explained.message}: {body!r}"


@given(requests())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_accepted_request_written_again_is_read_as_the_same(request: tuple[str, dict[str, Any]]) -> None:
    name, members = request
    decoded = decode(name, msgspec.json.encode(members))
    if not isinstance(decoded, ApiError):
        again = decode(name, msgspec.json.encode(decoded))
        assert again == decoded
