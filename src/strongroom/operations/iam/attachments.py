"""Which managed policies users, groups and roles have; the permissions boundaries of users and roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import msgspec
from msgspec.structs import replace

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.aws.query_services import IAM
from strongroom.operations.context import Call
from strongroom.operations.entities import require_entity
from strongroom.operations.entity_pages import numbered_page
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import (
    kept_arn,
    name_in,
    path_in,
    require_attachable,
    require_attachable_boundary,
    shown_arn,
)
from strongroom.operations.operation import Access, EntityTarget, Operation, records
from strongroom.resources.iam import EntityKind, Group, Role, User

ATTACHED_MAX: Final = 10
"""Managed policies of one entity. IAM User Guide, "IAM and AWS STS quotas"."""

Holder: TypeAlias = User | Group | Role
Bounded: TypeAlias = User | Role
"""What may have a permissions boundary."""


@dataclass(frozen=True, slots=True)
class _HolderKind:
    """One kind, and by which member requests name it."""

    noun: str
    type: type[User] | type[Group] | type[Role]
    kind: EntityKind
    member: str

    async def find(self, call: Call, request: Any) -> Holder:
        """Raises NoSuchEntity."""
        return cast(Holder, await require_entity(call, self.type, getattr(request, self.member)))

    def access(self, name: str) -> Access:
        """The permission of the operation's own name, on the entity."""
        return (EntityTarget(f"iam:{name}", self.kind, self.member),)


def _attachment_operations(of: _HolderKind) -> tuple[Operation, ...]:
    attach_name, detach_name = f"Attach{of.noun}Policy", f"Detach{of.noun}Policy"
    list_name = f"ListAttached{of.noun}Policies"

    async def attach(call: Call, request: Any) -> None:
        """What is attached already stays as it is."""
        holder = await of.find(call, request)
        kept = await require_attachable(call, request.policy_arn)
        if kept in holder.attached_policies:
            return
        if len(holder.attached_policies) >= ATTACHED_MAX:
            raise iam_entity_refusals.quota_exceeded(f"PoliciesPer{of.noun}", ATTACHED_MAX)
        attached = (*holder.attached_policies, kept)
        await call.rooms.store.update_entity(replace(holder, attached_policies=attached))

    async def detach(call: Call, request: Any) -> None:
        holder = await of.find(call, request)
        kept = kept_arn(call, request.policy_arn)
        if kept not in holder.attached_policies:
            raise iam_refusals.no_such_policy(request.policy_arn)
        left = tuple(arn for arn in holder.attached_policies if arn != kept)
        await call.rooms.store.update_entity(replace(holder, attached_policies=left))

    async def list_attached(call: Call, request: Any) -> msgspec.Struct:
        holder = await of.find(call, request)
        prefix = request.path_prefix or "/"
        wanted = [arn for arn in holder.attached_policies if path_in(arn).startswith(prefix)]
        page = await numbered_page(
            call, list_name, request.marker, request.max_items, wanted, holder.unique_id, prefix
        )
        shape = IAM.operations[list_name][1]
        assert shape is not None  # noqa: S101
        return shape(
            attached_policies=[
                iam_shapes.AttachedPolicy(policy_name=name_in(arn), policy_arn=shown_arn(call, arn))
                for arn in page.items
            ],
            is_truncated=page.is_truncated,
            marker=page.marker,
        )

    return (
        iam_operation(
            attach_name,
            access=of.access(attach_name),
            read_only=False,
            records=records(of.member, "policy_arn"),
            response_records=(),
            run=attach,
        ),
        iam_operation(
            detach_name,
            access=of.access(detach_name),
            read_only=False,
            records=records(of.member, "policy_arn"),
            response_records=(),
            run=detach,
        ),
        iam_operation(
            list_name,
            access=of.access(list_name),
            read_only=True,
            records=records(of.member, "path_prefix", "max_items", "marker"),
            response_records=(),
            run=list_attached,
        ),
    )


def _boundary_operations(of: _HolderKind) -> tuple[Operation, ...]:
    put_name, delete_name = f"Put{of.noun}PermissionsBoundary", f"Delete{of.noun}PermissionsBoundary"

    async def put(call: Call, request: Any) -> None:
        bounded = cast(Bounded, await of.find(call, request))
        boundary = await require_attachable_boundary(call, request.permissions_boundary)
        await call.rooms.store.update_entity(replace(bounded, permissions_boundary=boundary))

    async def delete(call: Call, request: Any) -> None:
        bounded = cast(Bounded, await of.find(call, request))
        if bounded.permissions_boundary is None:
            raise iam_entity_refusals.no_such_boundary(of.kind.value, bounded.name)
        await call.rooms.store.update_entity(replace(bounded, permissions_boundary=None))

    return (
        iam_operation(
            put_name,
            access=of.access(put_name),
            read_only=False,
            records=records(of.member, "permissions_boundary"),
            response_records=(),
            run=put,
        ),
        iam_operation(
            delete_name,
            access=of.access(delete_name),
            read_only=False,
            records=records(of.member),
            response_records=(),
            run=delete,
        ),
    )


_USER = _HolderKind("User", User, EntityKind.USER, "user_name")
_GROUP = _HolderKind("Group", Group, EntityKind.GROUP, "group_name")
_ROLE = _HolderKind("Role", Role, EntityKind.ROLE, "role_name")

OPERATIONS = (
    *_attachment_operations(_USER),
    *_attachment_operations(_GROUP),
    *_attachment_operations(_ROLE),
    *_boundary_operations(_USER),
    *_boundary_operations(_ROLE),
)
