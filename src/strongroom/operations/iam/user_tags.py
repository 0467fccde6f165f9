"""Tags of IAM users."""

from __future__ import annotations

import msgspec

from strongroom.aws.generated import iam_shapes as shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import require_entity
from strongroom.operations.entity_pages import numbered_page
from strongroom.operations.entity_tags import merge_tags, sorted_tags, without_tags
from strongroom.operations.operation import EntityTarget, Operation, records
from strongroom.resources.iam import EntityKind, User


def check_tag_user(request: shapes.TagUserRequest) -> None:
    """Raises InvalidInput."""
    merge_tags(EntityKind.USER, {}, request.tags)


async def tag_user(call: Call, request: shapes.TagUserRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    tags = merge_tags(EntityKind.USER, user.tags, request.tags)
    await call.rooms.store.update_entity(msgspec.structs.replace(user, tags=tags))


async def untag_user(call: Call, request: shapes.UntagUserRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    tags = without_tags(EntityKind.USER, user.tags, request.tag_keys)
    await call.rooms.store.update_entity(msgspec.structs.replace(user, tags=tags))


async def list_user_tags(call: Call, request: shapes.ListUserTagsRequest) -> shapes.ListUserTagsResponse:
    user = await require_entity(call, User, request.user_name)
    page = await numbered_page(
        call, "ListUserTags", request.marker, request.max_items, sorted_tags(user.tags), user.unique_id
    )
    return shapes.ListUserTagsResponse(
        tags=list(page.items), is_truncated=page.is_truncated, marker=page.marker
    )


TAG_USER = Operation(
    service="iam",
    name="TagUser",
    input=shapes.TagUserRequest,
    output=None,
    check=check_tag_user,
    access=(EntityTarget("iam:TagUser", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name", "tags"),
    response_records=(),
    run=tag_user,
)

UNTAG_USER = Operation(
    service="iam",
    name="UntagUser",
    input=shapes.UntagUserRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:UntagUser", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name", "tag_keys"),
    response_records=(),
    run=untag_user,
)

LIST_USER_TAGS = Operation(
    service="iam",
    name="ListUserTags",
    input=shapes.ListUserTagsRequest,
    output=shapes.ListUserTagsResponse,
    check=None,
    access=(EntityTarget("iam:ListUserTags", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_user_tags,
)

OPERATIONS = (TAG_USER, UNTAG_USER, LIST_USER_TAGS)
