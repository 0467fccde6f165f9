"""Tags of roles, policies and OIDC providers: three times the same three operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from strongroom.aws.query_services import IAM
from strongroom.operations.context import Call
from strongroom.operations.entities import require_entity
from strongroom.operations.entity_pages import numbered_page
from strongroom.operations.entity_tags import merge_tags, sorted_tags, without_tags
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import require_own_policy, require_policy
from strongroom.operations.oidc_provider_lookup import require_provider
from strongroom.operations.operation import EntityTarget, Operation, records
from strongroom.resources.iam import Entity, EntityKind, OidcProvider, Role


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A kind of entity, by which member it is named, and how it is found. Both raise NoSuchEntity."""

    noun: str
    kind: EntityKind
    member: str
    find: Callable[[Call, str], Awaitable[Entity]]
    find_to_change: Callable[[Call, str, str], Awaitable[Entity]]
    """Called with the permission, too."""


def _operations(of: _Tagged) -> tuple[Operation, ...]:
    async def tag(call: Call, request: Any) -> None:
        entity = await of.find_to_change(call, getattr(request, of.member), f"iam:Tag{of.noun}")
        tags = merge_tags(of.kind, entity.tags, request.tags)
        await call.rooms.store.update_entity(replace(entity, tags=tags))

    async def untag(call: Call, request: Any) -> None:
        entity = await of.find_to_change(call, getattr(request, of.member), f"iam:Untag{of.noun}")
        tags = without_tags(of.kind, entity.tags, request.tag_keys)
        await call.rooms.store.update_entity(replace(entity, tags=tags))

    async def list_tags(call: Call, request: Any) -> msgspec.Struct:
        entity = await of.find(call, getattr(request, of.member))
        listing = f"List{of.noun}Tags"
        page = await numbered_page(
            call, listing, request.marker, request.max_items, sorted_tags(entity.tags), entity.unique_id
        )
        answer = IAM.operations[listing][1]
        assert answer is not None  # noqa: S101
        return answer(tags=list(page.items), is_truncated=page.is_truncated, marker=page.marker)

    def access(name: str) -> tuple[EntityTarget, ...]:
        return (EntityTarget(f"iam:{name}", of.kind, of.member),)

    return (
        iam_operation(
            f"Tag{of.noun}",
            access=access(f"Tag{of.noun}"),
            read_only=False,
            records=records(of.member, "tags"),
            response_records=(),
            run=tag,
        ),
        iam_operation(
            f"Untag{of.noun}",
            access=access(f"Untag{of.noun}"),
            read_only=False,
            records=records(of.member, "tag_keys"),
            response_records=(),
            run=untag,
        ),
        iam_operation(
            f"List{of.noun}Tags",
            access=access(f"List{of.noun}Tags"),
            read_only=True,
            records=records(of.member, "max_items", "marker"),
            response_records=(),
            run=list_tags,
        ),
    )


async def _find_role(call: Call, name: str) -> Role:
    return await require_entity(call, Role, name)


async def _find_role_to_change(call: Call, name: str, _: str) -> Role:
    return await require_entity(call, Role, name)


async def _find_provider_to_change(call: Call, arn: str, _: str) -> OidcProvider:
    return await require_provider(call, arn)


OPERATIONS = (
    *_operations(_Tagged("Role", EntityKind.ROLE, "role_name", _find_role, _find_role_to_change)),
    *_operations(_Tagged("Policy", EntityKind.POLICY, "policy_arn", require_policy, require_own_policy)),
    *_operations(
        _Tagged(
            "OpenIDConnectProvider",
            EntityKind.OIDC_PROVIDER,
            "open_id_connect_provider_arn",
            require_provider,
            _find_provider_to_change,
        )
    ),
)
