"""Audit records in CloudTrail's format: one JSON object on one line for each request.

Members and their order are those of CloudTrail's eventVersion 1.11 records for AWS KMS. Every record
is ASCII: whatever a caller chose is escaped, so no line end of any alphabet (CR, LF, NEL, U+2028) and
no half of a surrogate pair can reach a reader of the trail.

Source: docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html, ct-createkey.html,
ct-delete-key.html; docs.aws.amazon.com/awscloudtrail/latest/userguide/
cloudtrail-event-reference-record-contents.html and ...-user-identity.html.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

TEXT_CHARACTERS_MAX = 1024
"""User agents and error messages are cut to this, as CloudTrail cuts them to 1 KB."""
ELEMENTS_BYTES_MAX = 100 << 10
"""Larger requestParameters or responseElements are left out and their size is told."""
ADDITIONAL_BYTES_MAX = 28 << 10

_encode = msgspec.json.Encoder().encode
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_ASCII = re.compile("[^\0-\x7f]")

_NO_ANSWER = b',"responseElements":null'

_second = (-1, b"")


class Envelope(NamedTuple):
    """All of a record that is the same for the next call of the same caller to the same key."""

    before_time: bytes
    after_time: bytes
    after_ids: bytes
    read_only: bool


def render_envelope(
    *,
    user_identity: bytes,
    event_source: str,
    event_name: str,
    region: str,
    source_ip: str,
    user_agent: str,
    read_only: bool,
    resources: Sequence[tuple[str, str]],
    recipient_account_id: str,
    tls_details: bytes | None,
) -> Envelope:
    """The part of a record that a caller of this module may keep (bounded: callers choose user agents).

    Shape: `user_identity` from `render_user_identity`, `tls_details` from `render_tls_details` or None
    for plain HTTP. `resources` are pairs (ARN, account id).
    """
    return Envelope(
        b'{"eventVersion":"1.11","userIdentity":%b,"eventTime":"' % user_identity,
        _render_start(event_source, event_name, region, source_ip, user_agent[:TEXT_CHARACTERS_MAX]),
        _render_end(read_only, resources, recipient_account_id, tls_details),
        read_only,
    )


def render_event(
    envelope: Envelope,
    event_time: float,
    error_code: str | None,
    error_message: str | None,
    request_parameters: Mapping[str, object] | None,
    response_elements: Mapping[str, object] | None,
    additional_event_data: Mapping[str, object] | None,
    request_id: str,
    event_id: str,
) -> bytes:
    """The record of one API call.

    Units: `event_time` in seconds since 1970.
    Secrets: the mappings must hold allow-listed members only; nothing is left out here.
    """
    # INVARIANT A6: one record is one line of ASCII, whatever the caller sent.
    # Each piece is either rendered here by the JSON encoder or is one of our own constants.
    global _second  # noqa: PLW0603  one string per second, for all records of it
    second = int(event_time)
    if second != _second[0]:
        _second = (second, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode())
    parameters, answer, more = b"null", _NO_ANSWER, b""
    if request_parameters is not None:
        parameters = _render_elements("requestParameters", request_parameters, envelope.read_only)
    if response_elements is not None:
        answer = b',"responseElements":' + _render_elements("responseElements", response_elements, False)
    if additional_event_data is not None:
        more = b',"additionalEventData":' + _render_elements(
            "additionalEventData", additional_event_data, True, ADDITIONAL_BYTES_MAX
        )
    error = b"" if error_code is None else _render_error(error_code, error_message)
    before_time, after_time, after_ids, _ = envelope
    return b'%b%b%b%b,"requestParameters":%b%b%b,"requestID":%b,"eventID":%b%b' % (
        before_time,
        _second[1],
        after_time,
        error,
        parameters,
        answer,
        more,
        _encode(request_id),
        _encode(event_id),
        after_ids,
    )


def render_service_event(
    *,
    event_time: float,
    event_source: str,
    event_name: str,
    region: str,
    event_id: str,
    resources: Sequence[tuple[str, str]],
    recipient_account_id: str,
    service_event_details: Mapping[str, object],
    response_elements: Mapping[str, object] | None = None,
) -> bytes:
    """The record of what the service did by itself: DeleteKey, RotateKey, DeleteExpiredKeyMaterial,
    SynchronizeMultiRegionKey.

    Source: docs.aws.amazon.com/kms/latest/developerguide/ct-delete-key.html, ct-rotatekey.html.
    """
    identity = _ascii(_encode({"accountId": recipient_account_id, "invokedBy": "AWS Internal"}))
    instant = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(event_time))).encode()
    answer = b"null"
    if response_elements is not None:
        answer = _render_elements("responseElements", response_elements, False)
    return b"".join(
        (
            b'{"eventVersion":"1.11","userIdentity":' + identity,
            b',"eventTime":"' + instant,
            _render_start(event_source, event_name, region, "AWS Internal", "AWS Internal"),
            b',"requestParameters":null,"responseElements":' + answer,
            b',"eventID":' + _encode(event_id),
            b',"readOnly":false,"resources":' + _render_resources(resources),
            b',"eventType":"AwsServiceEvent","managementEvent":true,"recipientAccountId":',
            _text(recipient_account_id),
            b',"serviceEventDetails":',
            _render_elements("serviceEventDetails", service_event_details, False),
            b',"eventCategory":"Management"}',
        )
    )


def render_user_identity(
    type: str,
    principal_id: str | None = None,
    arn: str | None = None,
    account_id: str | None = None,
    access_key_id: str | None = None,
    *,
    user_name: str | None = None,
    session_context: Mapping[str, object] | None = None,
    invoked_by: str | None = None,
    identity_provider: str | None = None,
) -> bytes:
    """Who called, as `userIdentity`: what is None is left out.

    A caller who was refused before anyone knew who it was is type `Unknown`.
    """
    members: dict[str, object] = {"type": type}
    for name, value in (
        ("principalId", principal_id),
        ("arn", arn),
        ("accountId", account_id),
        ("accessKeyId", access_key_id),
        ("userName", user_name),
        ("identityProvider", identity_provider),
    ):
        if value is not None:
            members[name] = value[:TEXT_CHARACTERS_MAX]
    if session_context is not None:
        members["sessionContext"] = session_context
    if invoked_by is not None:
        members["invokedBy"] = invoked_by[:TEXT_CHARACTERS_MAX]
    return _render_elements("userIdentity", members, False)


def render_tls_details(tls_version: str, cipher_suite: str, client_provided_host_header: str) -> bytes:
    """How the call came in, as `tlsDetails`."""
    return b'{"tlsVersion":%b,"cipherSuite":%b,"clientProvidedHostHeader":%b}' % (
        _text(tls_version),
        _text(cipher_suite),
        _text(client_provided_host_header),
    )


def render_instant(instant: datetime) -> str:
    """A time as CloudTrail shows it inside request and response members: "Aug 10, 2022, 10:38:27 PM"."""
    utc = instant.astimezone(UTC)
    half = "AM" if utc.hour < 12 else "PM"
    return (
        f"{_MONTHS[utc.month - 1]} {utc.day}, {utc.year}, "
        f"{utc.hour % 12 or 12}:{utc.minute:02d}:{utc.second:02d} {half}"
    )


# pieces ------------------------------------------------------------------------------------------


def _text(value: str) -> bytes:
    """A string that a caller may have chosen, as JSON in ASCII, cut to 1 K characters."""
    if len(value) > TEXT_CHARACTERS_MAX:
        value = value[:TEXT_CHARACTERS_MAX]
    return _encode(value) if value.isascii() else _ascii(_encode(_whole(value)))


def _ascii(rendered: bytes) -> bytes:
    """The same JSON, with every character beyond ASCII escaped."""
    if rendered.isascii():
        return rendered
    # Characters beyond ASCII stand in strings only, so each can be replaced where it stands.
    return _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], rendered.decode()).encode()


def _whole(value: str) -> str:
    """The string with each lone half of a surrogate pair spelled out: JSON readers refuse those, and
    two names that differ must stay two names."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "backslashreplace")


def _render_elements(
    member: str, elements: Mapping[str, object], is_plain: bool, bytes_max: int = ELEMENTS_BYTES_MAX
) -> bytes:
    """`is_plain`: there are no instants in it, so the encoder may have it as it is."""
    try:
        rendered = _encode(elements if is_plain else _shown(elements))
    except UnicodeEncodeError:
        rendered = _encode(_shown(elements))
    if not rendered.isascii():
        rendered = _ascii(rendered)
    if len(rendered) > bytes_max:
        return b'{"omitted":true,"originalSize":%d,"reason":"%b too large"}' % (
            len(rendered),
            member.encode(),
        )
    return rendered


def _shown(value: object) -> object:
    """The same value with instants as CloudTrail shows them and all text whole."""
    if isinstance(value, str):
        return value if value.isascii() else _whole(value)
    if isinstance(value, datetime):
        return render_instant(value)
    if isinstance(value, Mapping):
        return {_shown(name): _shown(element) for name, element in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(element) for element in value]
    return value


def _render_error(error_code: str, error_message: str | None) -> bytes:
    code = b',"errorCode":' + _text(error_code)
    return code if error_message is None else code + b',"errorMessage":' + _text(error_message)


def _render_start(event_source: str, event_name: str, region: str, source_ip: str, user_agent: str) -> bytes:
    return b'","eventSource":%b,"eventName":%b,"awsRegion":%b,"sourceIPAddress":%b,"userAgent":%b' % (
        _text(event_source),
        _text(event_name),
        _text(region),
        _text(source_ip),
        _text(user_agent),
    )


def _render_end(
    read_only: bool,
    resources: Sequence[tuple[str, str]],
    recipient_account_id: str,
    tls_details: bytes | None,
) -> bytes:
    tls = b"" if tls_details is None else b',"tlsDetails":' + tls_details
    return (
        b',"readOnly":%b,"resources":%b,"eventType":"AwsApiCall","managementEvent":true,'
        b'"recipientAccountId":%b,"eventCategory":"Management"%b}'
        % (
            b"true" if read_only else b"false",
            _render_resources(resources),
            _text(recipient_account_id),
            tls,
        )
    )


def _render_resources(resources: Sequence[tuple[str, str]]) -> bytes:
    """Keys carry their type; for aliases CloudTrail tells only ARN and account.

    Source: docs.aws.amazon.com/kms/latest/developerguide/ct-createalias.html.
    """
    parts = []
    for arn, account_id in resources:
        kind = b'"type":"AWS::KMS::Key",' if ":key/" in arn else b""
        if ":iam:" in arn and ":role/" in arn:
            kind = b'"type":"AWS::IAM::Role",'
        parts.append(b'{"accountId":%b,%b"ARN":%b}' % (_text(account_id), kind, _text(arn)))
    return b"[" + b",".join(parts) + b"]"
