"""Requests made again from their records: what was recorded comes back, and no record does harm."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.model_values import structures_of

from strongroom.administration.recorded_request import NotRebuildable, rebuild_request
from strongroom.audit.cloudtrail import render_envelope, render_event, render_user_identity
from strongroom.aws.generated.constraints import SHAPES
from strongroom.identity.principal import PrincipalType
from strongroom.operations.operation import Operation
from strongroom.operations.plan import Plan, record_request
from strongroom.operations.table import KMS_OPERATIONS

ACCOUNT = "111122223333"
USER = {
    "type": "IAMUser",
    "principalId": "AIDAALICE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    "accountId": ACCOUNT,
    "accessKeyId": "AKIAALICE",
    "userName": "alice",
}
SESSION = {
    "type": "AssumedRole",
    "principalId": "AROAADMIN:s1",
    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/s1",
    "accountId": ACCOUNT,
    "accessKeyId": "ASIAADMIN",
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAADMIN",
            "arn": f"arn:aws:iam::{ACCOUNT}:role/path/admin",
            "accountId": ACCOUNT,
            "userName": "admin",
        },
        "attributes": {"creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false"},
        "sourceIdentity": "carol",
    },
}


def recorded(operation: Operation, request: Any) -> dict[str, Any]:
    """The record of a request, as the trail has it."""
    envelope = render_envelope(
        user_identity=render_user_identity("IAMUser", "AIDAALICE", USER["arn"], ACCOUNT, "AKIAALICE"),
        event_source="kms.amazonaws.com",
        event_name=operation.name,
        region="eu-central-1",
        source_ip="192.0.2.1",
        user_agent="tests",
        read_only=operation.read_only,
        resources=[],
        recipient_account_id=ACCOUNT,
        tls_details=None,
    )
    line = render_event(
        envelope, 1_700_000_000.0, None, None, record_request(Plan(operation), request), None, None, "r", "e"
    )
    return dict(json.loads(line))


@pytest.mark.parametrize("name", sorted(KMS_OPERATIONS))
def test_what_is_recorded_of_a_request_comes_back(name: str) -> None:
    operation = KMS_OPERATIONS[name]

    @settings(max_examples=15, deadline=None)
    @given(structures_of(SHAPES, operation.input.__name__))
    def comes_back(structure: dict[str, Any]) -> None:
        sent = msgspec.convert(structure, operation.input, strict=False)
        again = rebuild_request(recorded(operation, sent))
        assert again.operation is operation
        for one in operation.records:
            value = getattr(sent, one.member)
            if value is not None:
                assert getattr(again.members, one.member) == value
            elif one.absent is not None:
                assert getattr(again.members, one.member) == one.absent
        hidden = set(operation.input.__struct_fields__) - {one.member for one in operation.records}
        assert [member for member in hidden if getattr(again.members, member) is not None] == []

    comes_back()


def record(identity: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "userIdentity": identity,
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "ListKeys",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "tests",
        "requestParameters": None,
        **members,
    }


def test_user_and_the_service_through_which_it_came() -> None:
    principal = rebuild_request(record(USER | {"invokedBy": "s3.amazonaws.com"})).authenticated.principal
    assert (principal.type, principal.unique_id, principal.arn) == (
        PrincipalType.IAM_USER,
        "AIDAALICE",
        USER["arn"],
    )
    assert principal.forwarding is not None
    assert (principal.forwarding.service, principal.forwarding.region) == ("s3", "eu-central-1")
    assert principal.session is None


def test_session_has_the_policies_and_tags_that_it_was_given_out_with() -> None:
    issuing = {
        "requestParameters": {
            "policy": "{}",
            "policyArns": [{"arn": "arn:aws:iam::aws:policy/x"}],
            "tags": [{"key": "team", "value": "blue"}],
            "roleSessionName": "s1",
        }
    }
    made = rebuild_request(record(SESSION), issuing)
    session = made.authenticated.principal.session
    assert session is not None
    assert (session.policies, session.policy_arns) == (("{}",), ("arn:aws:iam::aws:policy/x",))
    assert (session.tags, session.source_identity) == ({"team": "blue"}, "carol")
    assert (made.authenticated.principal.unique_id, made.notes) == ("AROAADMIN", ())
    assert "session policies and tags are not known" in rebuild_request(record(SESSION)).notes[0]


def test_service_and_root() -> None:
    service = rebuild_request(record({"type": "AWSService", "invokedBy": "s3.amazonaws.com"}))
    assert (service.authenticated.principal.arn, service.authenticated.principal.account_id) == (
        "s3.amazonaws.com",
        "",
    )
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    root = rebuild_request(record({"type": "Root", "principalId": ACCOUNT, "arn": arn, "accountId": ACCOUNT}))
    assert (root.authenticated.principal.type, root.authenticated.principal.unique_id) == (
        PrincipalType.ROOT,
        ACCOUNT,
    )


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        pytest.param({"userIdentity": {"type": "Unknown"}}, "Nobody knew who called", id="unknown-caller"),
        pytest.param({"eventName": "DeleteKey"}, "no operation that is decided", id="service-event"),
        pytest.param({"eventSource": "strongroom"}, "no operation that is decided", id="operator"),
    ],
)
def test_record_of_what_was_not_decided_by_policies_says_so(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotRebuildable, match=sentence):
        rebuild_request(record(USER, **members))


def test_parameters_that_were_too_long_are_told_of() -> None:
    omitted = {"omitted": True, "originalSize": 9, "reason": "requestParameters too large"}
    made = rebuild_request(record(USER, requestParameters=omitted))
    assert made.notes == ("The request's parameters were too long to be recorded.",)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(KMS_OPERATIONS)),
    st.dictionaries(
        st.sampled_from(["keyId", "encryptionContext", "constraints", "operations", "tags", "validTo"]), _json
    ),
)
def test_members_of_any_kind_are_read_or_left_out(name: str, parameters: dict[str, Any]) -> None:
    made = rebuild_request(record(USER, eventName=name, requestParameters=parameters))
    for field in msgspec.structs.fields(type(made.members)):
        value = getattr(made.members, field.name)
        assert value is None or field.encode_name[0].lower() + field.encode_name[1:] in parameters
