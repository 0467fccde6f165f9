"""A request through the external key store proxy, decided again from its record under some key policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.administration.recorded_request import NotRebuildable
from strongroom.audit.reader import event_time
from strongroom.authorization.decision import Decision
from strongroom.authorization.explanation import Explanation
from strongroom.authorization.foreign_explanation import explain_stranger
from strongroom.authorization.foreign_principals import ForeignAuthority, parse_foreign_principal
from strongroom.authorization.principals import Caller
from strongroom.operations.foreign_requests import (
    ACTIONS,
    EVENT_SOURCE,
    ForeignConditions,
    ForeignRequest,
)
from strongroom.resources.identifiers import KeyId, Region, parse_kms_arn
from strongroom.resources.key import Key
from strongroom.store.interface import Store


def is_foreign(record: Mapping[str, Any]) -> bool:
    """Whether the request came through the proxy."""
    return record.get("eventSource") == EVENT_SOURCE


@dataclass(frozen=True, slots=True)
class ForeignAsked:
    """What a key policy was asked, as far as the record has it: that is all of it."""

    caller: Caller
    action: str
    values: ForeignConditions


def asked_again(record: Mapping[str, Any], key: Key) -> ForeignAsked:
    """Raises NotRebuildable."""
    identity, parameters = record.get("userIdentity") or {}, record.get("requestParameters") or {}
    action = ACTIONS.get(str(record.get("eventName")))
    if action is None:
        raise NotRebuildable(
            f"{record.get('eventName')} came through the XKS proxy and is about no key: no policy decides it."
        )
    try:
        caller = parse_foreign_principal(str(identity.get("arn") or identity.get("invokedBy") or ""))
    except ValueError:
        raise NotRebuildable("The record names no principal that a key policy could name.") from None
    if "kmsRegion" not in parameters:
        raise NotRebuildable("The record does not hold what a key policy was asked.")
    request = ForeignRequest(
        Region(parameters["kmsRegion"]),
        event_time(dict(record)),
        parameters.get("kmsKeyArn"),
        parameters.get("kmsViaService"),
        parameters.get("awsSourceVpc"),
        parameters.get("awsSourceVpce"),
    )
    return ForeignAsked(caller, action, ForeignConditions(request, caller, key))


async def decide_again(authority: ForeignAuthority, record: Mapping[str, Any], key: Key) -> Decision:
    """By the policy that `key` has. Raises NotRebuildable."""
    asked = asked_again(record, key)
    return await authority.decide(key.policy, asked.caller, asked.action, key.arn, asked.values)


async def explain_again(store: Store, record: Mapping[str, Any]) -> tuple[Explanation, str]:
    """By the key policy of now, with its text. Raises NotRebuildable, StoreUnavailable."""
    if not record.get("resources"):
        raise NotRebuildable(
            "It came through the XKS proxy, and no key was found or asked for: no policy decided it."
        )
    named = next((str(one.get("ARN")) for one in record.get("resources") or ()), "")
    arn = parse_kms_arn(named)
    key = None
    if arn is not None:
        key = await store.find_key(arn.region, KeyId(arn.resource.removeprefix("key/")))
    if key is None:
        raise NotRebuildable(f"The KMS key {named} is gone.")
    asked = asked_again(record, key)
    authority = ForeignAuthority()
    explanation = await explain_stranger(
        authority, key.policy, asked.caller, asked.action, key.arn, asked.values
    )
    return explanation, key.policy
