"""A request through the external key store proxy, decided again from its record under some key policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.administration.recorded_request import NotRebuildable
from strongroom.audit.reader import event_time
from strongroom.authorization.decision import Decision
from strongroom.authorization.foreign_principals import ForeignAuthority, parse_foreign_principal
from strongroom.operations.foreign_requests import (
    ACTIONS,
    EVENT_SOURCE,
    ForeignConditions,
    ForeignRequest,
)
from strongroom.resources.identifiers import Region
from strongroom.resources.key import Key


def is_foreign(record: Mapping[str, Any]) -> bool:
    """Whether the request came through the proxy."""
    return record.get("eventSource") == EVENT_SOURCE


async def decide_again(authority: ForeignAuthority, record: Mapping[str, Any], key: Key) -> Decision:
    """By the policy that `key` has. Raises NotRebuildable."""
    identity, parameters = record.get("userIdentity") or {}, record.get("requestParameters") or {}
    action = ACTIONS.get(str(record.get("eventName")))
    try:
        caller = parse_foreign_principal(str(identity.get("arn") or identity.get("invokedBy") or ""))
    except ValueError:
        raise NotRebuildable("The record names no principal that a key policy could name.") from None
    if action is None or "kmsRegion" not in parameters:
        raise NotRebuildable("The record does not hold what a key policy was asked.")
    request = ForeignRequest(
        Region(parameters["kmsRegion"]),
        event_time(dict(record)),
        parameters.get("kmsKeyArn"),
        parameters.get("kmsViaService"),
        parameters.get("awsSourceVpc"),
        parameters.get("awsSourceVpce"),
    )
    values = ForeignConditions(request, caller, key)
    return await authority.decide(key.policy, caller, action, key.arn, values)
