"""Requests for other AWS services get an error that their own SDK reads and does not retry."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import botocore.session
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from strongroom.wire.other_services import refuse, service_of

REQUEST_ID = "00000000-1111-4222-8333-444444444444"


class Endpoint:
    """Answers every request that botocore would send with what `refuse` says, without a network."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        headers = [
            (
                name.lower().encode() if isinstance(name, str) else name.lower(),
                value.encode() if isinstance(value, str) else value,
            )
            for name, value in request.headers.items()
        ]
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        target = ("/" + request.url.split("/", 3)[3]).encode()
        answer = refuse(headers, target, body if isinstance(body, bytes) else b"", REQUEST_ID)
        self.answers.append((answer.status, answer.content_type))
        response = AWSResponse(
            request.url, answer.status, {"Content-Type": answer.content_type.decode()}, None
        )
        response._content = answer.body
        return response


def call(service: str, operation: str, arguments: dict[str, Any]) -> tuple[ClientError, Endpoint]:
    session = botocore.session.Session()
    session.set_credentials("AKIAIOSFODNN7EXAMPLE", "not-a-real-secret")
    client = session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url="http://localhost:1",
        config=Config(retries={"max_attempts": 3, "mode": "standard"}),
    )
    endpoint = Endpoint()
    client.meta.events.register("before-send", endpoint)
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    return caught.value, endpoint


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("dynamodb", "list_tables", {}, "UnknownOperationException"),
        ("secretsmanager", "get_secret_value", {"SecretId": "a"}, "UnknownOperationException"),
        ("ssm", "get_parameter", {"Name": "a"}, "UnknownOperationException"),
        ("logs", "describe_log_groups", {}, "UnknownOperationException"),
        ("sqs", "list_queues", {}, "UnknownOperationException"),
        ("lambda", "list_functions", {}, "UnknownOperationException"),
        ("apigateway", "get_rest_apis", {}, "UnknownOperationException"),
        ("sns", "list_topics", {}, "InvalidAction"),
        ("rds", "describe_db_instances", {}, "InvalidAction"),
        ("cloudformation", "list_stacks", {}, "InvalidAction"),
        ("sts", "get_session_token", {}, "InvalidAction"),
        ("iam", "get_user", {}, "InvalidAction"),
        ("ec2", "describe_instances", {}, "InvalidAction"),
        ("s3", "list_buckets", {}, "NotImplemented"),
        ("s3", "put_object", {"Bucket": "bucket", "Key": "k", "Body": b"x"}, "NotImplemented"),
        ("route53", "list_hosted_zones", {}, "InvalidAction"),
        ("cloudfront", "list_distributions", {}, "InvalidAction"),
    ],
)
def test_refuse_each_service_in_its_own_protocol_once(
    service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    error, endpoint = call(service, operation, arguments)
    assert error.response["Error"]["Code"] == code
    assert [status for status, _ in endpoint.answers] == [400], "retried, or not a 400"
    if service not in ("iam", "sts"):
        assert service in error.response["Error"]["Message"]


def test_refuse_unknown_sts_action_says_what_sts_says() -> None:
    error, _ = call("sts", "get_session_token", {})
    sentence = error.response["Error"]["Message"]
    assert sentence == "Could not find operation GetSessionToken for version 2011-06-15"


def test_refuse_action_without_version_says_so() -> None:
    scope = b"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sts/aws4_request"
    answer = refuse([(b"authorization", scope)], b"/?Action=AssumeRole", b"", REQUEST_ID)
    assert b"Could not find operation AssumeRole for version NO_VERSION_SPECIFIED" in answer.body


def test_refuse_unknown_kms_operation_has_no_message() -> None:
    headers = [
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/kms/aws4_request"),
        (b"x-amz-target", b"TrentService.Nonsense"),
        (b"content-type", b"application/x-amz-json-1.1"),
    ]
    answer = refuse(headers, b"/", b"{}", REQUEST_ID)
    assert answer.body == b'{"__type":"UnknownOperationException"}'
    assert answer.content_type == b"application/x-amz-json-1.1"
    assert answer.request_id == REQUEST_ID


def test_refuse_rpc_v2_cbor_is_a_cbor_map() -> None:
    answer = refuse([(b"smithy-protocol", b"rpc-v2-cbor")], b"/service/A/operation/B", b"", REQUEST_ID)
    from botocore.parsers import create_parser

    response = {"body": answer.body, "headers": {}, "status_code": answer.status}
    parsed = create_parser("smithy-rpc-v2-cbor").parse(response, None)
    assert parsed["Error"]["Code"] == "UnknownOperationException"
    assert "AWS KMS" in parsed["Error"]["Message"]


@pytest.mark.parametrize(
    ("authorization", "target", "service"),
    [
        (
            b"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-central-1/sqs/aws4_request, Signature=x",
            b"/",
            "sqs",
        ),
        (b"AWS4-HMAC-SHA256 Credential=A/B/20260101/eu-central-1/sqs/aws4_request", b"/", "sqs"),
        (b"AWS AKIA:signature", b"/", "s3"),
        (b"", b"/b/k?X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=1", "s3"),
        (b"", b"/", ""),
        (b"Bearer token", b"/", ""),
        (b"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/<script>/aws4_request", b"/", ""),
    ],
)
def test_service_of_reads_the_credential_scope(authorization: bytes, target: bytes, service: str) -> None:
    assert service_of({b"authorization": authorization}, target) == service


headers_of_interest = st.sampled_from(
    [b"authorization", b"content-type", b"x-amz-target", b"smithy-protocol", b"host"]
)
values_of_interest = st.one_of(
    st.binary(max_size=100),
    st.sampled_from([b"application/x-amz-json-1.0", b"application/x-www-form-urlencoded", b"rpc-v2-cbor"]),
    st.builds(
        lambda name: b"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/" + name + b"/aws4_request",
        st.sampled_from([b"s3", b"ec2", b"iam", b"sts", b"route53", b"kms", b"lambda"]),
    ),
)


@given(
    st.lists(st.tuples(headers_of_interest, values_of_interest), max_size=6),
    st.binary(max_size=100),
    st.binary(max_size=100),
)
def test_refuse_any_request_is_a_well_formed_client_error(
    headers: list[tuple[bytes, bytes]], target: bytes, body: bytes
) -> None:
    answer = refuse(headers, target, body, REQUEST_ID)
    assert answer.status == 400
    if b"json" in answer.content_type:
        assert "__type" in msgspec.json.decode(answer.body, type=dict[str, str])
    elif b"xml" in answer.content_type:
        ElementTree.fromstring(answer.body)  # noqa: S314
    else:
        assert answer.content_type == b"application/cbor"


def test_refuse_hostile_headers_takes_no_time() -> None:
    hostile = b"Credential=" * 100_000 + b"/20260101" * 100_000
    answer = refuse([(b"authorization", hostile)], hostile, hostile, REQUEST_ID)
    assert answer.status == 400
    assert len(answer.body) < 1000
