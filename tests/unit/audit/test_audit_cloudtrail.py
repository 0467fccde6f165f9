"""Records in CloudTrail's format, and what a caller can do to them: nothing."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from strongroom.audit.cloudtrail import (
    render_envelope,
    render_event,
    render_instant,
    render_service_event,
    render_tls_details,
    render_user_identity,
)
from strongroom.audit.messages import RECORD_BYTES_MAX, RECORD_START

ARN = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALICE = render_user_identity(
    "IAMUser",
    "EX_PRINCIPAL_ID",
    "arn:aws:iam::111122223333:user/Alice",
    "111122223333",
    "EXAMPLE_KEY_ID",
    user_name="Alice",
)
HOSTILE = [
    'a"b',
    "a\nb",
    "a\r\nb",
    "a\0b\x1b[31m",
    "a\\",
    "a\u2028b\u2029c\u0085d",
    "a\ud800b",
    "\udc00\ud800",
    "\U0001f511 clé",
    '"}\n{"eventVersion":"1.11","forged":true}',
    '","readOnly":false,"x":"',
]


def render(**changes: Any) -> bytes:
    members: dict[str, Any] = {
        "user_identity": ALICE,
        "event_time": 1795462260.9,
        "event_source": "kms.amazonaws.com",
        "event_name": "Decrypt",
        "region": "us-west-2",
        "source_ip": "192.0.2.0",
        "user_agent": "aws-cli/2.0",
        "error_code": None,
        "error_message": None,
        "request_parameters": {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": ARN},
        "response_elements": None,
        "additional_event_data": None,
        "request_id": "12345126-30d5-4b28-98b9-9153da559963",
        "event_id": "abcde202-ba1a-467c-b4ba-f729d45ae521",
        "read_only": True,
        "resources": [(ARN, "111122223333")],
        "recipient_account_id": "111122223333",
        "tls_details": None,
    }
    members |= changes
    own = inspect.signature(render_envelope).parameters
    envelope = render_envelope(**{name: members.pop(name) for name in own})
    return render_event(envelope, **members)


def parse(rendered: bytes) -> Any:
    """One line of ASCII that both JSON readers take, and take alike."""
    assert rendered.isascii()
    assert rendered.startswith(RECORD_START)
    assert len(rendered.decode().splitlines()) == 1
    strict = msgspec.json.decode(rendered)
    assert strict == json.loads(rendered)
    return strict


def test_event_decrypt_has_the_members_of_aws_in_their_order() -> None:
    """Source: docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html (eventVersion 1.11)."""
    tls = render_tls_details("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "kms.us-west-2.amazonaws.com")
    event = parse(render(tls_details=tls, additional_event_data={"keyMaterialId": "0" * 64}))
    assert list(event) == [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "requestID",
        "eventID",
        "readOnly",
        "resources",
        "eventType",
        "managementEvent",
        "recipientAccountId",
        "eventCategory",
        "tlsDetails",
    ]
    assert event["eventVersion"] == "1.11"
    assert event["eventTime"] == "2026-11-23T19:31:00Z"
    assert event["responseElements"] is None
    assert event["readOnly"] is True
    assert event["resources"] == [{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": ARN}]
    assert event["eventType"] == "AwsApiCall"
    assert event["tlsDetails"]["cipherSuite"] == "ECDHE-RSA-AES256-GCM-SHA384"
    assert list(event["userIdentity"]) == [
        "type",
        "principalId",
        "arn",
        "accountId",
        "accessKeyId",
        "userName",
    ]


def test_event_refused_tells_code_and_message_before_the_parameters() -> None:
    event = parse(render(error_code="AccessDenied", error_message="User is not authorized"))
    names = list(event)
    assert names[names.index("userAgent") : names.index("requestParameters")] == [
        "userAgent",
        "errorCode",
        "errorMessage",
    ]
    assert "errorMessage" not in parse(render(error_code="InvalidCiphertextException", error_message=None))


def test_event_before_anything_is_known_renders() -> None:
    event = parse(
        render(
            user_identity=render_user_identity("Unknown"),
            request_parameters=None,
            resources=[],
            error_code="UnrecognizedClientException",
        )
    )
    assert event["userIdentity"] == {"type": "Unknown"}
    assert event["requestParameters"] is None
    assert event["resources"] == []


def test_event_create_key_shows_instants_as_aws_does() -> None:
    """Source: docs.aws.amazon.com/kms/latest/developerguide/ct-createkey.html."""
    created = datetime(2022, 8, 10, 22, 38, 27, tzinfo=UTC)
    event = parse(
        render(
            event_name="CreateKey",
            read_only=False,
            request_parameters={"validTo": created},
            response_elements={"keyMetadata": {"creationDate": created, "list": [created], "enabled": True}},
        )
    )
    assert event["requestParameters"] == {"validTo": "Aug 10, 2022, 10:38:27 PM"}
    shown = {
        "creationDate": "Aug 10, 2022, 10:38:27 PM",
        "list": ["Aug 10, 2022, 10:38:27 PM"],
        "enabled": True,
    }
    assert event["responseElements"] == {"keyMetadata": shown}


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        (datetime(2022, 1, 2, 0, 5, 9, tzinfo=UTC), "Jan 2, 2022, 12:05:09 AM"),
        (datetime(2022, 12, 31, 12, 0, 0, tzinfo=UTC), "Dec 31, 2022, 12:00:00 PM"),
        (datetime(2022, 5, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2))), "Apr 30, 2022, 11:00:00 PM"),
    ],
)
def test_instant_around_noon_midnight_and_zones_is_right(instant: datetime, shown: str) -> None:
    assert render_instant(instant) == shown


def test_event_create_alias_tells_alias_and_key() -> None:
    """Source: docs.aws.amazon.com/kms/latest/developerguide/ct-createalias.html."""
    alias = "arn:aws:kms:us-west-2:111122223333:alias/mine"
    event = parse(render(resources=[(ARN, "111122223333"), (alias, "111122223333")], read_only=False))
    assert event["resources"][1] == {"accountId": "111122223333", "ARN": alias}


def test_service_event_delete_key_is_as_aws_writes_it() -> None:
    """Source: docs.aws.amazon.com/kms/latest/developerguide/ct-delete-key.html."""
    event = parse(
        render_service_event(
            event_time=1596153000,
            event_source="kms.amazonaws.com",
            event_name="DeleteKey",
            region="us-east-1",
            event_id="b25f9cda-74e1-4458-847b-4972a0bf9668",
            resources=[(ARN, "111122223333")],
            recipient_account_id="111122223333",
            service_event_details={"keyId": "1234abcd-12ab-34cd-56ef-1234567890ab"},
            response_elements={"keyId": ARN},
        )
    )
    assert event == {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": "111122223333", "invokedBy": "AWS Internal"},
        "eventTime": "2020-07-30T23:50:00Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "DeleteKey",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": {"keyId": ARN},
        "eventID": "b25f9cda-74e1-4458-847b-4972a0bf9668",
        "readOnly": False,
        "resources": [{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": ARN}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "serviceEventDetails": {"keyId": "1234abcd-12ab-34cd-56ef-1234567890ab"},
        "eventCategory": "Management",
    }


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "member", ["user_agent", "source_ip", "error_message", "error_code", "event_name", "region"]
)
def test_event_hostile_text_stays_inside_its_member(text: str, member: str) -> None:
    """INVARIANT A6: nothing a caller sends can end the line or the member."""
    changes: dict[str, Any] = {"error_code": "AccessDenied", "error_message": "no"} | {member: text}
    event = parse(render(**changes))
    plain = parse(render(error_code="AccessDenied", error_message="no"))
    assert list(event) == list(plain)
    assert event["readOnly"] is True
    differing = {name for name in event if event[name] != plain[name]}
    assert len(differing) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_event_hostile_context_stays_inside_its_member(text: str) -> None:
    """INVARIANT A6: nothing a caller sends can end the line or the member."""
    context = {text: "value", "name": text}
    event = parse(render(request_parameters={"encryptionContext": context}))
    recorded = event["requestParameters"]["encryptionContext"]
    assert len(recorded) == 2
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert recorded == context


def test_event_context_names_that_differ_in_lone_surrogates_stay_two() -> None:
    context = dict(zip(("\ud800", "\ud801"), "ab", strict=True))
    event = parse(render(request_parameters={"encryptionContext": context}))
    assert sorted(event["requestParameters"]["encryptionContext"].values()) == ["a", "b"]


def test_event_huge_text_is_cut() -> None:
    event = parse(render(user_agent="x" * 1_000_000, error_code="e", error_message="\u2028" * 1_000_000))
    assert event["userAgent"] == "x" * 1024
    assert len(event["errorMessage"]) == 1024


def test_event_huge_parameters_are_left_out_with_their_size() -> None:
    event = parse(render(request_parameters={"policy": "x" * 200_000}))
    omitted = event["requestParameters"]
    assert omitted["omitted"] is True
    assert omitted["originalSize"] == 200_000 + len('{"policy":""}')
    assert omitted["reason"] == "requestParameters too large"


def test_event_largest_possible_is_a_record_the_trail_takes() -> None:
    big = {"x": "y" * 102_000}
    rendered = render(
        user_agent="\U0001f511" * 1024,
        error_code="\U0001f511" * 1024,
        error_message="\U0001f511" * 1024,
        request_parameters=big,
        response_elements=big,
        additional_event_data={"x": "y" * 28_000},
    )
    assert len(rendered) < RECORD_BYTES_MAX


def test_user_identity_assumed_role_carries_its_session() -> None:
    identity = json.loads(
        render_user_identity(
            "AssumedRole",
            "AROA:session\n",
            "arn:aws:sts::1:assumed-role/r/s",
            "111122223333",
            session_context={"sessionIssuer": {"type": "Role"}},
        )
    )
    assert list(identity) == ["type", "principalId", "arn", "accountId", "sessionContext"]
