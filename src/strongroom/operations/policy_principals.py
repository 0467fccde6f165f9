"""The users and roles that a key policy or a grant names, bound to whom the names mean now.

A name alone never decides anything later: who is made again under it is somebody else. Sources: IAM User
Guide, "AWS JSON policy elements: Principal" (ARNs become unique ids when a policy is saved); PutKeyPolicy,
Policy ("The principals in the key policy must exist and be visible to AWS KMS").
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from strongroom.authorization.ask import AmbiguousCondition
from strongroom.authorization.key_policy import (
    PUT_KEY_POLICY,
    compile_key_policy,
    named_principals,
    parse_policy,
    try_lockout,
)
from strongroom.authorization.policy_document import PolicyDocument, PrincipalKind
from strongroom.authorization.statements import CompiledPolicy
from strongroom.aws import refusals
from strongroom.operations.condition_values import is_known
from strongroom.operations.context import Call
from strongroom.resources.iam import IdPrefix, Role, UniqueId, User, iam_arn
from strongroom.resources.identifiers import AccountId
from strongroom.resources.key import Key
from strongroom.store.interface import Store

logger = logging.getLogger("strongroom.key_policies")

_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?", re.ASCII)
_BINDABLE = re.compile(
    r"arn:(?P<partition>[^:]+):(?:iam::(?P<account>[0-9]{12}):(?P<kind>user|role)(?P<path>/(?:.+/)?)(?P<name>[^/]+)"
    r"|sts::(?P<session_account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/[^/]+)",
    re.ASCII,
)
_UNIQUE_ID = re.compile(rf"(?P<prefix>{IdPrefix.USER}|{IdPrefix.ROLE})[A-Z0-9]+", re.ASCII)


def is_unbindable(arn: str) -> bool:
    """Whether an ARN is neither a user's nor a role's nor a session's: of a root, of a federated user."""
    return _BINDABLE.fullmatch(arn) is None


async def bind_principal(store: Store, arn: str) -> UniqueId | None:
    """The unique id of the user or role that an ARN means, of the role where it is a session's.

    None where there is no such one. Roots and services have none.
    """
    matched = _BINDABLE.fullmatch(arn)
    if matched is None:
        return None
    if matched["role"] is not None:
        role = await store.find_entity(Role, AccountId(matched["session_account"]), matched["role"])
        return role.unique_id if role is not None and role.name == matched["role"] else None
    kind = User if matched["kind"] == "user" else Role
    entity = await store.find_entity(kind, AccountId(matched["account"]), matched["name"])
    if entity is None or (entity.path, entity.name) != (matched["path"], matched["name"]):
        return None
    return entity.unique_id


async def _exists(store: Store, unique_id: str) -> bool:
    matched = _UNIQUE_ID.fullmatch(unique_id)
    if matched is None:
        return False
    kind = User if matched["prefix"] == IdPrefix.USER else Role
    return await store.find_entity_by_id(kind, unique_id) is not None


async def _is_foreign(call: Call, arn: str) -> bool:
    """Whether it is of an account that is not here, and may come through the external key store proxy."""
    if not call.rooms.rules.foreign_principals:
        return False
    matched = _BINDABLE.fullmatch(arn)
    assert matched is not None  # noqa: S101
    account_id = AccountId(matched["account"] or matched["session_account"])
    return await call.rooms.store.find_account(account_id) is None


async def bind_principals(call: Call, names: tuple[str, ...]) -> dict[str, UniqueId]:
    """What each ARN among the names means now.

    Raises ApiError MalformedPolicyDocumentException for one that means nobody, if the rules ask for it;
    otherwise it stays unbound, and matches nobody.
    """
    store, required = call.rooms.store, call.rooms.rules.require_policy_principals
    bound: dict[str, UniqueId] = {}
    for name in names:
        if _BINDABLE.fullmatch(name) is not None:
            unique_id = await bind_principal(store, name)
            if unique_id is not None:
                bound[name] = unique_id
            elif required and not await _is_foreign(call, name):
                raise refusals.invalid_policy_principals()
        elif (
            required and not name.startswith("arn:") and not name.isdigit() and not await _exists(store, name)
        ):
            raise refusals.invalid_policy_principals()
    return bound


def _require_partition(names: tuple[str, ...], partition: str) -> None:
    """Whoever calls in the key's Region has an ARN of its partition; one of another is nobody's.

    Raises ApiError MalformedPolicyDocumentException.
    """
    for name in names:
        if name.startswith("arn:") and not name.startswith(f"arn:{partition}:"):
            raise refusals.invalid_policy_principals()


def _require_known_conditions(document: PolicyDocument) -> None:
    """A condition on a key that there is not would make of a Deny one that never denies.

    Only when a policy is put: one that is stored is read as it is.
    """
    keys = {condition.key for statement in document.statements for condition in statement.conditions}
    unknown = sorted(key for key in keys if not is_known(key))
    if unknown:
        raise refusals.policy_condition_keys_not_permitted(", ".join(unknown))


def _require_principals_that_can_be(document: PolicyDocument) -> None:
    """A service by a name that none has, or a canonical user, which is S3's, would make a Deny of nobody."""
    for statement in document.statements:
        for kind, name in () if statement.principal is None else statement.principal.names:
            if kind is PrincipalKind.CANONICAL_USER or (
                kind is PrincipalKind.SERVICE and name != "*" and _SERVICE.fullmatch(name) is None
            ):
                raise refusals.invalid_policy_principals()


async def judge_key_policy(
    call: Call, text: str, key_arn: str, *, bypass_lockout: bool
) -> dict[str, UniqueId]:
    """Read a key policy that the caller wants to put; returns what its principals mean.

    The key is of the caller's account. Raises ApiError.
    """
    document = parse_policy(text)
    _require_known_conditions(document)
    _require_principals_that_can_be(document)
    names = named_principals(document)
    if call.rooms.rules.require_policy_principals:
        _require_partition(names, key_arn.split(":", 2)[1])
    bound = await bind_principals(call, names)
    compiled = compile_key_policy(document, bound)
    if not bypass_lockout:
        await _require_no_lockout(call, compiled, key_arn)
    return bound


async def _require_no_lockout(call: Call, policy: CompiledPolicy, key_arn: str) -> None:
    """Raises ApiError MalformedPolicyDocumentException; what was tried, only the operator is told."""
    try:
        await call.values.prepare(policy.condition_keys)
        check = try_lockout(call.principal, policy, key_arn, call.account_id, call.values)
    except AmbiguousCondition:
        logger.info("the lockout check of %s met two values of one condition key", key_arn)
        raise refusals.policy_lockout() from None
    if not check.passed:
        tried = "; ".join(f"statement {one.index + 1} {why}" for one, why in check.tried)
        logger.info(
            "a key policy of %s would lock out %s, who asked for %s: %s",
            key_arn,
            check.principal_arn,
            PUT_KEY_POLICY,
            tried or "it has no statements",
        )
        raise refusals.policy_lockout()


async def render_key_policy(store: Store, key: Key) -> str:
    """The key policy as AWS shows it: exactly as it was put, but for principals that are gone or moved."""
    return await render_principals(store, key.policy, key.policy_principals)


async def render_principals(store: Store, policy: str, bound: Mapping[str, UniqueId]) -> str:
    """A policy with its principals as they are now.

    In the place of a user or role that is gone stands its unique id; one that has another name or path now
    stands under that.
    """
    moved: dict[str, str] = {}
    for arn, unique_id in bound.items():
        matched = _BINDABLE.fullmatch(arn)
        if matched is None or matched["kind"] is None:
            continue  # a session's ARN is no entity's: it stays what it was
        entity = await store.find_entity_by_id(User if matched["kind"] == "user" else Role, unique_id)
        shown = unique_id
        if entity is not None:
            shown = iam_arn(entity.account_id, entity.kind, entity.path, entity.name, matched["partition"])
        if shown != arn:
            moved[arn] = shown
    return _with_other_principals(policy, moved) if moved else policy


def _with_other_principals(policy: str, moved: Mapping[str, str]) -> str:
    document: dict[str, Any] = json.loads(policy)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for member in ("Principal", "NotPrincipal"):
            named = statement.get(member)
            if isinstance(named, dict) and (given := named.get(PrincipalKind.AWS)) is not None:
                named[PrincipalKind.AWS] = (
                    [moved.get(one, one) for one in given]
                    if isinstance(given, list)
                    else moved.get(given, given)
                )
    return json.dumps(document, indent=2, ensure_ascii=False)
