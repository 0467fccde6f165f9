"""Which users are in which IAM groups.

Adding a user who is there and removing one who is not are no errors: cloud-custodian/cloud-custodian pull
request 4730, seen of AWS. Where both names are unknown, the user's is told (LocalStack's
test_iam_groups.snapshot.json, recorded from AWS).
"""

from __future__ import annotations

import msgspec

from strongroom.aws import iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import render_group, render_user, require_entity
from strongroom.operations.entity_pages import page_of
from strongroom.operations.iam_quotas import GROUPS_PER_USER
from strongroom.operations.operation import EntityTarget, Operation, records
from strongroom.resources.iam import EntityKind, Group, Relation, User


async def add_user_to_group(call: Call, request: shapes.AddUserToGroupRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    group = await require_entity(call, Group, request.group_name)
    if group.unique_id in user.groups:
        return
    if len(user.groups) >= GROUPS_PER_USER:
        raise iam_refusals.limit_exceeded("GroupsPerUser", GROUPS_PER_USER)
    groups = (*user.groups, group.unique_id)
    await call.rooms.store.update_entity(msgspec.structs.replace(user, groups=groups))


async def remove_user_from_group(call: Call, request: shapes.RemoveUserFromGroupRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    group = await require_entity(call, Group, request.group_name)
    if group.unique_id not in user.groups:
        return
    groups = tuple(one for one in user.groups if one != group.unique_id)
    await call.rooms.store.update_entity(msgspec.structs.replace(user, groups=groups))


async def get_group(call: Call, request: shapes.GetGroupRequest) -> shapes.GetGroupResponse:
    group = await require_entity(call, Group, request.group_name)
    store = call.rooms.store
    members = [
        reference
        for reference in await store.list_references_to(call.account_id, group.unique_id)
        if reference.relation is Relation.MEMBER
    ]
    page = await page_of(
        call,
        "GetGroup",
        request.marker,
        request.max_items,
        sorted(members, key=lambda member: member.name.lower()),
        lambda member: member.name.lower(),
        group.unique_id,
    )
    users = [await store.find_entity_by_id(User, member.unique_id) for member in page.items]
    return shapes.GetGroupResponse(
        group=render_group(call, group),
        users=[render_user(call, user, is_whole=False) for user in users if user is not None],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


async def list_groups_for_user(
    call: Call, request: shapes.ListGroupsForUserRequest
) -> shapes.ListGroupsForUserResponse:
    user = await require_entity(call, User, request.user_name)
    found = [await call.rooms.store.find_entity_by_id(Group, one) for one in user.groups]
    groups = [group for group in found if group is not None]
    page = await page_of(
        call,
        "ListGroupsForUser",
        request.marker,
        request.max_items,
        sorted(groups, key=lambda group: group.name.lower()),
        lambda group: group.name.lower(),
        user.unique_id,
    )
    return shapes.ListGroupsForUserResponse(
        groups=[render_group(call, group) for group in page.items],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


ADD_USER_TO_GROUP = Operation(
    service="iam",
    name="AddUserToGroup",
    input=shapes.AddUserToGroupRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:AddUserToGroup", EntityKind.GROUP, "group_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("group_name", "user_name"),
    response_records=(),
    run=add_user_to_group,
)

REMOVE_USER_FROM_GROUP = Operation(
    service="iam",
    name="RemoveUserFromGroup",
    input=shapes.RemoveUserFromGroupRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:RemoveUserFromGroup", EntityKind.GROUP, "group_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("group_name", "user_name"),
    response_records=(),
    run=remove_user_from_group,
)

GET_GROUP = Operation(
    service="iam",
    name="GetGroup",
    input=shapes.GetGroupRequest,
    output=shapes.GetGroupResponse,
    check=None,
    access=(EntityTarget("iam:GetGroup", EntityKind.GROUP, "group_name"),),
    states=None,
    usage=None,
    read_only=True,
    records=records("group_name", "max_items"),
    response_records=(),
    run=get_group,
)

LIST_GROUPS_FOR_USER = Operation(
    service="iam",
    name="ListGroupsForUser",
    input=shapes.ListGroupsForUserRequest,
    output=shapes.ListGroupsForUserResponse,
    check=None,
    access=(EntityTarget("iam:ListGroupsForUser", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_groups_for_user,
)

OPERATIONS = (ADD_USER_TO_GROUP, REMOVE_USER_FROM_GROUP, GET_GROUP, LIST_GROUPS_FOR_USER)
