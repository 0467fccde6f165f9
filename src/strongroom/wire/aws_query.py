"""AWS Query: the protocol of STS and IAM. Form-encoded in, XML out."""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.aws.errors import ApiError
from strongroom.operations.operation import Operation
from strongroom.wire.query_form import parse_form, parse_members
from strongroom.wire.xml_text import render_element, render_text

NAMESPACES: Final = {
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
}


class AwsQuery:
    """Reads and writes the requests and responses of one Query service (`sts` or `iam`) as AWS does.

    Concurrency: one per service and process; it holds no state.
    """

    __slots__ = ("_namespace",)

    content_type: bytes = b"text/xml"

    def __init__(self, service: str) -> None:
        self._namespace = NAMESPACES[service]

    def decode(self, operation: Operation, body: bytes) -> msgspec.Struct:
        """The input of `operation`. Parameters that it does not have are ignored.

        Raises: ApiError, and nothing else: MalformedQueryString or ValidationError.
        """
        members = parse_members(parse_form(body))
        try:
            return msgspec.convert(members, operation.input, strict=False)
        except (msgspec.ValidationError, ValueError, RecursionError):
            pass
        # Outside the except block, so no traceback carries the parser's view of the body.
        raise ApiError(
            "ValidationError", "A parameter of the request is missing or has a value that is not allowed."
        )

    def encode(self, operation: Operation, response: msgspec.Struct | None, request_id: str) -> bytes:
        """`<OpResponse><OpResult>...</OpResult><ResponseMetadata>...`, without a result where none is."""
        result = "" if response is None else render_element(f"{operation.name}Result", response)
        return (
            f'<{operation.name}Response xmlns="{self._namespace}">{result}'
            f"<ResponseMetadata><RequestId>{render_text(request_id)}</RequestId></ResponseMetadata>"
            f"</{operation.name}Response>\n"
        ).encode()

    def encode_error(self, error: ApiError, request_id: str) -> bytes:
        """`<ErrorResponse><Error><Type>Sender|Receiver</Type><Code>...`."""
        return render_error_response(self._namespace, error, request_id)


def render_error_response(namespace: str, error: ApiError, request_id: str) -> bytes:
    """The error document of a Query service whose XML namespace is `namespace`."""
    fault = "Sender" if error.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type>'
        f"<Code>{render_text(error.code)}</Code><Message>{render_text(error.message or '')}</Message></Error>"
        f"<RequestId>{render_text(request_id)}</RequestId></ErrorResponse>\n"
    ).encode()
