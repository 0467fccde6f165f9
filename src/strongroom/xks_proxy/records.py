"""What the audit trail tells of a request to the proxy: who is said to have asked KMS for what, with which
external key, under which credential, and how it ended. Plaintexts and ciphertexts are in no record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.audit.cloudtrail import render_envelope, render_event, render_user_identity
from strongroom.authorization.decision import Decision
from strongroom.authorization.denial_record import Considered, Values, record_decision
from strongroom.authorization.foreign_principals import parse_foreign_principal
from strongroom.identity.http_request import HttpRequest
from strongroom.operations.foreign_requests import ACTIONS, EVENT_SOURCE
from strongroom.resources.key import Key
from strongroom.xks_proxy.authentication import Signer
from strongroom.xks_proxy.messages import ProxyRefused, RequestMetadata

_CHARACTERS_MAX: Final = 2048


class Visit:
    """What is known of one request so far; its record is made of it."""

    __slots__ = (
        "condition_values",
        "decision",
        "external_key_id",
        "http",
        "key",
        "material_id",
        "metadata",
        "operation",
        "request_id",
        "signer",
    )

    def __init__(self, http: HttpRequest, request_id: str) -> None:
        self.http = http
        self.request_id = request_id
        self.operation = "Unknown"
        """Encrypt, Decrypt, GetKeyMetadata, GetHealthStatus."""
        self.signer: Signer | None = None
        self.external_key_id: str | None = None
        self.metadata: RequestMetadata | None = None
        self.key: Key | None = None
        self.decision: Decision | None = None
        self.condition_values: Values = {}
        """Of a denial: what the keys that the policy looks at were, of those that the caller tells."""
        self.material_id: str | None = None


def render_record(
    visit: Visit, refused: ProxyRefused | None, *, event_time: float, event_id: str, region: str
) -> bytes:
    """Units: `event_time` in seconds since 1970."""
    key, http = visit.key, visit.http
    envelope = render_envelope(
        user_identity=_user_identity(visit),
        event_source=EVENT_SOURCE,
        event_name=visit.operation,
        region=region if key is None else key.region,
        source_ip=http.source_ip,
        user_agent=http.fields.get(b"user-agent", b"").decode("latin-1"),
        read_only=True,
        resources=[] if key is None else [(key.arn, key.account_id)],
        recipient_account_id="" if key is None else key.account_id,
        tls_details=None,
    )
    return render_event(
        envelope,
        event_time,
        None if refused is None else refused.name.value,
        None if refused is None else refused.sentence,
        _parameters(visit),
        None,
        _additional(visit, refused),
        visit.request_id,
        event_id,
    )


def _user_identity(visit: Visit) -> bytes:
    """The principal is the caller's word; that the caller has the credential was verified."""
    signer, metadata = visit.signer, visit.metadata
    if signer is None:
        return render_user_identity(type="Unknown")
    text = None if metadata is None else metadata.aws_principal_arn
    try:
        caller = parse_foreign_principal(text or "")
    except ValueError:
        return render_user_identity(type="Unknown", access_key_id=signer.access_key_id)
    if caller.service:
        return render_user_identity(
            type="AWSService", access_key_id=signer.access_key_id, invoked_by=caller.service
        )
    return render_user_identity(
        type="AWSAccount",
        principal_id=caller.account_id,
        arn=caller.arn,
        account_id=caller.account_id,
        access_key_id=signer.access_key_id,
    )


def _parameters(visit: Visit) -> Mapping[str, object] | None:
    metadata = visit.metadata
    shown: dict[str, str | None] = {"xksKeyId": visit.external_key_id}
    if visit.signer is not None:
        shown["kmsRegion"] = visit.signer.region
    if metadata is not None:
        shown |= {
            "kmsOperation": metadata.kms_operation,
            "kmsRequestId": metadata.kms_request_id,
            "kmsKeyArn": metadata.kms_key_arn,
            "kmsViaService": metadata.kms_via_service,
            "awsSourceVpc": metadata.aws_source_vpc,
            "awsSourceVpce": metadata.aws_source_vpce,
        }
    return {name: text[:_CHARACTERS_MAX] for name, text in shown.items() if text is not None} or None


def _additional(visit: Visit, refused: ProxyRefused | None) -> Mapping[str, object] | None:
    """The material that was used, or why the key policy denied it."""
    decision, key = visit.decision, visit.key
    if refused is None:
        return None if visit.material_id is None else {"keyMaterialId": visit.material_id}
    if decision is None or decision.allowed or key is None:
        return None
    considered = Considered((("key policy", key.policy),), visit.condition_values)
    return {"authorization": record_decision(ACTIONS[visit.operation], key.arn, decision, considered)}
