"""IAM roles: made, shown, changed, deleted.

What each answer shows of a role is what AWS's answers recorded in February 2026 show
(aws/iam_entity_refusals.py, [LS]): CreateRole neither description nor session duration, only GetRole the
last use, ListRoles neither tags nor boundary.
"""

from __future__ import annotations

from typing import Final, cast

from msgspec.structs import replace

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.aws.generated.iam_enums import PermissionsBoundaryAttachmentType
from strongroom.operations.context import Call
from strongroom.operations.entities import arn_of, render_tags, require_entity
from strongroom.operations.entity_pages import limit_of, make_page, page_of, read_marker
from strongroom.operations.entity_tags import merge_tags
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import require_attachable_boundary, shown_arn
from strongroom.operations.operation import EntityTarget, on_account, records
from strongroom.operations.trust_policies import judge_trust_policy, render_trust_policy
from strongroom.resources.iam import EntityKind, IdPrefix, Role, new_unique_id
from strongroom.store.interface import AlreadyExists, LimitReached

ROLES_MAX: Final = 1_000
"""Of an account. IAM User Guide, "IAM and AWS STS quotas"."""
SESSION_SECONDS_DEFAULT: Final = 3_600

_BOUNDARY_TYPE: Final = cast(PermissionsBoundaryAttachmentType, "Policy")
"""What AWS answers; its model says PermissionsBoundaryPolicy. awsdocs/iam-user-guide#82."""


async def _render(call: Call, role: Role) -> iam_shapes.Role:
    """What every answer shows of a role."""
    return iam_shapes.Role(
        path=role.path,
        role_name=role.name,
        role_id=role.unique_id,
        arn=arn_of(call, role),
        create_date=role.created_at.timestamp(),
        assume_role_policy_document=await render_trust_policy(call, role),
    )


def _render_boundary(call: Call, role: Role) -> iam_shapes.AttachedPermissionsBoundary | None:
    if role.permissions_boundary is None:
        return None
    return iam_shapes.AttachedPermissionsBoundary(
        permissions_boundary_type=_BOUNDARY_TYPE,
        permissions_boundary_arn=shown_arn(call, role.permissions_boundary),
    )


async def create_role(call: Call, request: iam_shapes.CreateRoleRequest) -> iam_shapes.CreateRoleResponse:
    trust_principals = await judge_trust_policy(call, request.assume_role_policy_document)
    tags = merge_tags(EntityKind.ROLE, {}, request.tags)
    boundary = None
    if request.permissions_boundary is not None:
        boundary = await require_attachable_boundary(call, request.permissions_boundary)
    role = Role(
        account_id=call.account_id,
        name=request.role_name,
        unique_id=new_unique_id(IdPrefix.ROLE),
        path=request.path or "/",
        created_at=call.rooms.clock.now().replace(microsecond=0),
        tags=tags,
        trust_policy=request.assume_role_policy_document,
        trust_principals=trust_principals,
        description=request.description or None,
        max_session_seconds=request.max_session_duration or SESSION_SECONDS_DEFAULT,
        permissions_boundary=boundary,
    )
    try:
        await call.rooms.store.insert_entity(role, of_account_max=ROLES_MAX)
    except AlreadyExists:
        raise iam_refusals.already_exists("Role", request.role_name) from None
    except LimitReached:
        raise iam_entity_refusals.quota_exceeded("RolesPerAccount", ROLES_MAX) from None
    shown = await _render(call, role)
    shown.permissions_boundary = _render_boundary(call, role)
    shown.tags = render_tags(role.tags)
    return iam_shapes.CreateRoleResponse(role=shown)


async def get_role(call: Call, request: iam_shapes.GetRoleRequest) -> iam_shapes.GetRoleResponse:
    role = await require_entity(call, Role, request.role_name)
    shown = await _render(call, role)
    shown.description = role.description
    shown.max_session_duration = role.max_session_seconds
    shown.permissions_boundary = _render_boundary(call, role)
    shown.tags = render_tags(role.tags)
    shown.role_last_used = iam_shapes.RoleLastUsed()
    return iam_shapes.GetRoleResponse(role=shown)


async def list_roles(call: Call, request: iam_shapes.ListRolesRequest) -> iam_shapes.ListRolesResponse:
    prefix = request.path_prefix or "/"
    limit = limit_of(request.max_items)
    after = await read_marker(call, "ListRoles", request.marker, prefix)
    found = await call.rooms.store.list_entities(Role, call.account_id, prefix, after, limit + 1)
    page = await make_page(call, "ListRoles", found, limit, lambda role: role.name, prefix)
    roles = []
    for role in page.items:
        shown = await _render(call, role)
        shown.description = role.description
        shown.max_session_duration = role.max_session_seconds
        roles.append(shown)
    return iam_shapes.ListRolesResponse(roles=roles, is_truncated=page.is_truncated, marker=page.marker)


async def update_role(call: Call, request: iam_shapes.UpdateRoleRequest) -> iam_shapes.UpdateRoleResponse:
    """A member that is absent leaves what there is. [LS]; the documentation says that an absent
    MaxSessionDuration becomes an hour."""
    role = await require_entity(call, Role, request.role_name)
    changed = replace(
        role,
        description=role.description if request.description is None else request.description or None,
        max_session_seconds=request.max_session_duration or role.max_session_seconds,
    )
    await call.rooms.store.update_entity(changed)
    return iam_shapes.UpdateRoleResponse()


async def update_role_description(
    call: Call, request: iam_shapes.UpdateRoleDescriptionRequest
) -> iam_shapes.UpdateRoleDescriptionResponse:
    role = await require_entity(call, Role, request.role_name)
    changed = await call.rooms.store.update_entity(replace(role, description=request.description or None))
    shown = await _render(call, changed)
    shown.description = changed.description
    return iam_shapes.UpdateRoleDescriptionResponse(role=shown)


async def update_assume_role_policy(call: Call, request: iam_shapes.UpdateAssumeRolePolicyRequest) -> None:
    role = await require_entity(call, Role, request.role_name)
    trust_principals = await judge_trust_policy(call, request.policy_document)
    await call.rooms.store.update_entity(
        replace(role, trust_policy=request.policy_document, trust_principals=trust_principals)
    )


async def delete_role(call: Call, request: iam_shapes.DeleteRoleRequest) -> None:
    role = await require_entity(call, Role, request.role_name)
    if role.attached_policies:
        raise iam_entity_refusals.must_detach_policies()
    if role.inline_policies:
        raise iam_entity_refusals.must_delete_policies()
    await call.rooms.store.delete_entity(role)


async def list_instance_profiles_for_role(
    call: Call, request: iam_shapes.ListInstanceProfilesForRoleRequest
) -> iam_shapes.ListInstanceProfilesForRoleResponse:
    """None: there are no instances here. Terraform asks before it deletes a role."""
    role = await require_entity(call, Role, request.role_name)
    none: list[iam_shapes.InstanceProfile] = []
    page = await page_of(
        call,
        "ListInstanceProfilesForRole",
        request.marker,
        request.max_items,
        none,
        lambda profile: profile.instance_profile_name,
        role.unique_id,
    )
    return iam_shapes.ListInstanceProfilesForRoleResponse(
        instance_profiles=list(page.items), is_truncated=page.is_truncated
    )


def _on_role(action: str) -> tuple[EntityTarget, ...]:
    return (EntityTarget(f"iam:{action}", EntityKind.ROLE, "role_name"),)


OPERATIONS = (
    iam_operation(
        "CreateRole",
        access=(
            EntityTarget("iam:CreateRole", EntityKind.ROLE, "role_name", path="path"),
            EntityTarget("iam:TagRole", EntityKind.ROLE, "role_name", path="path", given="tags"),
        ),
        read_only=False,
        records=records(
            "path",
            "role_name",
            "assume_role_policy_document",
            "description",
            "max_session_duration",
            "permissions_boundary",
            "tags",
        ),
        response_records=("role",),
        run=create_role,
    ),
    iam_operation(
        "GetRole",
        access=_on_role("GetRole"),
        read_only=True,
        records=records("role_name"),
        response_records=(),
        run=get_role,
    ),
    iam_operation(
        "ListRoles",
        access=on_account("iam:ListRoles"),
        read_only=True,
        records=records("path_prefix", "max_items", "marker"),
        response_records=(),
        run=list_roles,
    ),
    iam_operation(
        "UpdateRole",
        access=_on_role("UpdateRole"),
        read_only=False,
        records=records("role_name", "description", "max_session_duration"),
        response_records=(),
        run=update_role,
    ),
    iam_operation(
        "UpdateRoleDescription",
        access=_on_role("UpdateRoleDescription"),
        read_only=False,
        records=records("role_name", "description"),
        response_records=("role",),
        run=update_role_description,
    ),
    iam_operation(
        "UpdateAssumeRolePolicy",
        access=_on_role("UpdateAssumeRolePolicy"),
        read_only=False,
        records=records("role_name", "policy_document"),
        response_records=(),
        run=update_assume_role_policy,
    ),
    iam_operation(
        "DeleteRole",
        access=_on_role("DeleteRole"),
        read_only=False,
        records=records("role_name"),
        response_records=(),
        run=delete_role,
    ),
    iam_operation(
        "ListInstanceProfilesForRole",
        access=_on_role("ListInstanceProfilesForRole"),
        read_only=True,
        records=records("role_name", "max_items", "marker"),
        response_records=(),
        run=list_instance_profiles_for_role,
    ),
)
