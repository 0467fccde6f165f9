"""ListEntitiesForPolicy: who has a managed policy, as permissions or as a boundary."""

from __future__ import annotations

from typing import Final

from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.aws.generated.iam_enums import EntityType, PolicyUsageType
from strongroom.operations.context import Call
from strongroom.operations.entity_pages import page_of
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import find_policy, kept_arn
from strongroom.operations.operation import EntityTarget, records
from strongroom.resources.iam import Entity, EntityKind, Group, Reference, Relation, Role, User

_KINDS: Final[dict[EntityKind, tuple[EntityType, type[Entity]]]] = {
    EntityKind.GROUP: (EntityType.GROUP, Group),
    EntityKind.ROLE: (EntityType.ROLE, Role),
    EntityKind.USER: (EntityType.USER, User),
}
_USES: Final = {
    None: (Relation.ATTACHED, Relation.BOUNDARY),
    PolicyUsageType.PERMISSIONS_POLICY: (Relation.ATTACHED,),
    PolicyUsageType.PERMISSIONS_BOUNDARY: (Relation.BOUNDARY,),
}


async def list_entities_for_policy(
    call: Call, request: iam_shapes.ListEntitiesForPolicyRequest
) -> iam_shapes.ListEntitiesForPolicyResponse:
    kept = kept_arn(call, request.policy_arn)
    if await find_policy(call, kept) is None:
        raise iam_entity_refusals.policy_not_attachable(request.policy_arn)
    references = await call.rooms.store.list_references_to(call.account_id, kept)
    found: dict[str, Reference] = {}  # an entity whose boundary is attached to it as well is one entity
    for reference in references:
        if await _is_wanted(call, request, reference):
            found[_place(reference)] = reference
    page = await page_of(
        call,
        "ListEntitiesForPolicy",
        request.marker,
        request.max_items,
        [found[place] for place in sorted(found)],
        _place,
        kept,
        request.entity_filter,
        request.policy_usage_filter,
        request.path_prefix,
    )
    of = {kind: [one for one in page.items if one.kind is kind] for kind in _KINDS}
    return iam_shapes.ListEntitiesForPolicyResponse(
        policy_groups=[
            iam_shapes.PolicyGroup(group_name=one.name, group_id=one.unique_id)
            for one in of[EntityKind.GROUP]
        ],
        policy_users=[
            iam_shapes.PolicyUser(user_name=one.name, user_id=one.unique_id) for one in of[EntityKind.USER]
        ],
        policy_roles=[
            iam_shapes.PolicyRole(role_name=one.name, role_id=one.unique_id) for one in of[EntityKind.ROLE]
        ],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


def _place(reference: Reference) -> str:
    return f"{reference.kind}/{reference.name.lower()}"


async def _is_wanted(
    call: Call, request: iam_shapes.ListEntitiesForPolicyRequest, reference: Reference
) -> bool:
    if reference.kind not in _KINDS or reference.relation not in _USES[request.policy_usage_filter]:
        return False
    name, kind = _KINDS[reference.kind]
    if request.entity_filter is not None and request.entity_filter is not name:
        return False
    if request.path_prefix in (None, "/"):
        return True
    entity = await call.rooms.store.find_entity_by_id(kind, reference.unique_id)
    return entity is not None and entity.path.startswith(request.path_prefix)


OPERATIONS = (
    iam_operation(
        "ListEntitiesForPolicy",
        access=(EntityTarget("iam:ListEntitiesForPolicy", EntityKind.POLICY, "policy_arn"),),
        read_only=True,
        records=records(
            "policy_arn", "entity_filter", "path_prefix", "policy_usage_filter", "max_items", "marker"
        ),
        response_records=(),
        run=list_entities_for_policy,
    ),
)
