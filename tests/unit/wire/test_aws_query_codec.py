"""The AWS Query codec: forms in, XML out, and the sentences for forms that break the model."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.query_client import from_document
from tests.unit.wire.test_query_against_botocore import CODECS, REQUEST_ID, declared

from strongroom.aws.constraint import MemberConstraint, ShapeConstraint
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.iam_enums import statusType, summaryKeyType
from strongroom.aws.generated.iam_shapes import (
    AccessKeyMetadata,
    ContextEntry,
    CreateUserRequest,
    GetAccountSummaryResponse,
    GetUserPolicyResponse,
    ListAccessKeysResponse,
    ListUsersRequest,
    ListUsersResponse,
    Tag,
    User,
)
from strongroom.aws.generated.sts_shapes import GetCallerIdentityRequest, GetCallerIdentityResponse
from strongroom.aws.query_services import IAM, QUERY_SERVICES
from strongroom.wire.aws_query import QueryStringForm
from strongroom.wire.query_form import FIELDS_MAX, read_input
from strongroom.wire.xml_text import render_text

ROLE_ARN = "arn:aws:iam::123456789012:role/a"
TAG_PATTERN = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+"


def decode(name: str, body: bytes, service: str = "iam") -> Any:
    return CODECS[service].decode(declared(service, name), body)


def refusal(name: str, body: bytes | dict[str, str], service: str = "iam") -> ApiError:
    with pytest.raises(ApiError) as caught:
        decode(name, body if isinstance(body, bytes) else urlencode(body).encode(), service)
    assert caught.value.__context__ is None, "a traceback would carry the form"
    return caught.value


# ------------------------------------------------------------------------------------------------ forms


def test_decode_get_caller_identity_ignores_action_version_and_strangers() -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15&Stranger=1&Stranger.x=1&..=2&X-Amz-Date=1"
    assert decode("GetCallerIdentity", body, "sts") == GetCallerIdentityRequest()


def test_decode_lists_keep_the_order_of_their_numbers_and_gaps_do_not_matter() -> None:
    body = (
        b"Action=CreateUser&UserName=a%2Bb&Tags.member.2.Key=second&Tags.member.2.Value=2"
        b"&Tags.member.1.Key=first+%C3%A9&Tags.member.1.Value=&Tags.member.10.Key=third&Tags.member.10.Value=3"
    )
    assert decode("CreateUser", body) == CreateUserRequest(
        user_name="a+b",
        tags=[Tag(key="first é", value=""), Tag(key="second", value="2"), Tag(key="third", value="3")],
    )


def test_decode_lists_in_lists_and_empty_lists() -> None:
    body = (
        b"ActionNames.member.1=kms:Encrypt&PolicyInputList=&ContextEntries.member.1.ContextKeyName=aws:x1"
        b"&ContextEntries.member.1.ContextKeyValues.member.1=v&ContextEntries.member.1.ContextKeyType=string"
    )
    decoded = decode("SimulateCustomPolicy", body)
    assert decoded.policy_input_list == []
    [entry] = decoded.context_entries
    assert type(entry) is ContextEntry
    assert (entry.context_key_name, entry.context_key_values) == ("aws:x1", ["v"])


def test_decode_of_a_name_given_twice_takes_the_last() -> None:
    assert decode("ListUsers", b"MaxItems=1&MaxItems=7") == ListUsersRequest(max_items=7)


EVERY_KIND = {
    "text": ShapeConstraint(kind="string"),
    "number": ShapeConstraint(kind="integer"),
    "flag": ShapeConstraint(kind="boolean"),
    "moment": ShapeConstraint(kind="timestamp"),
    "bytes": ShapeConstraint(kind="blob"),
    "attributes": ShapeConstraint(kind="map", key="text", value="number"),
    "input": ShapeConstraint(
        kind="structure",
        members=tuple(
            MemberConstraint(kind.title(), kind, kind, False)
            for kind in ("text", "number", "flag", "moment", "bytes", "attributes")
        ),
    ),
}


def test_read_input_reads_every_kind_of_the_protocol() -> None:
    fields = {
        "Text": "t",
        "Number": "-7",
        "Flag": "TRUE",
        "Moment": "2026-01-02T03:04:05Z",
        "Bytes": "/w==",
        "Attributes.entry.2.key": "b",
        "Attributes.entry.2.value": "2",
        "Attributes.entry.1.key": "a",
        "Attributes.entry.1.value": "1",
    }
    assert read_input(EVERY_KIND, "input", fields) == {
        "Text": "t",
        "Number": -7,
        "Flag": True,
        "Moment": 1767323045.0,
        "Bytes": b"\xff",
        "Attributes": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Number", ""),
        ("Number", "seven"),
        ("Number", "7.0"),
        ("Number", "2147483648"),
        ("Number", "1" * 5000),
        ("Number", "²"),
        ("Flag", "1"),
        ("Moment", "yesterday"),
        ("Moment", "9" * 5000),
        ("Bytes", "/w="),
        ("Bytes", "é"),
        ("Text.x", "t"),
        ("Attributes", "a"),
        ("Attributes.entry", "a"),
        ("Attributes.entry.1", "a"),
        ("Attributes.entry.1.key", "a"),
        ("Attributes.member.1.key", "a"),
        ("Text." + "a." * 9 + "b", "deep"),
        ("Text..x", "t"),
    ],
    ids=lambda text: text[:24] or "empty",
)
def test_read_input_of_another_type_is_malformed_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_input(EVERY_KIND, "input", {name: value})
    assert (caught.value.code, caught.value.status) == ("MalformedInput", 400)
    assert len(value) < 3 or value not in str(caught.value.message)


@pytest.mark.parametrize(
    "body",
    [
        b"UserName=a&UserName.x=b",
        b"UserName.x=b&UserName=a",
        b"UserName=a&Tags.member.x.Key=1",
        b"UserName=a&Tags.member.99999.Key=1",
        "UserName=a&Tags.member.².Key=1".encode(),
        b"UserName=a&Tags.member=1",
        b"UserName=a&Tags.1.Key=k",
        b"UserName=a&Tags.member.1=1",
    ],
    ids=lambda body: body.decode(),
)
def test_decode_names_that_do_not_fit_are_malformed(body: bytes) -> None:
    assert refusal("CreateUser", body).code == "MalformedInput"


@pytest.mark.parametrize(
    "body",
    [b"UserName=\xff", b"UserName=%FF", b"&".join(b"a%d=1" % n for n in range(FIELDS_MAX + 1))],
    ids=["raw", "percent-encoded", "too-many"],
)
def test_decode_what_is_no_form_is_a_malformed_query_string(body: bytes) -> None:
    assert refusal("GetUser", body).code == "MalformedQueryString"


def test_a_query_string_form_reads_the_url_and_not_the_body() -> None:
    codec = QueryStringForm(CODECS["iam"], b"MaxItems=7&X-Amz-Date=1")
    assert codec.decode(declared("iam", "ListUsers"), b"MaxItems=8") == ListUsersRequest(max_items=7)
    error = ApiError("NoSuchEntity", "x", 404)
    assert codec.encode_error(error, REQUEST_ID) == CODECS["iam"].encode_error(error, REQUEST_ID)


# -------------------------------------------------------------------------------------------- sentences

NAMES = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
ONE = "1 validation error detected: "
TAGS = {"UserName": "a", "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"}


@pytest.mark.parametrize(
    ("name", "members", "sentence"),
    [
        # mulgadc/spinifex, as AWS returned them to TagUser and UntagUser
        (
            "TagUser",
            {"UserName": "a", "Tags.member.1.Key": "novalue"},
            f"{ONE}Value at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
        ),
        (
            "TagUser",
            TAGS | {"Tags.member.1.Key": "bad#key"},
            f"{ONE}Value at 'tags.1.member.key' failed to satisfy constraint: {TAG_PATTERN}",
        ),
        (
            "TagUser",
            TAGS | {"Tags.member.1.Key": "é" * 129},
            f"{ONE}Value at 'tags.1.member.key' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
        (
            "TagUser",
            TAGS | {"Tags.member.1.Key": ""},
            "2 validation errors detected: Value at 'tags.1.member.key' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1; "
            f"Value at 'tags.1.member.key' failed to satisfy constraint: {TAG_PATTERN}",
        ),
        (
            "TagUser",
            {"UserName": "a"}
            | {f"Tags.member.{n}.Key": f"k{n}" for n in range(1, 51)}
            | {f"Tags.member.{n}.Value": "" for n in range(1, 52)}
            | {"Tags.member.51.Key": "bad#key"},
            "2 validation errors detected: Value at 'tags' failed to satisfy constraint: "
            "Member must have length less than or equal to 50; "
            f"Value at 'tags.51.member.key' failed to satisfy constraint: {TAG_PATTERN}",
        ),
        (
            "UntagUser",
            {"UserName": "a", "TagKeys.member.1": "bad#", "TagKeys.member.2": "k"},
            f"{ONE}Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 128, "
            f"Member must have length greater than or equal to 1, {TAG_PATTERN}, Member must not be null]",
        ),
        (
            "ListUsers",
            {"PathPrefix": "invalid"},
            "The specified value for pathPrefix is invalid. It must begin with the / character and contain "
            "only alphanumeric characters and/or / characters.",
        ),
        (
            "ListUsers",
            {"PathPrefix": "/" + "a" * 512},
            f"{ONE}Value at 'pathPrefix' failed to satisfy constraint: "
            "Member must have length less than or equal to 512",
        ),
        (
            "ListUsers",
            {"MaxItems": "1001"},
            f"{ONE}Value '1001' at 'maxItems' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000",
        ),
        # versity/versitygw, aws/eks-hybrid pull request 113, cfn-lint issue 722
        ("CreateUser", {"UserName": "a b"}, f"The specified value for userName is invalid. {NAMES}"),
        ("GetRole", {"RoleName": ""}, f"The specified value for roleName is invalid. {NAMES}"),
        (
            "GetRole",
            {"RoleName": "a" * 65},
            f"{ONE}Value at 'roleName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64",
        ),
        (
            "GetRole",
            {},
            f"{ONE}Value at 'roleName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateRole",
            {"RoleName": "a", "AssumeRolePolicyDocument": "{}", "Path": "test/"},
            "The specified value for path is invalid. It must begin and end with / and contain only "
            "alphanumeric characters and/or / characters.",
        ),
        (
            "PutUserPolicy",
            {"UserName": "a", "PolicyName": "p", "PolicyDocument": "emoji\U0001f600test"},
            "The specified value for policyDocument is invalid. "
            "It must contain only printable ASCII characters.",
        ),
        (
            "GetAccessKeyLastUsed",
            {"AccessKeyId": "A" * 15 + "/"},
            "The specified value for accessKeyId is invalid. It must contain only alphanumeric characters.",
        ),
        (
            "UpdateAccessKey",
            {"AccessKeyId": "A" * 16, "Status": "On"},
            f"{ONE}Value 'On' at 'status' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Active, Inactive, Expired]",
        ),
        (
            "UpdateAccessKey",
            {"AccessKeyId": "A" * 15},
            "2 validation errors detected: Value at 'accessKeyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 16; "
            "Value at 'status' failed to satisfy constraint: Member must not be null",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 25 else "",
)
def test_iam_refuses_in_its_own_words(name: str, members: dict[str, str], sentence: str) -> None:
    error = refusal(name, members)
    assert (error.code, error.status, error.message) == ("ValidationError", 400, sentence)


ARN_PATTERN = r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+"
SESSION = {"RoleArn": ROLE_ARN, "RoleSessionName": "s1"}


@pytest.mark.parametrize(
    ("name", "members", "sentence"),
    [
        # localstack's recordings
        (
            "AssumeRole",
            SESSION | {"RoleSessionName": "Session1:2"},
            f"{ONE}Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
        ),
        (
            "AssumeRole",
            SESSION | {"RoleSessionName": "s" * 65},
            f"{ONE}Value '{'s' * 65}' at 'roleSessionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64",
        ),
        # mmmorris1975/aws-runas issue 80: the pattern first
        (
            "AssumeRole",
            SESSION | {"RoleArn": ""},
            "2 validation errors detected: Value '' at 'roleArn' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {ARN_PATTERN}; "
            "Value '' at 'roleArn' failed to satisfy constraint: "
            "Member must have length greater than or equal to 20",
        ),
        # noobaa/noobaa-core pull request 8254
        (
            "AssumeRole",
            SESSION | {"DurationSeconds": "43201"},
            f"{ONE}Value '43201' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value less than or equal to 43200",
        ),
        (
            "AssumeRole",
            {"RoleArn": ROLE_ARN},
            f"{ONE}Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "AssumeRoleWithWebIdentity",
            SESSION | {"WebIdentityToken": "abc"},
            f"{ONE}Value at 'webIdentityToken' failed to satisfy constraint: "
            "Member must have length greater than or equal to 4",
        ),
        (
            "GetSessionToken",
            {"TokenCode": "12345x"},
            f"{ONE}Value at 'tokenCode' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\d]*",
        ),
    ],
    ids=["pattern", "long", "pattern-first", "duration", "null", "web-identity-token", "token-code"],
)
def test_sts_refuses_in_its_own_words(name: str, members: dict[str, str], sentence: str) -> None:
    error = refusal(name, members, "sts")
    assert (error.code, error.status, error.message) == ("ValidationError", 400, sentence)


def test_tag_keys_are_letters_separators_and_numbers_of_all_scripts() -> None:
    """Python has no such classes: the generator writes them otherwise."""
    shape = IAM.shapes["tagKeyType"]
    assert shape.full_match is not None
    pattern = re.compile(shape.full_match)
    for code in (*range(0xD800), *range(0xE000, 0x110000)):
        character = chr(code)
        wanted = unicodedata.category(character)[0] in "LZN" or character in "_.:/=+-@"
        assert bool(pattern.search(character)) is wanted, hex(code)


# -------------------------------------------------------------------------------------------- documents


def test_encode_caller_identity_is_stss_document() -> None:
    response = GetCallerIdentityResponse(
        arn="arn:aws:iam::000000000000:root", user_id="000000000000", account="000000000000"
    )
    body = CODECS["sts"].encode(declared("sts", "GetCallerIdentity"), response, REQUEST_ID)
    assert body.decode() == (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<GetCallerIdentityResult><UserId>000000000000</UserId><Account>000000000000</Account>"
        "<Arn>arn:aws:iam::000000000000:root</Arn></GetCallerIdentityResult><ResponseMetadata>"
        f"<RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></GetCallerIdentityResponse>\n"
    )


def test_encode_of_nothing_to_list_is_an_empty_list() -> None:
    body = CODECS["iam"].encode(
        declared("iam", "ListUsers"), ListUsersResponse(users=[], is_truncated=False), REQUEST_ID
    )
    assert b"<ListUsersResult><Users></Users><IsTruncated>false</IsTruncated></ListUsersResult>" in body
    assert from_document("iam", "ListUsers", body, 200)["Users"] == []


def test_encode_writes_instants_to_the_second_and_maps_with_entries() -> None:
    user = User(path="/", user_name="a", user_id="A" * 16, arn=ROLE_ARN, create_date=1767323045.9)
    body = CODECS["iam"].encode(
        declared("iam", "ListUsers"),
        ListUsersResponse(users=[user], is_truncated=True, marker="m"),
        REQUEST_ID,
    )
    assert b"<CreateDate>2026-01-02T03:04:05Z</CreateDate>" in body
    summary = GetAccountSummaryResponse(summary_map={summaryKeyType.USERS: 3})
    body = CODECS["iam"].encode(declared("iam", "GetAccountSummary"), summary, REQUEST_ID)
    assert b"<SummaryMap><entry><key>Users</key><value>3</value></entry></SummaryMap>" in body


def test_policies_are_percent_encoded_on_the_wire() -> None:
    """RFC 3986; SDKs decode them."""
    text = '{"Version": "2012-10-17", "Statement": [{"Resource": "a+b/%~é"}]}'
    response = GetUserPolicyResponse(user_name="a", policy_name="p", policy_document=text)
    body = CODECS["iam"].encode(declared("iam", "GetUserPolicy"), response, REQUEST_ID)
    assert (
        b"<PolicyDocument>%7B%22Version%22%3A%20%222012-10-17%22%2C%20%22Statement%22%3A%20%5B%7B%22Resource%22"
        b"%3A%20%22a%2Bb%2F%25~%C3%A9%22%7D%5D%7D</PolicyDocument>"
    ) in body
    assert from_document("iam", "GetUserPolicy", body, 200)["PolicyDocument"] == text


@pytest.mark.parametrize(
    ("service", "action", "status", "fault"),
    [
        ("sts", "GetCallerIdentity", 400, "Sender"),
        ("iam", "GetUser", 403, "Sender"),
        ("iam", "GetUser", 500, "Receiver"),
    ],
    ids=["sts", "sender", "receiver"],
)
def test_encode_error_is_from_document(service: str, action: str, status: int, fault: str) -> None:
    sentence = "not <allowed> & \"quoted\" 'é' \x00"
    error = ApiError("AccessDenied", sentence, status)
    body = CODECS[service].encode_error(error, REQUEST_ID)
    assert QUERY_SERVICES[service].namespace.encode() in body
    parsed = from_document(service, action, body, status)
    assert parsed["Error"]["Code"] == "AccessDenied"
    assert parsed["Error"]["Type"] == fault
    assert parsed["Error"]["Message"] == sentence.replace("\x00", "\ufffd")
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID


def test_encode_error_without_message_has_an_empty_one() -> None:
    body = CODECS["sts"].encode_error(ApiError("X", None), REQUEST_ID)
    assert b"<Message></Message>" in body


def test_enumerations_are_written_as_their_values() -> None:
    key = AccessKeyMetadata(access_key_id="A" * 16, status=statusType.INACTIVE)
    response = ListAccessKeysResponse(access_key_metadata=[key])
    body = CODECS["iam"].encode(declared("iam", "ListAccessKeys"), response, REQUEST_ID)
    assert b"<Status>Inactive</Status>" in body


@given(st.text())
def test_render_text_is_always_well_formed_and_keeps_what_xml_can_carry(text: str) -> None:
    parsed = ElementTree.fromstring(f"<t>{render_text(text)}</t>").text or ""  # noqa: S314
    assert len(parsed) == len(text)
    assert all(read in (written, "\ufffd") for read, written in zip(parsed, text, strict=True))
