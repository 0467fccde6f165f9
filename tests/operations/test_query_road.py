"""IAM and STS on the road: the same steps, in the words of AWS Query."""

from __future__ import annotations

import pytest
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.operations.table import IAM_NOT_BUILT, STS_NOT_BUILT


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
