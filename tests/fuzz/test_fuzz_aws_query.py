"""Any bytes at the AWS Query codec: an input or an ApiError, and both passes of validation agree."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.model_values import Shapes, structures_of
from tests.support.query_client import to_form
from tests.unit.wire.test_query_against_botocore import CODECS, SERVED, declared

from strongroom.aws.errors import ApiError
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.wire.dispatch import query_action
from strongroom.wire.query_form import parse_form, read_input
from strongroom.wire.query_wording import WORDINGS
from strongroom.wire.validation import Validator

RELAXED = (HealthCheck.too_slow, HealthCheck.data_too_large)
SENTENCE = re.compile(
    r"(?:(?:[1-9]|10) validation errors? detected: "
    r"(?:Value(?: null| '.*')? at '[a-zA-Z0-9.]+' failed to satisfy constraint: .+?(?:; |\Z))+"
    r"|The specified value for [a-zA-Z]+ is invalid\. It must .+)",
    re.DOTALL,
)
operations = st.sampled_from(SERVED)
STEPS = (
    "UserName Tags TagKeys PolicyArns PolicyDocument MaxItems ContextEntries DurationSeconds RoleArn"
    " ContextKeyValues member entry 1 2 03 9999 Key Value key value é"
)
steps = st.sampled_from(STEPS.split())
field_names = st.lists(steps, min_size=1, max_size=9).map(".".join) | st.text(max_size=8)
forms = st.dictionaries(field_names, st.text(max_size=6), max_size=6).map(
    lambda fields: urlencode(fields, encoding="utf-8", errors="replace").encode()
)


def decode(service: str, name: str, body: bytes) -> msgspec.Struct | ApiError:
    """What the codec makes of `body`; any exception but ApiError fails the test."""
    try:
        return CODECS[service].decode(declared(service, name), body)
    except ApiError as caught:
        error = caught
    assert error.status == 400
    assert error.code in ("MalformedQueryString", "MalformedInput", "ValidationError")
    if error.code == "ValidationError":
        assert error.message is not None
        assert SENTENCE.fullmatch(error.message), error.message
    assert CODECS[service].encode_error(error, "")
    return error


@given(operations, st.binary(max_size=300) | forms)
@settings(max_examples=400)
def test_decode_any_form_gives_an_input_or_an_api_error(operation: tuple[str, str], body: bytes) -> None:
    decode(*operation, body)


def nearly(shapes: Shapes, name: str) -> st.SearchStrategy[dict[str, Any]]:
    """An input with some of its texts replaced, dropped or grown."""

    def damage(drawn: tuple[dict[str, Any], str, int, str]) -> dict[str, Any]:
        members, text, roll, victim = drawn
        names = sorted(members)
        if names:
            chosen = names[len(victim) % len(names)]
            if roll == 0:
                del members[chosen]
            elif roll == 1 and isinstance(members[chosen], str):
                members[chosen] = text
            elif roll == 2 and isinstance(members[chosen], list):
                members[chosen] = members[chosen] * 60
        return members

    return st.tuples(
        structures_of(shapes, name),
        st.text(max_size=20) | st.just("a" * 3000),
        st.integers(0, 3),
        st.text("x", max_size=20),
    ).map(damage)


@given(operations, st.data())
@settings(max_examples=300, suppress_health_check=RELAXED)
def test_both_passes_agree_on_what_is_refused(operation: tuple[str, str], data: st.DataObject) -> None:
    service, name = operation
    model = QUERY_SERVICES[service]
    input_name = model.operations[name][0].__name__
    members = data.draw(nearly(model.shapes, input_name))
    # Not botocore's serializer, which refuses to send what lacks a required member.
    fields: dict[str, str] = {}
    flatten(members, "", fields)
    body = urlencode(fields).encode()
    decoded = decode(service, name, body)
    document = read_input(model.shapes, input_name, parse_form(body))
    explained = Validator(model.shapes, WORDINGS[service]).explain(input_name, document)
    if isinstance(decoded, ApiError):
        assert explained is not None, f"the decoder refuses, the slow pass finds nothing: {body!r}"
        assert (decoded.code, decoded.message) == (explained.code, explained.message)
    else:
        assert explained is None, f"the decoder accepts, the slow pass says {explained.message}: {body!r}"


def flatten(value: Any, at: str, fields: dict[str, str]) -> None:
    if isinstance(value, dict):
        for name, one in value.items():
            flatten(one, f"{at}.{name}" if at else name, fields)
    elif isinstance(value, list):
        if not value:
            fields[at] = ""
        for number, one in enumerate(value, start=1):
            flatten(one, f"{at}.member.{number}", fields)
    else:
        fields[at] = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


@given(operations, st.data())
@settings(suppress_health_check=RELAXED)
def test_decode_damaged_form_gives_an_input_or_an_api_error(
    operation: tuple[str, str], data: st.DataObject
) -> None:
    service, name = operation
    model = QUERY_SERVICES[service]
    members = data.draw(structures_of(model.shapes, model.operations[name][0].__name__))
    body = bytearray(to_form(service, name, members))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 6))
        body[at : at + cut] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b".member.", b"%FF", b"&", b"=", b".1", b"%00", b"..."])
        )
    decode(service, name, bytes(body))


@given(st.binary(max_size=200) | forms.map(lambda form: b"Action=GetUser&Version=2010-05-08&" + form))
def test_any_form_names_one_action_or_none(form: bytes) -> None:
    asked = query_action(form)
    if asked is not None:
        service, action = asked
        assert service in QUERY_SERVICES
        assert f"Action={quote_plus(action)}".encode() in form
        assert form.count(b"&Action=") + form.startswith(b"Action=") == 1
