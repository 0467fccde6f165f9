"""AWS Query: the protocol of STS and IAM. Form-encoded in, XML out."""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.aws import query_refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.query_services import QUERY_SERVICES, QueryService
from strongroom.operations.operation import Operation
from strongroom.wire.query_form import parse_form, read_input
from strongroom.wire.query_wording import WORDINGS
from strongroom.wire.validation import Validator
from strongroom.wire.xml_text import XmlWriter, render_text

NAMESPACES: Final = {name: service.namespace for name, service in QUERY_SERVICES.items()}
# What AWS's common front end answers in, whatever the service: query_refusals.py, [SMP].
FAULT_NAMESPACE: Final = "http://webservices.amazon.com/AWSFault/2005-15-09"


class AwsQuery:
    """Reads and writes the requests and responses of one Query service (`sts` or `iam`) as AWS does.

    Concurrency: one per service and process, used by its event loop only.
    """

    __slots__ = ("_service", "_validator", "_writer")

    content_type: bytes = b"text/xml"

    def __init__(self, service: str) -> None:
        self._service: QueryService = QUERY_SERVICES[service]
        self._validator = Validator(self._service.shapes, WORDINGS[service])
        self._writer = XmlWriter(self._service.shapes, self._service.percent_encoded)

    def decode(self, operation: Operation, body: bytes) -> msgspec.Struct:
        """The input of `operation`. Parameters that it does not have are ignored.

        Raises: ApiError, and nothing else: MalformedQueryString, MalformedInput, or ValidationError naming
        every member that breaks a constraint.
        """
        shape_name = operation.input.__name__
        document = read_input(self._service.shapes, shape_name, parse_form(body))
        try:
            return msgspec.convert(document, operation.input)
        except (msgspec.ValidationError, ValueError, RecursionError):
            pass
        # Outside the except block, so no traceback carries the parser's view of the body.
        raise self._validator.explain(shape_name, document) or query_refusals.malformed_query_string()

    def encode(self, operation: Operation, response: msgspec.Struct | None, request_id: str) -> bytes:
        """`<OpResponse><OpResult>...</OpResult><ResponseMetadata>...`, without a result where none is."""
        name = operation.name
        if response is not None:
            result = self._writer.render(f"{name}Result", response)
        else:
            result = "" if operation.output is None else f"<{name}Result></{name}Result>"
        return (
            f'<{name}Response xmlns="{self._service.namespace}">{result}'
            f"<ResponseMetadata><RequestId>{render_text(request_id)}</RequestId></ResponseMetadata>"
            f"</{name}Response>\n"
        ).encode()

    def encode_error(self, error: ApiError, request_id: str) -> bytes:
        """`<ErrorResponse><Error><Type>Sender|Receiver</Type><Code>...`."""
        is_unknown = error.code == query_refusals.INVALID_ACTION
        namespace = FAULT_NAMESPACE if is_unknown else self._service.namespace
        return render_error_response(namespace, error, request_id)


class QueryStringForm:
    """The codec of a Query service for a request whose parameters stand in its URL (a presigned one).

    Concurrency: one per request.
    """

    __slots__ = ("_codec", "_query", "content_type")

    def __init__(self, codec: AwsQuery, query: bytes) -> None:
        self._codec = codec
        self._query = query
        self.content_type: bytes = codec.content_type

    def decode(self, operation: Operation, body: bytes) -> msgspec.Struct:
        """As AwsQuery.decode, of the query string: the body of such a request says nothing."""
        return self._codec.decode(operation, self._query)

    def encode(self, operation: Operation, response: msgspec.Struct | None, request_id: str) -> bytes:
        return self._codec.encode(operation, response, request_id)

    def encode_error(self, error: ApiError, request_id: str) -> bytes:
        return self._codec.encode_error(error, request_id)


def render_error_response(namespace: str, error: ApiError, request_id: str) -> bytes:
    """The error document of a Query service whose XML namespace is `namespace`."""
    fault = "Sender" if error.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type>'
        f"<Code>{render_text(error.code)}</Code><Message>{render_text(error.message or '')}</Message></Error>"
        f"<RequestId>{render_text(request_id)}</RequestId></ErrorResponse>\n"
    ).encode()
