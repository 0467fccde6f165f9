"""Which entity of IAM a permission is asked for, as its ARN."""

from __future__ import annotations

from typing import Any, assert_never

from strongroom.aws import iam_refusals
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.operations.operation import AccessKeyTarget, EntityTarget, IamTarget, MovedEntityTarget
from strongroom.resources.iam import KINDS, EntityKind, OidcProvider, User, iam_arn
from strongroom.resources.identifiers import AccessKeyId, Region, partition_of
from strongroom.store.interface import Store

_KINDS = {kind: of for of, kind in KINDS.items()}
_URL_SCHEME = "https://"
_OWN_PRINCIPALS = (PrincipalType.IAM_USER, PrincipalType.ROOT)


async def entity_arn_of(
    store: Store, target: IamTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str | None:
    """The ARN, with the path that the entity has; of one that does not exist, with the path it would have.

    Where the caller itself is meant and is no user, the account's root. None: the request needs no such
    permission. Raises ApiError: ValidationError where the caller is meant and is a session of a role;
    AccessDenied for an access key that is not the account's.
    """
    match target:
        case EntityTarget():
            if target.given is not None and not getattr(request, target.given):
                return None
            return await _arn_of_named(store, target, request, principal, region)
        case MovedEntityTarget():
            return await _arn_after_move(store, target, request, principal, region)
        case AccessKeyTarget():
            return await _arn_of_bearer(store, target, request, principal, region)
        case _:  # pragma: no cover
            assert_never(target)


async def _arn_of_named(
    store: Store, target: EntityTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str:
    account_id = principal.account_id
    partition = partition_of(region)
    named: str | None = getattr(request, target.member)
    if named is None and target.is_caller_if_absent:
        return await _arn_of_caller(store, principal, partition)
    if named is None or named.startswith("arn:"):
        return named or "*"
    kind = _KINDS[target.kind]
    if kind is OidcProvider:
        return iam_arn(account_id, EntityKind.OIDC_PROVIDER, "/", named.removeprefix(_URL_SCHEME), partition)
    entity = None if target.path is not None else await store.find_entity(kind, account_id, named)
    if entity is not None:
        return iam_arn(account_id, entity.kind, entity.path, entity.name, partition)
    path = (getattr(request, target.path) if target.path is not None else None) or "/"
    return iam_arn(account_id, target.kind, path, named, partition)


async def _arn_of_caller(store: Store, principal: AuthenticatedPrincipal, partition: str) -> str:
    if principal.type not in _OWN_PRINCIPALS:
        raise iam_refusals.user_name_needed()
    if principal.type is PrincipalType.ROOT:
        return principal.arn
    user = await store.find_entity_by_id(User, principal.unique_id)
    if user is None:
        return principal.arn
    return iam_arn(principal.account_id, user.kind, user.path, user.name, partition)


async def _arn_after_move(
    store: Store, target: MovedEntityTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str | None:
    named: str = getattr(request, target.member)
    new_name: str | None = getattr(request, target.new_name)
    new_path: str | None = getattr(request, target.new_path)
    if new_name is None and new_path is None:
        return None
    entity = await store.find_entity(_KINDS[target.kind], principal.account_id, named)
    path = "/" if entity is None else entity.path
    name = named if entity is None else entity.name
    return iam_arn(
        principal.account_id, target.kind, new_path or path, new_name or name, partition_of(region)
    )


async def _arn_of_bearer(
    store: Store, target: AccessKeyTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str:
    access_key_id = AccessKeyId(getattr(request, target.member))
    access_key = await store.find_access_key(access_key_id)
    partition = partition_of(region)
    if access_key is not None and access_key.account_id == principal.account_id:
        if access_key.principal_type == PrincipalType.ROOT:
            return f"arn:{partition}:iam::{access_key.account_id}:root"
        user = await store.find_entity_by_id(User, access_key.principal_id)
        if user is not None:
            return iam_arn(user.account_id, user.kind, user.path, user.name, partition)
    raise iam_refusals.access_key_not_of_account(principal.arn, target.action, access_key_id)
