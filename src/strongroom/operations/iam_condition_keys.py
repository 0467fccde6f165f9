"""The condition keys of requests to IAM: what they ask to be put on an entity, and what the entity has.

An entity is looked up once for each question, before a policy is read (`find_entity`).

Sources: IAM User Guide, "Available keys for IAM" (reference_policies_iam-condition-keys) and "AWS global
condition context keys"; Service Authorization Reference, list_awsidentityandaccessmanagementiam.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from strongroom.aws.generated import iam_shapes as shapes
from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import (
    Circumstances,
    Look,
    NotPrepared,
    Values,
    render,
    value_named,
)
from strongroom.resources.iam import Entity, EntityKind, ManagedPolicy, OidcProvider, Role, User, iam_arn
from strongroom.resources.identifiers import AccessKeyId, partition_of

IAM_ACTIONS: Final = "iam:"
OF_THE_ENTITY: Final = ("aws:resourcetag/", "iam:resourcetag/", "iam:permissionsboundary")
"""The beginnings of the keys that are answered from the entity."""

_MAKING: Final = (
    shapes.CreateUserRequest,
    shapes.CreateRoleRequest,
    shapes.CreatePolicyRequest,
    shapes.CreateOpenIDConnectProviderRequest,
)
_NEW_BOUNDARY: Final = frozenset(
    {
        "iam:CreateRole",
        "iam:CreateUser",
        "iam:PutRolePermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
    }
)
_PRESENT_BOUNDARY: Final = frozenset(
    {
        "iam:AttachRolePolicy",
        "iam:AttachUserPolicy",
        "iam:DeleteRole",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DeleteUserPermissionsBoundary",
        "iam:DeleteUserPolicy",
        "iam:DetachRolePolicy",
        "iam:DetachUserPolicy",
        "iam:GetRole",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
    }
)
_ATTACHING: Final = frozenset(
    f"iam:{verb}{kind}Policy" for verb in ("Attach", "Detach") for kind in ("Group", "Role", "User")
)


async def find_entity(asked: Circumstances) -> Entity | None:
    """What the request is about, if it is there and can have tags: groups have none.

    Of several names in a request the first of `_FINDERS` says it: AttachUserPolicy is about the user. An
    entity that the request makes is not there yet, whoever has its name.
    """
    if isinstance(asked.request, _MAKING):
        return None
    for member, find in _FINDERS:
        if hasattr(asked.request, member):
            return await find(asked, getattr(asked.request, member))
    return None


async def _no_entity(asked: Circumstances, name: Any) -> Entity | None:
    return None


async def _find_user(asked: Circumstances, name: str | None) -> Entity | None:
    store, principal = asked.rooms.store, asked.principal
    if name is not None:
        return await store.find_entity(User, principal.account_id, name)
    is_user = principal.type is PrincipalType.IAM_USER
    return await store.find_entity_by_id(User, principal.unique_id) if is_user else None


async def _find_role(asked: Circumstances, name: str) -> Entity | None:
    return await asked.rooms.store.find_entity(Role, asked.principal.account_id, name)


async def _find_policy(asked: Circumstances, arn: str) -> Entity | None:
    """Of the account, under exactly this ARN: a policy of AWS may have a namesake here."""
    account_id = asked.principal.account_id
    found = await asked.rooms.store.find_entity(ManagedPolicy, account_id, arn.rpartition("/")[2])
    return found if found is not None and _arn(asked, found, found.path) == arn else None


async def _find_provider(asked: Circumstances, arn: str) -> Entity | None:
    account_id = asked.principal.account_id
    url = arn.partition(f":{EntityKind.OIDC_PROVIDER}/")[2]
    found = await asked.rooms.store.find_entity(OidcProvider, account_id, url)
    return found if found is not None and _arn(asked, found, "/") == arn else None


def _arn(asked: Circumstances, entity: Entity, path: str) -> str:
    partition = partition_of(asked.authenticated.region)
    return iam_arn(entity.account_id, entity.kind, path, entity.name, partition)


async def _find_bearer(asked: Circumstances, access_key_id: str) -> Entity | None:
    store, account_id = asked.rooms.store, asked.principal.account_id
    access_key = await store.find_access_key(AccessKeyId(access_key_id))
    if access_key is None or access_key.account_id != account_id:
        return None
    return await store.find_entity_by_id(User, access_key.principal_id)


_FINDERS: Final[tuple[tuple[str, Callable[[Circumstances, Any], Awaitable[Entity | None]]], ...]] = (
    ("group_name", _no_entity),
    ("user_name", _find_user),
    ("role_name", _find_role),
    ("policy_arn", _find_policy),
    ("open_id_connect_provider_arn", _find_provider),
    ("access_key_id", _find_bearer),
)


def request_tags(request: Any) -> list[tuple[str, str]]:
    """The tags that a request of IAM puts on something."""
    return [(tag.key, tag.value) for tag in getattr(request, "tags", None) or ()]


def request_tag_keys(request: Any) -> Values:
    """The keys of the tags that a request of IAM puts on something or takes away."""
    taken: list[str] = getattr(request, "tag_keys", None) or []
    return (*(key for key, _ in request_tags(request)), *taken) or None


def entity_tag(asked: Circumstances, lower_name: str) -> Values:
    """aws:ResourceTag/<key> of an entity: what it is tagged with, or will be where the request makes it."""
    if isinstance(asked.request, _MAKING):
        return value_named(request_tags(asked.request), lower_name)
    entity = _entity(asked)
    return None if entity is None else value_named(entity.tags.items(), lower_name)


def identity_tag(asked: Circumstances, lower_name: str) -> Values:
    """iam:ResourceTag/<key>: the same of users and roles only."""
    if not asked.action.startswith(IAM_ACTIONS):
        return None
    if isinstance(asked.request, shapes.CreatePolicyRequest | shapes.CreateOpenIDConnectProviderRequest):
        return None
    if isinstance(asked.request, _MAKING) or isinstance(_entity(asked), User | Role):
        return entity_tag(asked, lower_name)
    return None


def _permissions_boundary(asked: Circumstances) -> Values:
    """The boundary that is to be set; for other changes the one that is there."""
    if asked.action in _NEW_BOUNDARY:
        return render(asked.request.permissions_boundary)
    if asked.action not in _PRESENT_BOUNDARY:
        return None
    entity = _entity(asked)
    if not isinstance(entity, User | Role) or entity.permissions_boundary is None:
        return None
    partition = partition_of(asked.authenticated.region)
    return (f"arn:{partition}{entity.permissions_boundary.removeprefix('arn:aws')}",)


def _policy_arn(asked: Circumstances) -> Values:
    return render(asked.request.policy_arn) if asked.action in _ATTACHING else None


def _entity(asked: Circumstances) -> Entity | None:
    if asked.entity is NotPrepared:
        raise NotPrepared("the entity")
    entity: Entity | None = asked.entity
    return entity


IAM_KEYS: Final[Mapping[str, Look]] = {
    "iam:permissionsboundary": _permissions_boundary,
    "iam:policyarn": _policy_arn,
}
IAM_PREFIXES: Final[Mapping[str, Callable[[Circumstances, str], Values]]] = {
    "iam:resourcetag/": identity_tag,
}
