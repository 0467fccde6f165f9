"""Policies, callers, identities and keys to decide about."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from tests.support.policy_facts import FactsInMemory

from strongroom.authorization.ask import NO_VALUES, Ask, ConditionValues
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision
from strongroom.aws.generated.enums import (
    GrantOperation,
    KeyManagerType,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
)
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.grant import NO_CONSTRAINTS, Grant, GrantConstraints, new_grant_id
from strongroom.resources.iam import EntityKind, Identity, PolicySource
from strongroom.resources.identifiers import AccessKeyId, AccountId, KeyId, Region, key_arn
from strongroom.resources.key import Key

T = TypeVar("T")

OWNER = AccountId("111122223333")
OTHER = AccountId("444455556666")
REGION = Region("eu-central-1")
KEY_ID = KeyId("1234abcd-12ab-34cd-56ef-1234567890ab")
KEY_ARN = key_arn(REGION, OWNER, KEY_ID)
ALICE_ID = "AIDAALICEALICEALICE11"
ADMIN_ID = "AROAADMINADMINADMIN11"


def answer(asking: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine that never waits: the doubles answer at once."""
    try:
        asking.send(None)
    except StopIteration as done:
        given: T = done.value
        return given
    raise AssertionError("it waited")


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


def user(account_id: str = OWNER, name: str = "alice", unique_id: str = ALICE_ID) -> AuthenticatedPrincipal:
    return AuthenticatedPrincipal(
        PrincipalType.IAM_USER,
        AccountId(account_id),
        f"arn:aws:iam::{account_id}:user/{name}",
        unique_id,
        AccessKeyId("AKIAIOSFODNN7EXAMPLE"),
        unique_id=unique_id,
    )


def session(
    account_id: str = OWNER,
    role: str = "admin",
    name: str = "s1",
    unique_id: str = ADMIN_ID,
    policies: tuple[str, ...] = (),
    policy_arns: tuple[str, ...] = (),
) -> AuthenticatedPrincipal:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return AuthenticatedPrincipal(
        PrincipalType.ASSUMED_ROLE,
        AccountId(account_id),
        f"arn:aws:sts::{account_id}:assumed-role/{role}/{name}",
        f"{unique_id}:{name}",
        AccessKeyId("ASIAIOSFODNN7EXAMPLE"),
        unique_id=unique_id,
        session=Session(now, now, policies=policies, policy_arns=policy_arns, session_name=name),
    )


def service(name: str = "s3") -> AuthenticatedPrincipal:
    arn = f"{name}.amazonaws.com"
    return AuthenticatedPrincipal(
        PrincipalType.AWS_SERVICE, AccountId(""), arn, arn, AccessKeyId("AKIAIOSFODNN7EXAMPLE")
    )


def identity_of(
    caller: AuthenticatedPrincipal,
    *policies: str,
    boundary: str | None = None,
    path: str = "/",
) -> Identity:
    """The user or role of a caller, with inline policies `policy 0`, `policy 1`, ..."""
    is_user = caller.type is PrincipalType.IAM_USER
    return Identity(
        account_id=caller.account_id,
        kind=EntityKind.USER if is_user else EntityKind.ROLE,
        name=caller.arn.split("/")[-1 if is_user else 1],
        path=path,
        unique_id=caller.unique_id,
        tags={},
        policies=tuple(PolicySource(f"policy {number}", text) for number, text in enumerate(policies)),
        boundary=None if boundary is None else PolicySource("arn:aws:iam::aws:policy/b", boundary),
    )


def grant_to(
    grantee: str,
    *operations: GrantOperation,
    grantee_id: str | None = None,
    constraints: GrantConstraints = NO_CONSTRAINTS,
    **members: Any,
) -> Grant:
    """A grant on the key; a service's name is no ARN."""
    is_arn = grantee.startswith("arn:")
    return Grant(
        account_id=OWNER,
        region=REGION,
        key_id=KEY_ID,
        grant_id=new_grant_id(),
        name=None,
        grantee_principal=grantee if is_arn else None,
        grantee_service_principal=None if is_arn else grantee,
        retiring_principal=members.get("retiring"),
        retiring_service_principal=members.get("retiring_service"),
        issuing_account=members.get("issuing_account", root_arn(OWNER)),
        operations=operations or (GrantOperation.DECRYPT,),
        constraints=constraints,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        grantee_id=grantee_id,
        retiring_id=members.get("retiring_id"),
    )


def allow(action: Any = "kms:*", **elements: Any) -> str:
    """An identity-based policy with one Allow."""
    return policy(statement("Allow", Principal=None, Action=action, **elements))


def deny(action: Any = "kms:*", **elements: Any) -> str:
    """An identity-based policy with one Deny."""
    return policy(statement("Deny", Principal=None, Action=action, **elements))


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
    *,
    identity: Identity | None = None,
    bound: dict[str, str] | None = None,
    values: ConditionValues = NO_VALUES,
    grants: tuple[Grant, ...] = (),
    facts: FactsInMemory | None = None,
) -> Decision:
    """What a fresh authorizer says of a key with this policy."""
    facts = facts or FactsInMemory()
    if identity is not None:
        facts.identities[identity.unique_id] = identity
    facts.grant(*grants)
    asked = ask(
        key(text, bound=bound), action, caller, cross_account, values=values, resource_arn=resource_arn
    )
    return answer(Authorizer(facts).authorize_key(asked))


def ask(
    about: Key,
    action: str = "kms:Encrypt",
    caller: AuthenticatedPrincipal | None = None,
    cross_account: bool = True,
    *,
    values: ConditionValues = NO_VALUES,
    resource_arn: str | None = None,
    **members: Any,
) -> Ask:
    """A question about a key, with what a grant must list for it."""
    operation = action.removeprefix("kms:")
    return Ask(
        caller or root(),
        action,
        resource_arn or about.arn,
        about.account_id,
        values,
        about,
        cross_account,
        GrantOperation(operation) if operation in set(GrantOperation) else None,
        **members,
    )


def key(policy_text: str, key_id: str = KEY_ID, version: int = 1, bound: dict[str, str] | None = None) -> Key:
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
        policy_principals=bound or {},
    )
