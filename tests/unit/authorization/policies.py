"""Key policies, callers and keys to decide about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from strongroom.authorization.decision import Decision
from strongroom.authorization.evaluation import RequestContext, evaluate_key_policy
from strongroom.authorization.key_policy import parse_policy
from strongroom.authorization.statements import compile_policy
from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyState, KeyUsageType, OriginType
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.identifiers import AccessKeyId, AccountId, KeyId, Region, key_arn
from strongroom.resources.key import Key

OWNER = AccountId("111122223333")
OTHER = AccountId("444455556666")
REGION = Region("eu-central-1")
KEY_ID = KeyId("1234abcd-12ab-34cd-56ef-1234567890ab")
KEY_ARN = key_arn(REGION, OWNER, KEY_ID)


def root_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:root"


def root(account_id: str = OWNER) -> AuthenticatedPrincipal:
    return AuthenticatedPrincipal(
        PrincipalType.ROOT,
        AccountId(account_id),
        root_arn(account_id),
        account_id,
        AccessKeyId("AKIAIOSFODNN7EXAMPLE"),
    )


def user(account_id: str = OWNER) -> AuthenticatedPrincipal:
    return AuthenticatedPrincipal(
        PrincipalType.IAM_USER,
        AccountId(account_id),
        f"arn:aws:iam::{account_id}:user/alice",
        "AIDAEXAMPLEEXAMPLE",
        AccessKeyId("AKIAIOSFODNN7EXAMPLE"),
    )


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    """A statement for everything and everyone, but for the elements given; None takes one away."""
    made: dict[str, Any] = {"Effect": effect, "Principal": "*", "Action": "kms:*", "Resource": "*"}
    for name in ("Principal", "Action", "Resource"):
        if f"Not{name}" in elements:
            del made[name]
    made.update(elements)
    return {name: value for name, value in made.items() if value is not None}


def policy(*statements: dict[str, Any], **elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | elements)


def decide(
    text: str,
    action: str = "kms:Encrypt",
    caller: AuthenticatedPrincipal | None = None,
    cross_account: bool = True,
    resource_arn: str = KEY_ARN,
) -> Decision:
    context = RequestContext(caller or root(), action, resource_arn, OWNER, cross_account)
    return evaluate_key_policy(compile_policy(parse_policy(text)), context)


def key(policy_text: str, key_id: str = KEY_ID, version: int = 1) -> Key:
    return Key(
        account_id=OWNER,
        region=REGION,
        key_id=KeyId(key_id),
        arn=key_arn(REGION, OWNER, key_id),
        description="",
        key_spec=KeySpec.SYMMETRIC_DEFAULT,
        key_usage=KeyUsageType.ENCRYPT_DECRYPT,
        key_state=KeyState.ENABLED,
        key_manager=KeyManagerType.CUSTOMER,
        origin=OriginType.AWS_KMS,
        multi_region=False,
        policy=policy_text,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        deletion_at=None,
        pending_window_days=None,
        current_material_id=None,
        materials={},
        tags={},
        version=version,
    )
