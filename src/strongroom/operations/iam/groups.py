"""IAM groups: made, renamed, listed, deleted. Who is in them: group_members.py."""

from __future__ import annotations

import msgspec

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import render_group, require_entity
from strongroom.operations.entity_pages import limit_of, make_page, read_marker
from strongroom.operations.iam_quotas import GROUPS_PER_ACCOUNT
from strongroom.operations.operation import (
    EntityTarget,
    MovedEntityTarget,
    Operation,
    on_account,
    records,
)
from strongroom.resources.iam import EntityKind, Group, IdPrefix, new_unique_id
from strongroom.store.interface import AlreadyExists, LimitReached, StillInUse


async def create_group(call: Call, request: shapes.CreateGroupRequest) -> shapes.CreateGroupResponse:
    group = Group(
        account_id=call.account_id,
        name=request.group_name,
        unique_id=new_unique_id(IdPrefix.GROUP),
        path=request.path or "/",
        created_at=call.rooms.clock.now(),
    )
    try:
        await call.rooms.store.insert_entity(group, of_account_max=GROUPS_PER_ACCOUNT)
    except AlreadyExists:
        raise iam_refusals.already_exists("Group", request.group_name) from None
    except LimitReached:
        raise iam_refusals.limit_exceeded("GroupsPerAccount", GROUPS_PER_ACCOUNT) from None
    return shapes.CreateGroupResponse(group=render_group(call, group))


async def update_group(call: Call, request: shapes.UpdateGroupRequest) -> None:
    group = await require_entity(call, Group, request.group_name)
    name, path = request.new_group_name or group.name, request.new_path or group.path
    try:
        await call.rooms.store.update_entity(msgspec.structs.replace(group, name=name, path=path))
    except AlreadyExists:
        raise iam_refusals.already_exists("Group", name) from None


async def delete_group(call: Call, request: shapes.DeleteGroupRequest) -> None:
    group = await require_entity(call, Group, request.group_name)
    if group.attached_policies:
        raise iam_entity_refusals.must_detach_policies()
    if group.inline_policies:
        raise iam_entity_refusals.must_delete_policies()
    try:
        await call.rooms.store.delete_entity(group)
    except StillInUse:
        raise iam_refusals.memberships_first() from None


async def list_groups(call: Call, request: shapes.ListGroupsRequest) -> shapes.ListGroupsResponse:
    prefix = request.path_prefix or "/"
    limit = limit_of(request.max_items)
    after = await read_marker(call, "ListGroups", request.marker, prefix)
    found = await call.rooms.store.list_entities(Group, call.account_id, prefix, after, limit + 1)
    page = await make_page(call, "ListGroups", found, limit, lambda group: group.name, prefix)
    return shapes.ListGroupsResponse(
        groups=[render_group(call, group) for group in page.items],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


CREATE_GROUP = Operation(
    service="iam",
    name="CreateGroup",
    input=shapes.CreateGroupRequest,
    output=shapes.CreateGroupResponse,
    check=None,
    access=(EntityTarget("iam:CreateGroup", EntityKind.GROUP, "group_name", path="path"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("path", "group_name"),
    response_records=("group",),
    run=create_group,
)

UPDATE_GROUP = Operation(
    service="iam",
    name="UpdateGroup",
    input=shapes.UpdateGroupRequest,
    output=None,
    check=None,
    access=(
        EntityTarget("iam:UpdateGroup", EntityKind.GROUP, "group_name"),
        MovedEntityTarget("iam:UpdateGroup", EntityKind.GROUP, "group_name", "new_group_name", "new_path"),
    ),
    states=None,
    usage=None,
    read_only=False,
    records=records("group_name", "new_path", "new_group_name"),
    response_records=(),
    run=update_group,
)

DELETE_GROUP = Operation(
    service="iam",
    name="DeleteGroup",
    input=shapes.DeleteGroupRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:DeleteGroup", EntityKind.GROUP, "group_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("group_name"),
    response_records=(),
    run=delete_group,
)

LIST_GROUPS = Operation(
    service="iam",
    name="ListGroups",
    input=shapes.ListGroupsRequest,
    output=shapes.ListGroupsResponse,
    check=None,
    access=on_account("iam:ListGroups"),
    states=None,
    usage=None,
    read_only=True,
    records=records("path_prefix", "max_items"),
    response_records=(),
    run=list_groups,
)

OPERATIONS = (CREATE_GROUP, UPDATE_GROUP, DELETE_GROUP, LIST_GROUPS)
