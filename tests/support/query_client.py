"""boto3's half of AWS Query in process: members to a form, a document to members, by botocore's own code."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import unquote, urlencode

from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import Session


@cache
def service_model(service: str) -> ServiceModel:
    return Session().get_service_model(service)


def to_form(service: str, operation: str, members: dict[str, Any]) -> bytes:
    """The form that an SDK sends; what the model would refuse is sent, too."""
    serializer = create_serializer("query", include_validation=False)
    request = serializer.serialize_to_request(members, service_model(service).operation_model(operation))
    return urlencode(request["body"]).encode()


def from_document(service: str, operation: str, body: bytes, status: int) -> dict[str, Any]:
    """What an SDK makes of an answer: members, or `Error`; policies as text, instants as datetimes."""
    shape = service_model(service).operation_model(operation).output_shape
    response = {"body": body, "headers": {}, "status_code": status}
    parsed: dict[str, Any] = create_parser("query").parse(response, shape)
    if status == 200 and shape is not None:
        _decode_policies(parsed, shape)
    return parsed


def _decode_policies(value: Any, shape: Any) -> Any:
    """As botocore's handler does, which stands beside its parser; but the text and not what is in it."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                value[name] = _decode_policies(value[name], member)
    elif shape.type_name == "list":
        return [_decode_policies(one, shape.member) for one in value]
    elif shape.name == "policyDocumentType":
        return unquote(value)
    return value
