"""A request made again from its audit record: who, how it came, and what of it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from strongroom.audit.reader import event_time
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import (
    AuthenticatedPrincipal,
    AuthenticatedRequest,
    Forwarding,
    PrincipalType,
    Session,
)
from strongroom.operations.operation import Operation
from strongroom.operations.plan import lower_camel
from strongroom.operations.table import ALL_OPERATIONS
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region

_OPERATIONS = {(operation.service, operation.name): operation for operation in ALL_OPERATIONS}
_SERVICE_DOMAIN = ".amazonaws.com"
_INSTANT = "%b %d, %Y, %I:%M:%S %p"
"""As CloudTrail shows instants inside members."""


class NotRebuildable(Exception):
    """The record does not hold what is needed to ask again; the text says what."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as far as its record has it. What was not recorded of its members is None."""

    operation: Operation
    authenticated: AuthenticatedRequest
    http: HttpRequest
    members: Any
    at: datetime
    key_arns: tuple[str, ...]
    """Of the KMS keys that it was about, in the order in which they were looked up."""
    record: Mapping[str, Any]
    notes: tuple[str, ...]
    """What could not be made again, in sentences."""


def rebuild_request(record: Mapping[str, Any], issuing: Mapping[str, Any] | None = None) -> RecordedRequest:
    """Read a record. `issuing` is the record of the request that gave out the session, if it is known.

    Raises NotRebuildable.
    """
    service = str(record.get("eventSource", "")).removesuffix(_SERVICE_DOMAIN)
    name = str(record.get("eventName"))
    operation = _OPERATIONS.get((service, name))
    if operation is None:
        raise NotRebuildable(f"{name} of {service} is no operation that is decided by policies.")
    notes: list[str] = []
    region = Region(record.get("awsRegion") or "")
    principal = _principal_of(record, region, issuing, notes)
    parameters = record.get("requestParameters") or {}
    if parameters.get("omitted") is True:
        notes.append("The request's parameters were too long to be recorded.")
        parameters = {}
    agent = str(record.get("userAgent") or "").encode("latin-1", "replace")
    headers = [(b"user-agent", agent)] if agent else []
    source_ip = str(record.get("sourceIPAddress") or "")
    return RecordedRequest(
        operation=operation,
        authenticated=AuthenticatedRequest(principal, region, service),
        http=HttpRequest("POST", b"/", headers, b"", source_ip, "tlsDetails" in record),
        members=_revive_struct(parameters, operation.input),
        at=event_time(dict(record)),
        key_arns=tuple(
            one["ARN"] for one in record.get("resources") or () if ":key/" in str(one.get("ARN", ""))
        ),
        record=record,
        notes=tuple(notes),
    )


def issued_access_key_id(record: Mapping[str, Any]) -> str | None:
    """Of the record of an STS request that gave out temporary credentials, whose they are."""
    answer = record.get("responseElements") or {}
    credentials = answer.get("credentials")
    return credentials.get("accessKeyId") if isinstance(credentials, dict) else None


def find_issuing_record(records: Iterable[dict[str, Any]], access_key_id: str) -> dict[str, Any] | None:
    """The record of the STS request that gave out these temporary credentials."""
    return next((one for one in records if issued_access_key_id(one) == access_key_id), None)


def has_session(record: Mapping[str, Any]) -> bool:
    """Whether the caller used temporary credentials."""
    return "sessionContext" in (record.get("userIdentity") or {})


# who ---------------------------------------------------------------------------------------------


def _principal_of(
    record: Mapping[str, Any], region: Region, issuing: Mapping[str, Any] | None, notes: list[str]
) -> AuthenticatedPrincipal:
    identity = record.get("userIdentity") or {}
    try:
        kind = PrincipalType(str(identity.get("type")))
    except ValueError:
        raise NotRebuildable(
            "Nobody knew who called: the request was refused before its signature was verified."
        ) from None
    invoked_by = identity.get("invokedBy")
    if kind is PrincipalType.AWS_SERVICE:
        name = str(invoked_by)
        notes.append("For which resource and account the service called (aws:SourceArn) is not recorded.")
        return AuthenticatedPrincipal(kind, AccountId(""), name, name, AccessKeyId(""))
    context = identity.get("sessionContext") or {}
    issuer = context.get("sessionIssuer") or {}
    principal_id = str(identity.get("principalId", ""))
    forwarding = None
    if isinstance(invoked_by, str):
        forwarding = Forwarding(invoked_by.removesuffix(_SERVICE_DOMAIN), region)
    return AuthenticatedPrincipal(
        type=kind,
        account_id=AccountId(str(identity.get("accountId", ""))),
        arn=str(identity.get("arn", "")),
        principal_id=principal_id,
        access_key_id=AccessKeyId(str(identity.get("accessKeyId", ""))),
        unique_id=str(issuer.get("principalId") or principal_id.partition(":")[0]),
        session=_session_of(context, issuing, notes) if context else None,
        forwarding=forwarding,
        role_arn=str(issuer.get("arn", "")),
    )


def _session_of(context: Mapping[str, Any], issuing: Mapping[str, Any] | None, notes: list[str]) -> Session:
    created = (context.get("attributes") or {}).get("creationDate", "1970-01-01T00:00:00Z")
    issued_at = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    given: Mapping[str, Any] = {}
    if issuing is None:
        notes.append(
            "The request that gave out the session is not in this trail: its session policies and tags are "
            "not known, and what is said below is without them."
        )
    else:
        given = issuing.get("requestParameters") or {}
    policy = given.get("policy")
    return Session(
        issued_at=issued_at,
        expires_at=issued_at,
        policies=(policy,) if isinstance(policy, str) else (),
        policy_arns=tuple(str(one.get("arn")) for one in given.get("policyArns") or ()),
        tags=_tags_of(given.get("tags") or given.get("principalTags") or {}),
        source_identity=context.get("sourceIdentity"),
        federated_provider=(context.get("webIdFederationData") or {}).get("federatedProvider"),
        session_name=given.get("roleSessionName"),
    )


def _tags_of(recorded: Any) -> dict[str, str]:
    """Session tags, as a mapping or as a list of pairs."""
    if isinstance(recorded, dict):
        return {str(key): str(value) for key, value in recorded.items()}
    return {str(one.get("key")): str(one.get("value")) for one in recorded if isinstance(one, dict)}


# what --------------------------------------------------------------------------------------------


def _revive_struct(recorded: Mapping[str, Any], kind: type[msgspec.Struct]) -> Any:
    """A shape of the API from its recorded members; the others, required ones too, are None."""
    members = {}
    for one in msgspec.structs.fields(kind):
        value = recorded.get(lower_camel(one.encode_name))
        members[one.name] = None if value is None else _revive(value, one.type)
    return kind(**members)


def _revive(value: Any, kind: Any) -> Any:
    """One recorded value as its type in the API; None where it does not fit."""
    if get_origin(kind) is Annotated:
        return _revive(value, get_args(kind)[0])
    for option in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        if isinstance(option, type) and issubclass(option, msgspec.Struct) and isinstance(value, dict):
            return _revive_struct(value, option)
        if get_origin(option) is Annotated and isinstance(value, list):
            option = get_args(option)[0]  # noqa: PLW2901
        if get_origin(option) is list and isinstance(value, list):
            return [_revive(one, get_args(option)[0]) for one in value]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return _instant_in(value)


def _instant_in(value: Any) -> float | None:
    """Epoch seconds of an instant that the record shows as text."""
    try:
        return datetime.strptime(str(value), _INSTANT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
