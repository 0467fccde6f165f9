"""Questions to the authorizer, made from few words: records of keys, callers, and what they sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.road import Road
from tests.support.store_records import ACCOUNT, REGION, new_key

from strongroom.attestation.verification import Recipient
from strongroom.aws.generated.enums import KeySpec, KeyUsageType, OriginType
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import (
    AuthenticatedPrincipal,
    AuthenticatedRequest,
    Forwarding,
    PrincipalType,
    Session,
)
from strongroom.operations.condition_values import RequestConditions
from strongroom.resources.grant import Grant
from strongroom.resources.identifiers import AccessKeyId, Region
from strongroom.resources.key import Key

ISSUED_AT = datetime(2025, 5, 1, 8, 0, 0, 999_000, tzinfo=UTC)
SYMMETRIC = new_key("11111111-0000-4000-8000-000000000000", tags={"team": "billing", "Stage": "Prod"})
SIGNING = replace(
    new_key("22222222-0000-4000-8000-000000000000"),
    key_spec=KeySpec.RSA_2048,
    key_usage=KeyUsageType.SIGN_VERIFY,
    origin=OriginType.EXTERNAL,
)
PRIMARY = replace(new_key("mrk-33333333000040008000000000000000"), multi_region=True, primary_region=REGION)
REPLICA = replace(PRIMARY, primary_region=Region("us-east-1"))

SESSION = Session(
    ISSUED_AT,
    ISSUED_AT + timedelta(hours=1),
    tags={"Project": "Alpha", "dept": "HR"},
    source_identity="saanvi",
    session_name="shift",
)
ROOT = AuthenticatedPrincipal(
    PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, AccessKeyId("AKIAROOT"), ACCOUNT
)
USER = AuthenticatedPrincipal(
    PrincipalType.IAM_USER,
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:user/division/Bob",
    "AIDABOB",
    AccessKeyId("AKIABOB"),
    "AIDABOB",
)
ROLE = AuthenticatedPrincipal(
    PrincipalType.ASSUMED_ROLE,
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Clerk/shift",
    "AROACLERK:shift",
    AccessKeyId("ASIACLERK"),
    "AROACLERK",
    SESSION,
)
WEB = replace(
    ROLE, session=replace(SESSION, federated_provider="arn:aws:iam::111122223333:oidc-provider/k8s")
)
VIA_S3 = replace(USER, forwarding=Forwarding("s3", REGION))
SERVICE = AuthenticatedPrincipal(
    PrincipalType.AWS_SERVICE, ACCOUNT, "s3.amazonaws.com", "", AccessKeyId("AKIASERVICE")
)


def sent(
    headers: Mapping[bytes, bytes] | None = None, source_ip: str = "203.0.113.7", secure: bool = True
) -> HttpRequest:
    """An HTTP request with these headers."""
    return HttpRequest("POST", b"/", list((headers or {}).items()), b"", source_ip, secure)


def question(
    road: Road,
    action: str,
    request: Any = None,
    *keys: Key,
    principal: AuthenticatedPrincipal = USER,
    http: HttpRequest | None = None,
    recipient: Recipient | None = None,
    grant: Grant | None = None,
    about_key: bool = True,
) -> RequestConditions:
    """A question about the last of `keys`, or about another resource."""
    return RequestConditions(
        road.rooms,
        http or sent(),
        AuthenticatedRequest(principal, REGION, "kms"),
        action,
        request,
        keys,
        keys[-1] if keys and about_key else None,
        recipient=recipient,
        grant=grant,
    )


def values(road: Road, asked: RequestConditions, key: str) -> Sequence[str] | None:
    """The values of a condition key in AWS's spelling, prepared as the authorizer does."""
    road.wait(asked.prepare(frozenset({key.lower()})))
    return asked.values_of(key.lower())
