"""What the road knows of one request so far."""

from __future__ import annotations

from typing import Any

import msgspec

from strongroom.attestation.verification import Recipient
from strongroom.aws.errors import ApiError
from strongroom.federation.web_identity_token import WebIdentity
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.operations.context import RelatedEvent
from strongroom.operations.permissions import Permissions
from strongroom.operations.plan import Plan
from strongroom.operations.role_assumption import Assumption
from strongroom.resources.grant import GrantReference
from strongroom.resources.key import Key


class Trip:
    """What is known of one request so far; the record is made of it."""

    __slots__ = (
        "assumption",
        "authenticated",
        "error",
        "event_id",
        "grants",
        "http",
        "keys",
        "name",
        "permissions",
        "plan",
        "recipient",
        "recorded_at",
        "related_events",
        "request",
        "request_id",
        "response",
        "web_identity",
    )

    def __init__(self, http: HttpRequest, name: str, plan: Plan | None, request_id: str) -> None:
        self.http = http
        self.name = name
        self.plan = plan
        self.request_id = request_id
        self.authenticated: AuthenticatedRequest | None = None
        self.request: Any = None
        self.grants: tuple[GrantReference, ...] = ()
        self.recipient: Recipient | None = None
        self.assumption: Assumption | None = None
        self.web_identity: WebIdentity | None = None
        self.permissions: Permissions | None = None
        self.keys: tuple[Key, ...] = ()
        self.related_events: tuple[RelatedEvent, ...] = ()
        self.response: msgspec.Struct | None = None
        self.error: ApiError | None = None
        self.event_id = ""
        self.recorded_at = 0.0
