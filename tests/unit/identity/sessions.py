"""Temporary credentials for the tests of this room, made as STS makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.credentials import Credentials
from tests.unit.identity.signed_requests import ACCOUNT, KEY, Desk, identity, result_of, sign

from strongroom.clock import Clock
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import TemporaryCredentials, make_temporary_credentials
from strongroom.resources.iam import EntityKind

ROLE_ID = "AROADBQP57FF2AEXAMPLE"
ROLE = identity("Deploy", ROLE_ID, EntityKind.ROLE, "/ci/")
HOUR = 3600


def role_session(desk: Desk, clock: Clock | None = None, **more: Any) -> TemporaryCredentials:
    """A session of ROLE, an hour long."""
    facts: dict[str, Any] = {
        "kind": PrincipalType.ASSUMED_ROLE,
        "account_id": ACCOUNT,
        "unique_id": ROLE_ID,
        "duration_seconds": HOUR,
        "session_name": "build-7",
    }
    making = make_temporary_credentials(desk.signing_keys, clock or desk.clock, **(facts | more))
    return result_of(making)


def user_session(desk: Desk, **more: Any) -> TemporaryCredentials:
    """A session of the user alice."""
    facts = {"kind": PrincipalType.IAM_USER, "unique_id": KEY.principal_id, "session_name": None}
    return role_session(desk, **(facts | more))


def root_session(desk: Desk, **more: Any) -> TemporaryCredentials:
    """A session of the account's root."""
    facts = {"kind": PrincipalType.ROOT, "unique_id": ACCOUNT, "session_name": None}
    return role_session(desk, **(facts | more))


def credentials_of(made: TemporaryCredentials) -> Credentials:
    """As a client keeps them."""
    return Credentials(made.access_key_id, made.secret_access_key, made.session_token)


def sign_with(
    made: TemporaryCredentials,
    headers: Sequence[tuple[str, str]] = (("X-Amz-Target", "TrentService.DescribeKey"),),
    **more: Any,
) -> HttpRequest:
    """A request signed by botocore with temporary credentials, now."""
    return sign(headers=headers, credentials=credentials_of(made), **more)
