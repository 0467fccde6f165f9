"""IAM's own condition keys, and the tags of its entities: what delegation is limited by.

Which key is there for which action: Service Authorization Reference, "Actions, resources, and condition keys
for AWS Identity and Access Management", held against it by tests/operations/test_iam_condition_keys.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from strongroom.operations.circumstances import Circumstances, Values, render, value_named
from strongroom.resources.iam import Entity, EntityKind, ManagedPolicy, OidcProvider, Role, User, iam_arn
from strongroom.resources.identifiers import partition_of

SERVICE_PREFIX: Final = "iam:"

_OWN_PARTITION: Final = "arn:aws:"
_POLICY_NAMING: Final = frozenset(
    f"iam:{verb}{holder}Policy" for verb in ("Attach", "Detach") for holder in ("User", "Group", "Role")
)
_BOUNDED: Final = frozenset(
    {
        *(
            f"iam:{verb}{holder}Policy"
            for verb in ("Attach", "Detach", "Put", "Delete")
            for holder in ("User", "Role")
        ),
        *(
            f"iam:{verb}{holder}PermissionsBoundary"
            for verb in ("Put", "Delete")
            for holder in ("User", "Role")
        ),
        "iam:CreateUser",
        "iam:CreateRole",
        "iam:GetRole",
        "iam:DeleteRole",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
        "iam:UpdateAssumeRolePolicy",
    }
)
"""The actions that iam:PermissionsBoundary is there for."""


def is_iam(asked: Circumstances) -> bool:
    """Whether the permission is one of IAM's."""
    return asked.action.startswith(SERVICE_PREFIX)


def policy_arn(asked: Circumstances) -> Values:
    """iam:PolicyARN: the managed policy that is to be attached or detached."""
    return render(asked.request.policy_arn) if asked.action in _POLICY_NAMING else None


def tag_pairs(request: Any) -> list[tuple[str, str]]:
    """The tags that a request of IAM brings."""
    return [(tag.key, tag.value) for tag in getattr(request, "tags", None) or ()]


def untagged_keys(request: Any) -> Iterable[str]:
    """The tag keys that a request of IAM takes away."""
    return getattr(request, "tag_keys", None) or ()


async def permissions_boundary(asked: Circumstances) -> Values:
    """iam:PermissionsBoundary: the one that the request sets, else the one that the user or role has."""
    if asked.action not in _BOUNDED:
        return None
    request = asked.request
    if "permissions_boundary" in request.__struct_fields__:
        return render(request.permissions_boundary)
    entity = await _entity_of(asked)
    kept: str | None = getattr(entity, "permissions_boundary", None)
    if kept is None:
        return None
    return (f"arn:{partition_of(asked.authenticated.region)}:" + kept.removeprefix(_OWN_PARTITION),)


async def entity_tag(asked: Circumstances, lower_name: str) -> Values:
    """aws:ResourceTag/<key> of an entity of IAM: what it is tagged with, or will be where it is made."""
    if asked.action.startswith("iam:Create") and asked.action != "iam:CreatePolicyVersion":
        return value_named(tag_pairs(asked.request), lower_name)
    entity = await _entity_of(asked)
    return None if entity is None else value_named(entity.tags.items(), lower_name)


async def own_entity_tag(asked: Circumstances, lower_name: str) -> Values:
    """iam:ResourceTag/<key>: the same of users and roles."""
    if not is_iam(asked) or not {"user_name", "role_name"} & set(asked.request.__struct_fields__):
        return None
    return await entity_tag(asked, lower_name)


async def _entity_of(asked: Circumstances) -> Entity | None:
    """The entity that the request is about, if it exists."""
    request, account_id, store = asked.request, asked.principal.account_id, asked.rooms.store
    members = request.__struct_fields__
    if "role_name" in members:
        return await store.find_entity(Role, account_id, request.role_name)
    if "user_name" in members:
        if request.user_name is None:
            return await store.find_entity_by_id(User, asked.principal.unique_id)
        return await store.find_entity(User, account_id, request.user_name)
    for member, kind in (("policy_arn", ManagedPolicy), ("open_id_connect_provider_arn", OidcProvider)):
        if member in members:
            return await _named_by_arn(asked, getattr(request, member), kind)
    return None


async def _named_by_arn(asked: Circumstances, arn: str, kind: type[Entity]) -> Entity | None:
    account_id = asked.principal.account_id
    if kind is OidcProvider:
        name = arn.partition(f":{EntityKind.OIDC_PROVIDER}/")[2]
    else:
        name = arn.rpartition("/")[2]
    found = await asked.rooms.store.find_entity(kind, account_id, name)
    if found is None:
        return None
    partition = partition_of(asked.authenticated.region)
    path = "/" if kind is OidcProvider else found.path
    return found if iam_arn(account_id, found.kind, path, found.name, partition) == arn else None
