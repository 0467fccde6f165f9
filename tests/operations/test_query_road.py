"""IAM and STS on the road: the same steps, in the words of AWS Query."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.aws.generated import iam_shapes
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.operations.context import Call
from strongroom.operations.operation import EntityTarget, Operation, records
from strongroom.operations.rules import Rules
from strongroom.operations.table import IAM_NOT_BUILT, STS_NOT_BUILT
from strongroom.pipeline import Pipeline
from strongroom.request_ids import RequestIds
from strongroom.resources.iam import EntityKind
from strongroom.resources.identifiers import Region


def test_caller_identity_is_answered_and_recorded(road: Road) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    assert road.call_query("sts", "GetCallerIdentity") == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": arn}
    record = road.last_record
    assert (record["eventSource"], record["eventName"]) == ("sts.amazonaws.com", "GetCallerIdentity")
    assert record["userIdentity"]["arn"] == arn


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_every_operation_that_is_not_built_says_so_and_is_recorded(road: Road, service: str) -> None:
    not_built = {"iam": IAM_NOT_BUILT, "sts": STS_NOT_BUILT}[service]
    for name in sorted({*not_built, "Nonsense"}):
        answer = road.send_query(service, name, b"UserName=a")
        assert answer.status == 400
        sentence = f"Could not find operation {name} for version {QUERY_SERVICES[service].version}"
        assert f"<Code>InvalidAction</Code><Message>{sentence}</Message>" in answer.body.decode()
        record = road.last_record
        assert (record["eventName"], record["errorCode"]) == (name, "InvalidAction")
        assert record["eventSource"] == f"{service}.amazonaws.com"


def test_request_signed_for_another_service_is_refused_with_403(road: Road) -> None:
    request = road._request(b"", ACCOUNT, "us-east-1", "iam")
    answer = road.wait(road.pipeline.answer(request, road.query_codecs["sts"], "sts", "GetCallerIdentity"))
    assert answer.status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer.body
    assert b"correct service: &#39;sts&#39;" in answer.body


def test_form_that_is_none_is_refused_in_the_services_words(road: Road) -> None:
    answer = road.send_query("sts", "GetCallerIdentity", b"RoleArn=%FF")
    assert (answer.status, answer.content_type) == (400, b"text/xml")
    assert b"<Code>MalformedQueryString</Code>" in answer.body


def test_audit_that_fails_is_an_internal_failure(own_road: Road) -> None:
    """INVARIANT T3, T4: AWS Query has no KMSInternalException."""
    own_road.audit.accepting = False
    with pytest.raises(Refusal) as caught:
        own_road.call_query("sts", "GetCallerIdentity")
    assert (caught.value.code, caught.value.status) == ("InternalFailure", 500)


async def _delete_user(call: Call, request: iam_shapes.DeleteUserRequest) -> None:
    """What is of interest is whether the road comes here."""


DELETE_USER = Operation(
    service="iam",
    name="DeleteUser",
    input=iam_shapes.DeleteUserRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:DeleteUser", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name"),
    response_records=(),
    run=_delete_user,
)


@pytest.mark.parametrize(
    ("served", "is_strict", "region", "status"),
    [
        (None, True, "eu-central-1", 200),
        (None, True, "aws-global", 200),
        (None, True, "cn-north-1", 403),
        (None, True, "aws-cn-global", 403),
        (None, True, "us-gov-west-1", 403),
        (None, False, "cn-north-1", 200),
        (frozenset({"cn-north-1"}), True, "cn-northwest-1", 200),
        (frozenset({"cn-north-1"}), True, "us-east-1", 403),
        (frozenset({"cn-north-1"}), False, "us-east-1", 403),
    ],
)
def test_iam_in_a_partition_that_the_caller_chose_is_refused(
    road: Road, served: frozenset[str] | None, is_strict: bool, region: str, status: int
) -> None:
    """INVARIANT T5: a Deny of arn:aws:iam::...:user/admin would be dodged."""
    pipeline = Pipeline(
        authenticator=road.callers,
        rooms=replace(road.rooms, rules=Rules(require_policy_principals=is_strict)),
        audit=road.audit,
        request_ids=RequestIds(),
        operations=[DELETE_USER],
        not_built=[],
        regions=None if served is None else frozenset(map(Region, served)),
    )
    request = road._request(b"UserName=admin", ACCOUNT, region, "iam")
    answer = road.wait(pipeline.answer(request, road.query_codecs["iam"], "iam", "DeleteUser"))
    assert answer.status == status
    assert (b"valid region" in answer.body) is (status == 403)
