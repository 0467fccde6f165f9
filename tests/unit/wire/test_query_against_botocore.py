"""The AWS Query codec against botocore's own: what it serializes we read, what we write it reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.model_values import structures_of
from tests.support.query_client import service_model, to_form

from strongroom.aws.query_services import QUERY_SERVICES, QueryService
from strongroom.operations.operation import Operation
from strongroom.operations.table import STS_OPERATIONS
from strongroom.wire.aws_query import AwsQuery

SERVED = [
    (service, name) for service in ("iam", "sts") for name in sorted(QUERY_SERVICES[service].operations)
]
WITH_OUTPUT = [one for one in SERVED if QUERY_SERVICES[one[0]].operations[one[1]][1] is not None]
REQUEST_ID = "00000000-1111-4222-8333-444444444444"
CODECS = {name: AwsQuery(name) for name in QUERY_SERVICES}
relaxed = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def declared(service: str, name: str) -> Operation:
    """An operation of the model as it would be declared, for the codec alone."""
    given_shape, answer = QUERY_SERVICES[service].operations[name]
    known = STS_OPERATIONS["GetCallerIdentity"]
    return replace(known, service=service, name=name, input=given_shape, output=answer)


@pytest.mark.parametrize(("service", "name"), SERVED, ids=[f"{one}-{two}" for one, two in SERVED])
@relaxed
@given(st.data())
def test_decode_reads_what_botocore_serializes(service: str, name: str, data: st.DataObject) -> None:
    operation = declared(service, name)
    members = data.draw(structures_of(QUERY_SERVICES[service].shapes, operation.input.__name__))
    decoded = CODECS[service].decode(operation, to_form(service, name, members))
    assert type(decoded) is operation.input
    # An SDK cannot say of an optional structure without members that it is there.
    assert msgspec.to_builtins(decoded) == without_empty_structures(members)


def without_empty_structures(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: without_empty_structures(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one != {}}
    if isinstance(value, list):
        parts = [part for part in map(without_empty_structures, value) if part != {}]
        return parts if parts or not value else {}
    return value


@pytest.mark.parametrize(("service", "name"), WITH_OUTPUT, ids=[f"{one}-{two}" for one, two in WITH_OUTPUT])
@relaxed
@given(st.data())
def test_encode_writes_what_botocore_reads(service: str, name: str, data: st.DataObject) -> None:
    operation = declared(service, name)
    assert operation.output is not None
    model = QUERY_SERVICES[service]
    members = data.draw(structures_of(model.shapes, operation.output.__name__))
    body = CODECS[service].encode(operation, msgspec.convert(members, operation.output), REQUEST_ID)
    response = {"body": body, "headers": {}, "status_code": 200}
    shape = service_model(service).operation_model(name).output_shape
    parsed = create_parser("query").parse(response, shape)
    assert parsed.pop("ResponseMetadata") == {
        "RequestId": REQUEST_ID,
        "HTTPHeaders": {},
        "HTTPStatusCode": 200,
    }
    assert parsed == as_parsed(model, operation.output.__name__, members)


def as_parsed(model: QueryService, name: str, value: Any) -> Any:
    """A value as botocore's parser gives it: instants as datetimes, policies still percent-encoded."""
    shape = model.shapes[name]
    match shape.kind:
        case "structure":
            shapes = {member.name: member.shape for member in shape.members}
            return {member: as_parsed(model, shapes[member], one) for member, one in value.items()}
        case "list":
            return [as_parsed(model, shape.member or "", one) for one in value]
        case "timestamp":
            return datetime.fromtimestamp(value, UTC)
        case _ if name in model.percent_encoded:
            return quote(value, safe="-_.~")
    return value


def test_served_operations_without_output_are_answered_with_metadata_only() -> None:
    without = [one for one in SERVED if one not in WITH_OUTPUT]
    assert ("iam", "DeleteUser") in without
    for service, name in without:
        body = CODECS[service].encode(declared(service, name), None, REQUEST_ID)
        response = {"body": body, "headers": {}, "status_code": 200}
        assert service_model(service).operation_model(name).output_shape is None
        assert list(create_parser("query").parse(response, None)) == ["ResponseMetadata"]
        assert b"Result" not in body
