"""`strongroom explain`: one recorded request, every policy that had a say, and what would have allowed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongroom.administration.foreign_replay import explain_again, is_foreign
from strongroom.administration.recorded_request import (
    NotRebuildable,
    find_issuing_record,
    has_session,
    rebuild_request,
)
from strongroom.administration.replay import AskedAgain, replay
from strongroom.audit.reader import read_records
from strongroom.authorization.decision import StatementReference, denial
from strongroom.authorization.denial_record import digest_of
from strongroom.authorization.explanation import (
    Explanation,
    GrantExplanation,
    PolicyExplanation,
    StatementExplanation,
)
from strongroom.store.interface import Store

Report = dict[str, Any]
"""JSON: see docs/authorization.md."""


def find_record(audit_directory: Path, request_id: str) -> dict[str, Any] | None:
    """The record of a request, by its request id or event id. Raises OSError."""
    found = None
    for record in read_records(audit_directory, request_id.encode()):
        if request_id in (record.get("requestID"), record.get("eventID")):
            found = record  # what else the request did was recorded before it
    return found


async def explain_record(store: Store, audit_directory: Path, record: dict[str, Any]) -> Report:
    """What can be said about a recorded request. Raises OSError, StoreUnavailable."""
    recorded = (record.get("additionalEventData") or {}).get("authorization")
    report: Report = {
        "requestId": record.get("requestID"),
        "eventId": record.get("eventID"),
        "eventTime": record.get("eventTime"),
        "eventSource": record.get("eventSource"),
        "operation": record.get("eventName"),
        "awsRegion": record.get("awsRegion"),
        "caller": _caller(record),
        "sourceIPAddress": record.get("sourceIPAddress"),
        "userAgent": record.get("userAgent"),
        "resources": [one.get("ARN") for one in record.get("resources") or ()],
        "errorCode": record.get("errorCode"),
        "errorMessage": record.get("errorMessage"),
        "recorded": recorded,
        "permissions": [],
        "stoppedBy": None,
        "notes": [],
    }
    if is_foreign(record):
        await _explain_foreign(store, record, report)
        return report
    access_key_id = str((record.get("userIdentity") or {}).get("accessKeyId", ""))
    issuing = None
    if has_session(record) and access_key_id:
        records = read_records(audit_directory, access_key_id.encode())
        issuing = find_issuing_record(records, access_key_id)
    try:
        request = rebuild_request(record, issuing)
        report["notes"] += request.notes
        answer = await replay(store, request)
    except NotRebuildable as error:
        report["notes"].append(str(error))
        return report
    report["stoppedBy"] = answer.stopped_by
    digests = None if recorded is None else recorded.get("policies")
    for one in answer.permissions:
        same = recorded is not None and recorded.get("action") == one.ask.action
        report["permissions"].append(_show_permission(one, digests if same else None))
    return report


async def _explain_foreign(store: Store, record: Mapping[str, Any], report: Report) -> None:
    """A request through the external key store proxy: the key policy alone decides."""
    try:
        explanation, policy_text = await explain_again(store, record)
    except NotRebuildable as error:
        report["notes"].append(str(error))
        return
    report["notes"].append(
        "It came through the XKS proxy: the key policy alone decides, for the principal that the caller "
        "named. What the caller does not tell (the encryption context, say) decides for a Deny and "
        "against an Allow."
    )
    recorded = report["recorded"]
    digests = None if recorded is None else recorded.get("policies")
    report["permissions"].append(_show_explanation(explanation, {"key policy": policy_text}, digests))


def _caller(record: Mapping[str, Any]) -> Report:
    identity = record.get("userIdentity") or {}
    return {
        "type": identity.get("type"),
        "arn": identity.get("arn") or identity.get("invokedBy"),
        "accessKeyId": identity.get("accessKeyId"),
        "invokedBy": identity.get("invokedBy"),
    }


def _show_permission(asked: AskedAgain, digests: Mapping[str, str] | None) -> Report:
    ask, explanation = asked.ask, asked.explanation
    report = _show_explanation(explanation, dict(asked.considered.policies), digests)
    if not explanation.decision.allowed:
        refusal = denial(explanation.decision, ask.principal, ask.action, ask.resource_arn)
        report["sentence"] = refusal.message
    report["canGrantPermit"] = ask.grant_operation is not None
    return report


def _show_explanation(
    explanation: Explanation, texts: Mapping[str, str], digests: Mapping[str, str] | None
) -> Report:
    decision = explanation.decision
    return {
        "action": explanation.action,
        "resource": explanation.resource_arn,
        "allowed": decision.allowed,
        "reason": decision.reason.name,
        "because": str(decision.reason),
        "sentence": None,
        "statements": [_show_reference(one) for one in decision.statements],
        "policies": [_show_policy(one, texts.get(one.label), digests) for one in explanation.policies],
        "policiesGone": sorted(set(digests or ()) - set(texts)),
        "grants": [_show_grant(one) for one in explanation.grants],
        "canGrantPermit": False,
        "wouldAllow": list(explanation.would_allow),
    }


def _show_reference(reference: StatementReference) -> Report:
    return {"policy": reference.policy, "index": reference.index, "sid": reference.sid}


def _show_policy(policy: PolicyExplanation, text: str | None, digests: Mapping[str, str] | None) -> Report:
    digest = None if text is None else digest_of(text)
    since: str | None = None
    if digests is not None:
        before = digests.get(policy.label)
        since = "new" if before is None else "unchanged" if before == digest else "changed"
    return {
        "type": str(policy.type),
        "label": policy.label,
        "readable": policy.readable,
        "sha256": digest,
        "sinceTheRequest": since,
        "statements": [_show_statement(one) for one in policy.statements],
    }


def _show_statement(one: StatementExplanation) -> Report:
    return {
        "index": one.reference.index,
        "sid": one.reference.sid,
        "effect": "Deny" if one.denies else "Allow",
        "applies": one.applies,
        "namesCallerAs": None if one.names_caller is None else one.names_caller.name,
        "misses": list(one.misses),
        "conditions": [
            {
                "operator": condition.operator,
                "key": condition.key,
                "policyValues": list(condition.policy_values),
                "requestValues": None if condition.request_values is None else list(condition.request_values),
                "held": condition.held,
            }
            for condition in one.conditions
        ],
    }


def _show_grant(one: GrantExplanation) -> Report:
    return {"grantId": one.grant_id, "grantee": one.grantee, "misses": list(one.misses)}
