"""IAM users: made, read, renamed, listed, deleted.

A user keeps its unique id, policies, groups and access keys when it is renamed or moved; its ARN changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import named_or_calling_user, render_user, require_entity
from strongroom.operations.entity_pages import limit_of, make_page, read_marker
from strongroom.operations.entity_tags import merge_tags
from strongroom.operations.iam_quotas import USERS_PER_ACCOUNT
from strongroom.operations.managed_policy_lookup import require_attachable_boundary
from strongroom.operations.operation import (
    EntityTarget,
    MovedEntityTarget,
    Operation,
    on_account,
    records,
)
from strongroom.resources.iam import EntityKind, IdPrefix, User, new_unique_id
from strongroom.store.interface import AlreadyExists, ConcurrentChange, LimitReached, StillInUse

_ABSENT: Any = None
"""What AWS leaves out of the root's answer, though its model requires it (grycap/scar pull request 181)."""
_UNKNOWN_BEGINNING = datetime.fromtimestamp(0, UTC)


def check_create_user(request: shapes.CreateUserRequest) -> None:
    """Raises InvalidInput."""
    merge_tags(EntityKind.USER, {}, request.tags)


async def create_user(call: Call, request: shapes.CreateUserRequest) -> shapes.CreateUserResponse:
    boundary = None
    if request.permissions_boundary is not None:
        boundary = await require_attachable_boundary(call, request.permissions_boundary)
    user = User(
        account_id=call.account_id,
        name=request.user_name,
        unique_id=new_unique_id(IdPrefix.USER),
        path=request.path or "/",
        created_at=call.rooms.clock.now(),
        tags=merge_tags(EntityKind.USER, {}, request.tags),
        permissions_boundary=boundary,
    )
    try:
        await call.rooms.store.insert_entity(user, of_account_max=USERS_PER_ACCOUNT)
    except AlreadyExists:
        raise iam_refusals.already_exists("User", request.user_name) from None
    except LimitReached:
        raise iam_refusals.limit_exceeded("UsersPerAccount", USERS_PER_ACCOUNT) from None
    return shapes.CreateUserResponse(user=render_user(call, user, is_whole=True))


async def get_user(call: Call, request: shapes.GetUserRequest) -> shapes.GetUserResponse:
    user = await named_or_calling_user(call, request.user_name)
    if user is not None:
        return shapes.GetUserResponse(user=render_user(call, user, is_whole=True))
    account = await call.rooms.store.find_account(call.account_id)
    created_at = _UNKNOWN_BEGINNING if account is None else account.created_at
    root = shapes.User(
        path=_ABSENT,
        user_name=_ABSENT,
        user_id=call.account_id,
        arn=call.principal.arn,
        create_date=created_at.timestamp(),
    )
    return shapes.GetUserResponse(user=root)


async def update_user(call: Call, request: shapes.UpdateUserRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    name, path = request.new_user_name or user.name, request.new_path or user.path
    try:
        await call.rooms.store.update_entity(msgspec.structs.replace(user, name=name, path=path))
    except AlreadyExists:
        raise iam_refusals.already_exists("User", name) from None


async def delete_user(call: Call, request: shapes.DeleteUserRequest) -> None:
    user = await require_entity(call, User, request.user_name)
    if user.groups:
        raise iam_refusals.memberships_first()
    if user.attached_policies:
        raise iam_entity_refusals.must_detach_policies()
    if user.inline_policies:
        raise iam_entity_refusals.must_delete_policies()
    if await call.rooms.store.list_access_keys(call.account_id, user.unique_id):
        raise iam_refusals.access_keys_first()
    try:
        await call.rooms.store.delete_entity(user)
    except StillInUse:  # an access key was made meanwhile
        raise ConcurrentChange("the user is in use again") from None


async def list_users(call: Call, request: shapes.ListUsersRequest) -> shapes.ListUsersResponse:
    prefix = request.path_prefix or "/"
    limit = limit_of(request.max_items)
    after = await read_marker(call, "ListUsers", request.marker, prefix)
    found = await call.rooms.store.list_entities(User, call.account_id, prefix, after, limit + 1)
    page = await make_page(call, "ListUsers", found, limit, lambda user: user.name, prefix)
    return shapes.ListUsersResponse(
        users=[render_user(call, user, is_whole=False) for user in page.items],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


CREATE_USER = Operation(
    service="iam",
    name="CreateUser",
    input=shapes.CreateUserRequest,
    output=shapes.CreateUserResponse,
    check=check_create_user,
    access=(
        EntityTarget("iam:CreateUser", EntityKind.USER, "user_name", path="path"),
        EntityTarget("iam:TagUser", EntityKind.USER, "user_name", path="path", given="tags"),
    ),
    states=None,
    usage=None,
    read_only=False,
    records=records("path", "user_name", "permissions_boundary", "tags"),
    response_records=("user",),
    run=create_user,
)

GET_USER = Operation(
    service="iam",
    name="GetUser",
    input=shapes.GetUserRequest,
    output=shapes.GetUserResponse,
    check=None,
    access=(EntityTarget("iam:GetUser", EntityKind.USER, "user_name", is_caller_if_absent=True),),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name"),
    response_records=(),
    run=get_user,
)

UPDATE_USER = Operation(
    service="iam",
    name="UpdateUser",
    input=shapes.UpdateUserRequest,
    output=None,
    check=None,
    access=(
        EntityTarget("iam:UpdateUser", EntityKind.USER, "user_name"),
        MovedEntityTarget("iam:UpdateUser", EntityKind.USER, "user_name", "new_user_name", "new_path"),
    ),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name", "new_path", "new_user_name"),
    response_records=(),
    run=update_user,
)

DELETE_USER = Operation(
    service="iam",
    name="DeleteUser",
    input=shapes.DeleteUserRequest,
    output=None,
    check=None,
    access=(EntityTarget("iam:DeleteUser", EntityKind.USER, "user_name"),),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name"),
    response_records=(),
    run=delete_user,
)

LIST_USERS = Operation(
    service="iam",
    name="ListUsers",
    input=shapes.ListUsersRequest,
    output=shapes.ListUsersResponse,
    check=None,
    access=on_account("iam:ListUsers"),
    states=None,
    usage=None,
    read_only=True,
    records=records("path_prefix", "max_items"),
    response_records=(),
    run=list_users,
)

OPERATIONS = (CREATE_USER, GET_USER, UPDATE_USER, DELETE_USER, LIST_USERS)
