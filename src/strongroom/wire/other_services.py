"""A quick, well-formed refusal for a request that was meant for another AWS service.

Tools that know one endpoint for all of AWS send it everything. Each gets an error in its own protocol that
its SDK understands and does not retry: HTTP 400, never a hang, HTML or a 5xx.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from strongroom.aws import query_refusals
from strongroom.aws.errors import ApiError
from strongroom.pipeline import Answer
from strongroom.wire.aws_query import FAULT_NAMESPACE, NAMESPACES, render_error_response
from strongroom.wire.xml_text import render_text

STATUS: Final = 400

# Services whose errors are `<Error><Code>` (S3) or `<Response><Errors>` (EC2), by credential scope name.
S3_SERVICES: Final = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
REST_XML_NAMESPACES: Final = {
    "cloudfront": "http://cloudfront.amazonaws.com/doc/2020-05-31/",
    "route53": "https://route53.amazonaws.com/doc/2013-04-01/",
}
EC2: Final = "ec2"

# Bounded, and without nested repetition: these run over bytes that nobody has authenticated.
_SCOPE = re.compile(
    rb"(?:Credential=|X-Amz-Credential=)[^,\s&]{1,256}?(?:/|%2F)[0-9]{8}(?:/|%2F)[a-z0-9-]{1,40}"
    rb"(?:/|%2F)([a-z0-9-]{1,40})(?:/|%2F)aws4_request"
)
_ACTION = re.compile(rb"(?:^|[?&])Action=([A-Za-z0-9]{1,128})(?:&|$)")
_VERSION = re.compile(rb"(?:^|[?&])Version=([0-9-]{1,20})(?:&|$)")
_SEARCHED_BYTES_MAX: Final = 8192


def refuse(headers: list[tuple[bytes, bytes]], target: bytes, body: bytes, request_id: str) -> Answer:
    """The error that the SDK of whatever service this request was meant for can read.

    Shape: `headers` have lower-case names. Nothing of the request is echoed but the names of service and
    action, and those only where they are plain letters, digits and hyphens.
    Raises: nothing, whatever the bytes.
    """
    fields = dict(reversed(headers))  # the first of two headers with one name counts
    service = service_of(fields, target)
    content_type = fields.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
    action = _ACTION.search(target[:_SEARCHED_BYTES_MAX]) or _ACTION.search(body[:_SEARCHED_BYTES_MAX])
    if fields.get(b"smithy-protocol") == b"rpc-v2-cbor":
        answered, document = b"application/cbor", _cbor(service)
    elif b"x-amz-target" in fields or content_type.startswith(b"application/x-amz-json-"):
        is_10 = content_type == b"application/x-amz-json-1.0"
        answered = b"application/x-amz-json-1.0" if is_10 else b"application/x-amz-json-1.1"
        document = _json(service)
    elif service in S3_SERVICES:
        answered, document = b"application/xml", _s3_xml(service, request_id)
    elif service == EC2:
        answered, document = b"text/xml;charset=UTF-8", _ec2_xml(service, request_id)
    elif action is not None or content_type == b"application/x-www-form-urlencoded":
        version = _VERSION.search(body[:_SEARCHED_BYTES_MAX]) or _VERSION.search(target[:_SEARCHED_BYTES_MAX])
        answered, document = b"text/xml", _query_xml(service, _text(action), _text(version), request_id)
    elif service in REST_XML_NAMESPACES:
        error = ApiError("InvalidAction", _sentence(service))
        answered = b"text/xml"
        document = render_error_response(REST_XML_NAMESPACES[service], error, request_id)
    else:  # REST JSON: Lambda, API Gateway, EKS and the rest of the newer services
        answered, document = b"application/json", _json(service)
    return Answer(STATUS, answered, document, request_id)


def service_of(fields: dict[bytes, bytes], target: bytes) -> str:
    """The service name in the signature's credential scope; empty when there is none to see."""
    authorization = fields.get(b"authorization", b"")
    if authorization.startswith(b"AWS "):  # Signature Version 2 in a header: only ever S3
        return "s3"
    scope = _SCOPE.search(authorization[:_SEARCHED_BYTES_MAX]) or _SCOPE.search(target[:_SEARCHED_BYTES_MAX])
    return "" if scope is None else scope[1].decode("ascii")


def _sentence(service: str) -> str:
    subject = f"the AWS service {service}" if service else "this AWS service"
    return (
        f"This endpoint serves AWS KMS and does not serve {subject}. "
        "Set AWS_ENDPOINT_URL_KMS instead of an endpoint for all services."
    )


def _text(found: re.Match[bytes] | None) -> str:
    return "" if found is None else found[1].decode("ascii")


def _json(service: str) -> bytes:
    members = {"__type": "UnknownOperationException"}
    if service != "kms":  # an operation that KMS does not have: AWS sends no message
        members["message"] = _sentence(service)
    return msgspec.json.encode(members)


def _cbor(service: str) -> bytes:
    """Smithy RPC v2: a CBOR map of two text strings (RFC 8949), small enough to be written out here."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return b"\x79" + len(encoded).to_bytes(2, "big") + encoded  # major type 3, two-byte length

    pairs = (("__type", "UnknownOperationException"), ("message", _sentence(service)))
    return b"\xa2" + b"".join(text(key) + text(value) for key, value in pairs)  # major type 5, two pairs


def _query_xml(service: str, action: str, version: str, request_id: str) -> bytes:
    namespace = NAMESPACES.get(service, FAULT_NAMESPACE)
    if service in ("iam", "sts"):  # of another version, or without one
        error = query_refusals.invalid_action(action, version or "NO_VERSION_SPECIFIED")
        namespace = FAULT_NAMESPACE
    else:
        error = ApiError("InvalidAction", _sentence(service))
    return render_error_response(namespace, error, request_id)


def _ec2_xml(service: str, request_id: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidAction</Code>'
        f"<Message>{render_text(_sentence(service))}</Message></Error></Errors>"
        f"<RequestID>{render_text(request_id)}</RequestID></Response>"
    ).encode()


def _s3_xml(service: str, request_id: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NotImplemented</Code>'
        f"<Message>{render_text(_sentence(service))}</Message>"
        f"<RequestId>{render_text(request_id)}</RequestId></Error>"
    ).encode()
