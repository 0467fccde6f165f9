"""Answers as HTTP/1.1 bytes, and the front's own refusals in the form AWS clients understand."""

from __future__ import annotations

import http
import json
import uuid

from strongroom.pipeline import Answer

JSON_CONTENT_TYPE = b"application/x-amz-json-1.1"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_HEADS = {
    status.value: b"HTTP/1.1 %d %b\r\nx-amzn-RequestId: " % (status.value, status.phrase.encode())
    for status in http.HTTPStatus
}

# What a failure of the service itself says: AWS's own sentence for KMSInternalException.
_INTERNAL = "The request was rejected because an internal exception occurred. The request can be retried."


def render_response(answer: Answer, date_line: bytes, keep_alive: bool) -> bytes:
    """One answer as the bytes of one HTTP/1.1 response.

    Shape: `date_line` is a whole `Date` field with its line end. Fields are spelled as AWS spells them:
    MongoDB's libmongocrypt looks for `Content-Length` to the letter.
    Raises: KeyError for a status that HTTP does not know.
    """
    return b"%b%b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n%b" % (
        _STATUS_HEADS[answer.status],
        answer.request_id.encode(),
        answer.content_type,
        len(answer.body),
        date_line,
        b"" if keep_alive else b"Connection: close\r\n",
        answer.body,
    )


def refusal(status: int, code: str, sentence: str) -> Answer:
    """A refusal by the front itself, before any service has seen the request: AWS JSON 1.1."""
    body = json.dumps({"__type": code, "message": sentence}).encode()
    return Answer(status, JSON_CONTENT_TYPE, body, str(uuid.uuid4()))


def internal_failure() -> Answer:
    """What a caller sees of a fault in the service: nothing but that it may try again."""
    return refusal(500, "KMSInternalException", _INTERNAL)


def malformed(sentence: str) -> Answer:
    """400: these bytes are not a request this server takes."""
    return refusal(400, "BadRequest", sentence)


def body_too_large(body_bytes_max: int) -> Answer:
    """413: the request body is over the limit."""
    return refusal(413, "RequestEntityTooLarge", f"The request body is larger than {body_bytes_max} bytes.")


def head_too_large(sentence: str) -> Answer:
    """431: the header fields are too many or too large."""
    return refusal(431, "RequestHeaderFieldsTooLarge", sentence)


def too_slow(request_seconds_max: float) -> Answer:
    """408: the request did not arrive in time."""
    return refusal(
        408, "RequestTimeout", f"The request did not arrive within {request_seconds_max:g} seconds."
    )


def too_busy() -> Answer:
    """503: a bound of the whole worker is reached. AWS clients try again later."""
    return refusal(503, "ServiceUnavailable", "The service has too much under way. Try again later.")
