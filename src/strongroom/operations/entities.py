"""What the families of IAM share: an entity by its name, its ARN, and what it looks like in an answer.

A family of operations/iam/ may import this, never another family.
"""

from __future__ import annotations

from typing import TypeVar

from strongroom.aws import iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.aws.generated.iam_enums import PermissionsBoundaryAttachmentType
from strongroom.aws.generated.iam_shapes import Tag
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.managed_policy_lookup import shown_arn
from strongroom.resources.iam import KINDS, Entity, Group, User, iam_arn
from strongroom.resources.identifiers import partition_of

E = TypeVar("E", bound=Entity)


async def require_entity(call: Call, kind: type[E], name: str) -> E:
    """The caller's account's entity. Raises NoSuchEntity."""
    entity = await call.rooms.store.find_entity(kind, call.account_id, name)
    if entity is None:
        raise iam_refusals.no_such_entity(KINDS[kind].value, name)
    return entity


def arn_of(call: Call, entity: Entity) -> str:
    """Its ARN, in the partition of the called Region."""
    return iam_arn(entity.account_id, entity.kind, entity.path, entity.name, partition_of(call.region))


def render_tags(tags: dict[str, str]) -> list[Tag] | None:
    """As a member of an entity: left out where there are none."""
    return [Tag(key=key, value=value) for key, value in tags.items()] or None


async def named_or_calling_user(call: Call, name: str | None) -> User | None:
    """The named user, or the caller; None where the caller is the account's root.

    Raises NoSuchEntity, ValidationError (a session of a role is no user).
    """
    if name is not None:
        return await require_entity(call, User, name)
    if call.principal.type is PrincipalType.ROOT:
        return None
    user = await call.rooms.store.find_entity_by_id(User, call.principal.unique_id)
    if user is None:
        raise iam_refusals.user_name_needed()
    return user


def render_user(call: Call, user: User, *, is_whole: bool) -> shapes.User:
    """As a member of an answer. Listings leave out tags and boundary (API reference, ListUsers)."""
    rendered = shapes.User(
        path=user.path,
        user_name=user.name,
        user_id=user.unique_id,
        arn=arn_of(call, user),
        create_date=user.created_at.timestamp(),
    )
    if is_whole:
        rendered.tags = render_tags(user.tags)
        rendered.permissions_boundary = render_boundary(call, user.permissions_boundary)
    return rendered


def render_group(call: Call, group: Group) -> shapes.Group:
    """As a member of an answer."""
    return shapes.Group(
        path=group.path,
        group_name=group.name,
        group_id=group.unique_id,
        arn=arn_of(call, group),
        create_date=group.created_at.timestamp(),
    )


def render_boundary(call: Call, arn: str | None) -> shapes.AttachedPermissionsBoundary | None:
    """A user's or role's permissions boundary; left out where there is none."""
    if arn is None:
        return None
    return shapes.AttachedPermissionsBoundary(
        permissions_boundary_type=PermissionsBoundaryAttachmentType.PERMISSIONS_BOUNDARY_POLICY,
        permissions_boundary_arn=shown_arn(call, arn),
    )
