"""Which entity of IAM a permission is asked for, as its ARN."""

from __future__ import annotations

from typing import Any

from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.operations.operation import EntityTarget
from strongroom.resources.iam import KINDS, EntityKind, OidcProvider, User, iam_arn
from strongroom.resources.identifiers import Region, partition_of
from strongroom.store.interface import Store

_KINDS = {kind: of for of, kind in KINDS.items()}
_URL_SCHEME = "https://"


async def entity_arn_of(
    store: Store, target: EntityTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str | None:
    """The ARN, with the path that the entity has; of one that does not exist, with the path it would have.

    Where the caller itself is meant and is no user, the account's root. None: nothing is asked, the request
    does not give what the permission is for.
    """
    if target.given is not None and not getattr(request, target.given):
        return None
    return await _arn_of_named(store, target, request, principal, region)


async def _arn_of_named(
    store: Store, target: EntityTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> str:
    account_id = principal.account_id
    partition = partition_of(region)
    named: str | None = getattr(request, target.member)
    if named is None and target.is_caller_if_absent:
        if principal.type is not PrincipalType.IAM_USER:
            return principal.arn
        user = await store.find_entity_by_id(User, principal.unique_id)
        return (
            principal.arn if user is None else iam_arn(account_id, user.kind, user.path, user.name, partition)
        )
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
