"""Inline policies of users, groups and roles: three times the same four operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import msgspec
from msgspec.structs import replace

from strongroom.authorization.iam_policy import parse_identity_policy
from strongroom.aws import iam_entity_refusals
from strongroom.aws.query_services import IAM
from strongroom.operations.context import Call
from strongroom.operations.entities import require_entity
from strongroom.operations.entity_pages import page_of
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.operation import Access, EntityTarget, Operation, records
from strongroom.operations.policy_sizes import require_inline_policy_sizes
from strongroom.resources.iam import EntityKind, Group, Role, User

Holder: TypeAlias = User | Group | Role
"""What has inline policies."""


@dataclass(frozen=True, slots=True)
class _HolderKind:
    """One kind, and by which member requests and answers name it."""

    noun: str
    type: type[User] | type[Group] | type[Role]
    kind: EntityKind
    member: str

    async def find(self, call: Call, request: Any) -> Holder:
        """Raises NoSuchEntity."""
        return cast(Holder, await require_entity(call, self.type, getattr(request, self.member)))


def _known_name(holder: Holder, name: str) -> str:
    """The name as it is kept: names are the same whatever their case. A new one as it is."""
    lower = name.lower()
    return next((known for known in holder.inline_policies if known.lower() == lower), name)


def _require_policy(of: _HolderKind, holder: Holder, name: str) -> str:
    """The name of an inline policy that is there. Raises ApiError NoSuchEntity."""
    known = _known_name(holder, name)
    if known not in holder.inline_policies:
        raise iam_entity_refusals.no_such_inline_policy(of.kind.value, name)
    return known


def _answer(name: str, **members: Any) -> msgspec.Struct:
    shape = IAM.operations[name][1]
    assert shape is not None  # noqa: S101
    return shape(**members)


def _operations(of: _HolderKind) -> tuple[Operation, ...]:
    put_name, get_name, delete_name = (f"{verb}{of.noun}Policy" for verb in ("Put", "Get", "Delete"))
    list_name = f"List{of.noun}Policies"

    async def put(call: Call, request: Any) -> None:
        holder = await of.find(call, request)
        parse_identity_policy(request.policy_document)
        name = _known_name(holder, request.policy_name)
        policies = {**holder.inline_policies, name: request.policy_document}
        require_inline_policy_sizes(of.kind, holder.name, policies.values())
        await call.rooms.store.update_entity(replace(holder, inline_policies=policies))

    async def get(call: Call, request: Any) -> msgspec.Struct:
        holder = await of.find(call, request)
        name = _require_policy(of, holder, request.policy_name)
        named = {of.member: holder.name}
        return _answer(get_name, policy_name=name, policy_document=holder.inline_policies[name], **named)

    async def delete(call: Call, request: Any) -> None:
        holder = await of.find(call, request)
        name = _require_policy(of, holder, request.policy_name)
        left = {known: text for known, text in holder.inline_policies.items() if known != name}
        await call.rooms.store.update_entity(replace(holder, inline_policies=left))

    async def list_policies(call: Call, request: Any) -> msgspec.Struct:
        holder = await of.find(call, request)
        names = sorted(holder.inline_policies)
        page = await page_of(
            call, list_name, request.marker, request.max_items, names, lambda name: name, holder.unique_id
        )
        return _answer(
            list_name, policy_names=list(page.items), is_truncated=page.is_truncated, marker=page.marker
        )

    def access(name: str) -> Access:
        return (EntityTarget(f"iam:{name}", of.kind, of.member),)

    return (
        iam_operation(
            put_name,
            access=access(put_name),
            read_only=False,
            records=records(of.member, "policy_name", "policy_document"),
            response_records=(),
            run=put,
        ),
        iam_operation(
            get_name,
            access=access(get_name),
            read_only=True,
            records=records(of.member, "policy_name"),
            response_records=(),
            run=get,
        ),
        iam_operation(
            delete_name,
            access=access(delete_name),
            read_only=False,
            records=records(of.member, "policy_name"),
            response_records=(),
            run=delete,
        ),
        iam_operation(
            list_name,
            access=access(list_name),
            read_only=True,
            records=records(of.member, "max_items", "marker"),
            response_records=(),
            run=list_policies,
        ),
    )


OPERATIONS = (
    *_operations(_HolderKind("User", User, EntityKind.USER, "user_name")),
    *_operations(_HolderKind("Group", Group, EntityKind.GROUP, "group_name")),
    *_operations(_HolderKind("Role", Role, EntityKind.ROLE, "role_name")),
)
