"""The AWS Query codec: forms in, XML out that botocore reads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import msgspec
import pytest
from botocore.parsers import create_parser
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from strongroom.aws.errors import ApiError
from strongroom.aws.sts_shapes import GetCallerIdentityRequest, GetCallerIdentityResponse
from strongroom.operations.operation import Operation
from strongroom.operations.table import STS_OPERATIONS
from strongroom.wire.aws_query import AwsQuery
from strongroom.wire.query_form import FIELDS_MAX
from strongroom.wire.xml_text import render_element, render_text

GET_CALLER_IDENTITY = STS_OPERATIONS["GetCallerIdentity"]
REQUEST_ID = "00000000-1111-4222-8333-444444444444"


class Tag(msgspec.Struct, kw_only=True, rename="pascal"):
    key: str
    value: str = ""


class Probe(msgspec.Struct, kw_only=True, rename="pascal"):
    """An input with every form that the protocol has."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    max_items: int | None = None
    deep: bool | None = None
    tags: list[Tag] | None = None
    names: list[str] | None = None
    attributes: dict[str, str] | None = None
    policy: Tag | None = None


PROBE: Operation = replace(GET_CALLER_IDENTITY, name="Probe", input=Probe, output=Probe)


def read_by_botocore(service: str, action: str, body: bytes, status: int = 200) -> dict[str, Any]:
    shape = Session().get_service_model(service).operation_model(action).output_shape
    response = {"body": body, "headers": {}, "status_code": status}
    parsed: dict[str, Any] = create_parser("query").parse(response, shape)
    return parsed


def refusal(body: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        AwsQuery("sts").decode(PROBE, body)
    return caught.value


def test_decode_get_caller_identity_ignores_action_version_and_strangers() -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15&Stranger=1"
    assert AwsQuery("sts").decode(GET_CALLER_IDENTITY, body) == GetCallerIdentityRequest()


def test_decode_every_form_of_the_protocol_gives_typed_input() -> None:
    body = (
        b"Action=Probe&Version=1&Name=a+b%26%C3%A9&MaxItems=7&Deep=true"
        b"&Tags.member.2.Key=second&Tags.member.2.Value=2&Tags.member.1.Key=first&Tags.member.10.Key=third"
        b"&Names.member.1=x&Names.member.2="
        b"&Attributes.entry.1.key=k&Attributes.entry.1.value=v&Policy.Key=p"
    )
    assert AwsQuery("sts").decode(PROBE, body) == Probe(
        name="a b&é",
        max_items=7,
        deep=True,
        tags=[Tag(key="first"), Tag(key="second", value="2"), Tag(key="third")],
        names=["x", ""],
        attributes={"k": "v"},
        policy=Tag(key="p"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Name=",
        b"Name=a&MaxItems=seven",
        b"Name=a&Deep=maybe",
        b"Name.x=a",
        b"Name=a&Name.x=b",
        b"Name.x=b&Name=a",
        b"Name=a&Tags.member.x.Key=1",
        b"Name=a&Tags.member.99999.Key=1",
        "Name=a&Tags.member.².Key=1".encode(),
        b"Name=a&Tags.member=1",
        b"Name=a&Attributes.entry.1.key=k",
        b"Name=a&Attributes.entry.1.key.x=k&Attributes.entry.1.value=v",
        b"Name=a&..=1",
        b"Name=a&" + b"a." * 100_000 + b"b=1",
    ],
)
def test_decode_form_that_does_not_fit_is_a_validation_error(body: bytes) -> None:
    error = refusal(body)
    assert (error.code, error.status) == ("ValidationError", 400)


@pytest.mark.parametrize(
    "body", [b"Name=\xff", b"Name=%FF", b"Name=a&" + b"&".join(b"a%d=1" % n for n in range(FIELDS_MAX))]
)
def test_decode_what_is_no_form_is_a_malformed_query_string(body: bytes) -> None:
    assert refusal(body).code == "MalformedQueryString"


def test_decode_refusal_carries_no_parser_error_as_its_context() -> None:
    assert refusal(b"Name=").__context__ is None
    assert refusal(b"Name=%FF").__context__ is None


steps = st.sampled_from(
    ["Name", "Tags", "Attributes", "Policy", "Key", "member", "entry", "1", "2", "key", "value"]
)
field_names = st.lists(steps, min_size=1, max_size=5).map(".".join)
forms = st.dictionaries(field_names, st.text(max_size=3), max_size=5).map(
    lambda fields: urlencode(fields, encoding="utf-8", errors="replace").encode()
)


@given(st.binary(max_size=200) | forms | forms.map(lambda form: b"Name=a&" + form))
def test_decode_any_form_gives_an_input_or_an_api_error(body: bytes) -> None:
    decoded: msgspec.Struct | None = None
    with suppress(ApiError):
        decoded = AwsQuery("iam").decode(PROBE, body)
    assert decoded is None or isinstance(decoded, Probe)


def test_encode_caller_identity_is_stss_document_and_read_by_botocore() -> None:
    response = GetCallerIdentityResponse(
        arn="arn:aws:iam::000000000000:root", user_id="000000000000", account="000000000000"
    )
    body = AwsQuery("sts").encode(GET_CALLER_IDENTITY, response, REQUEST_ID)
    assert body.decode() == (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId>"
        "<Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata>"
        f"<RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></GetCallerIdentityResponse>\n"
    )
    parsed = read_by_botocore("sts", "GetCallerIdentity", body)
    assert parsed["Arn"] == "arn:aws:iam::000000000000:root"
    assert parsed["UserId"] == parsed["Account"] == "000000000000"
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID


def test_encode_operation_without_result_has_metadata_only() -> None:
    body = AwsQuery("iam").encode(PROBE, None, REQUEST_ID)
    assert [child.tag.rpartition("}")[2] for child in ElementTree.fromstring(body)] == ["ResponseMetadata"]  # noqa: S314


@pytest.mark.parametrize(
    ("service", "action", "status", "fault"),
    [
        ("sts", "GetCallerIdentity", 400, "Sender"),
        ("iam", "GetUser", 403, "Sender"),
        ("iam", "GetUser", 500, "Receiver"),
    ],
)
def test_encode_error_is_read_by_botocore(service: str, action: str, status: int, fault: str) -> None:
    sentence = "not <allowed> & \"quoted\" 'é' \x00\ud800".encode("utf-8", "replace").decode()
    error = ApiError("AccessDenied", sentence, status)
    body = AwsQuery(service).encode_error(error, REQUEST_ID)
    parsed = read_by_botocore(service, action, body, status)
    assert parsed["Error"]["Code"] == "AccessDenied"
    assert parsed["Error"]["Type"] == fault
    assert parsed["Error"]["Message"] == sentence.replace("\x00", "\ufffd")
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID


def test_encode_error_without_message_has_an_empty_one() -> None:
    body = AwsQuery("sts").encode_error(ApiError("X", None), REQUEST_ID)
    assert b"<Message></Message>" in body


def test_render_element_writes_every_form_of_the_protocol() -> None:
    rendered = render_element(
        "R",
        Probe(
            name="<n>",
            max_items=3,
            deep=False,
            tags=[Tag(key="k", value="v")],
            names=[],
            attributes={"a": "b"},
        ),
    )
    assert rendered == (
        "<R><Name>&lt;n&gt;</Name><MaxItems>3</MaxItems><Deep>false</Deep>"
        "<Tags><member><Key>k</Key><Value>v</Value></member></Tags><Names></Names>"
        "<Attributes><entry><key>a</key><value>b</value></entry></Attributes></R>"
    )
    assert render_element("B", b"\xff") == "<B>/w==</B>"
    assert render_element("D", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "<D>2026-01-02T03:04:05Z</D>"
    with pytest.raises(TypeError):
        render_element("S", {1, 2})


@given(st.text())
def test_render_text_is_always_well_formed_and_keeps_what_xml_can_carry(text: str) -> None:
    parsed = ElementTree.fromstring(f"<t>{render_text(text)}</t>").text or ""  # noqa: S314
    assert len(parsed) == len(text)
    assert all(read in (written, "\ufffd") for read, written in zip(parsed, text, strict=True))
