"""What the families of IAM share: an entity by its name, its ARN, and what it looks like in an answer.

A family of operations/iam/ may import this, never another family.
"""

from __future__ import annotations

from typing import TypeVar

from strongroom.aws import iam_refusals
from strongroom.aws.generated.iam_shapes import Tag
from strongroom.operations.context import Call
from strongroom.resources.iam import KINDS, Entity, iam_arn
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
