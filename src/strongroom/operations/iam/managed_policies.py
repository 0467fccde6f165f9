"""Managed policies: made, shown, listed, deleted. Their versions: policy_versions.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.authorization.iam_policy import parse_managed_policy
from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.aws.generated.iam_enums import PolicyUsageType, policyScopeType
from strongroom.operations.context import Call
from strongroom.operations.entities import render_tags
from strongroom.operations.entity_pages import limit_of, make_page, read_marker
from strongroom.operations.entity_tags import merge_tags
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import (
    aws_managed_policy,
    kept_arn_of,
    require_own_policy,
    require_policy,
    shown_arn,
)
from strongroom.operations.operation import EntityTarget, on_account, records
from strongroom.operations.policy_sizes import require_managed_policy_size
from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES
from strongroom.resources.iam import (
    EntityKind,
    IdPrefix,
    ManagedPolicy,
    PolicyVersion,
    Relation,
    new_unique_id,
)
from strongroom.store.interface import AlreadyExists, LimitReached, StillInUse

POLICIES_MAX: Final = 1_500
"""Customer managed policies of an account. IAM User Guide, "IAM and AWS STS quotas"."""
FIRST_VERSION: Final = "v1"

_LOCAL: Final = "local/"
_OF_AWS: Final = "of-aws/"
"""What markers of ListPolicies begin with: an account's own policies are listed before AWS's."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often a policy is used in the caller's account."""

    attachments: int
    boundaries: int


async def _count(call: Call, policy: ManagedPolicy) -> _Counts:
    references = await call.rooms.store.list_references_to(call.account_id, kept_arn_of(policy))
    attachments = sum(one.relation is Relation.ATTACHED for one in references)
    return _Counts(attachments, sum(one.relation is Relation.BOUNDARY for one in references))


def _render(call: Call, policy: ManagedPolicy, counts: _Counts) -> iam_shapes.Policy:
    """What every answer shows of a policy."""
    return iam_shapes.Policy(
        policy_name=policy.name,
        policy_id=policy.unique_id,
        arn=shown_arn(call, kept_arn_of(policy)),
        path=policy.path,
        default_version_id=policy.default_version_id,
        attachment_count=counts.attachments,
        permissions_boundary_usage_count=counts.boundaries,
        is_attachable=True,
        create_date=policy.created_at.timestamp(),
        update_date=policy.updated_at.timestamp(),
    )


async def create_policy(
    call: Call, request: iam_shapes.CreatePolicyRequest
) -> iam_shapes.CreatePolicyResponse:
    parse_managed_policy(request.policy_document)
    require_managed_policy_size(request.policy_document)
    tags = merge_tags(EntityKind.POLICY, {}, request.tags)
    now = call.rooms.clock.now().replace(microsecond=0)
    version = PolicyVersion(version_id=FIRST_VERSION, text=request.policy_document, created_at=now)
    policy = ManagedPolicy(
        account_id=call.account_id,
        name=request.policy_name,
        unique_id=new_unique_id(IdPrefix.POLICY),
        path=request.path or "/",
        created_at=now,
        tags=tags,
        description=request.description or None,
        versions=(version,),
        default_version_id=FIRST_VERSION,
        updated_at=now,
    )
    try:
        await call.rooms.store.insert_entity(policy, of_account_max=POLICIES_MAX)
    except AlreadyExists:
        raise iam_entity_refusals.policy_already_exists(request.policy_name) from None
    except LimitReached:
        raise iam_entity_refusals.quota_exceeded("PoliciesPerAccount", POLICIES_MAX) from None
    shown = _render(call, policy, _Counts(0, 0))
    shown.tags = render_tags(policy.tags)
    return iam_shapes.CreatePolicyResponse(policy=shown)


async def get_policy(call: Call, request: iam_shapes.GetPolicyRequest) -> iam_shapes.GetPolicyResponse:
    policy = await require_policy(call, request.policy_arn)
    shown = _render(call, policy, await _count(call, policy))
    shown.description = policy.description
    shown.tags = render_tags(policy.tags) or []
    return iam_shapes.GetPolicyResponse(policy=shown)


async def delete_policy(call: Call, request: iam_shapes.DeletePolicyRequest) -> None:
    policy = await require_own_policy(call, request.policy_arn, "iam:DeletePolicy")
    if await call.rooms.store.list_references_to(call.account_id, kept_arn_of(policy)):
        raise iam_entity_refusals.policy_in_use()
    if len(policy.versions) > 1:
        raise iam_entity_refusals.policy_has_versions()
    try:
        await call.rooms.store.delete_entity(policy)
    except StillInUse:  # attached just now
        raise iam_entity_refusals.policy_in_use() from None


async def list_policies(
    call: Call, request: iam_shapes.ListPoliciesRequest
) -> iam_shapes.ListPoliciesResponse:
    scope = request.scope or policyScopeType.ALL
    prefix = request.path_prefix or "/"
    limit = limit_of(request.max_items)
    of = (scope, prefix, str(request.only_attached), request.policy_usage_filter)
    after = await read_marker(call, "ListPolicies", request.marker, *of)
    found: list[tuple[str, ManagedPolicy, _Counts]] = []
    if scope is not policyScopeType.AWS and (after is None or after.startswith(_LOCAL)):
        found += await _list_local(call, request, prefix, after, limit + 1)
    if scope is not policyScopeType.LOCAL and len(found) <= limit:
        found += await _list_of_aws(call, request, prefix, after)
    page = await make_page(call, "ListPolicies", found, limit, lambda one: one[0], *of)
    return iam_shapes.ListPoliciesResponse(
        policies=[_render(call, policy, counts) for _, policy, counts in page.items],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


async def _list_local(
    call: Call, request: iam_shapes.ListPoliciesRequest, prefix: str, after: str | None, wanted: int
) -> Sequence[tuple[str, ManagedPolicy, _Counts]]:
    found: list[tuple[str, ManagedPolicy, _Counts]] = []
    name = None if after is None else after.removeprefix(_LOCAL)
    while len(found) < wanted:
        policies = await call.rooms.store.list_entities(ManagedPolicy, call.account_id, prefix, name, wanted)
        for policy in policies:
            counts = await _count(call, policy)
            if _is_wanted(request, counts):
                found.append((_LOCAL + policy.name, policy, counts))
        if len(policies) < wanted:
            break
        name = policies[-1].name
    return found[:wanted]


async def _list_of_aws(
    call: Call, request: iam_shapes.ListPoliciesRequest, prefix: str, after: str | None
) -> Sequence[tuple[str, ManagedPolicy, _Counts]]:
    found = []
    for kept in sorted(AWS_MANAGED_POLICIES):
        policy = aws_managed_policy(kept)
        assert policy is not None  # noqa: S101
        place = _OF_AWS + policy.name
        is_behind = after is not None and after.startswith(_OF_AWS) and place <= after
        if is_behind or not policy.path.startswith(prefix):
            continue
        counts = await _count(call, policy)
        if _is_wanted(request, counts):
            found.append((place, policy, counts))
    return sorted(found, key=lambda one: one[0])


def _is_wanted(request: iam_shapes.ListPoliciesRequest, counts: _Counts) -> bool:
    """OnlyAttached and PolicyUsageFilter: without the latter, either use counts as attached."""
    match request.policy_usage_filter:
        case PolicyUsageType.PERMISSIONS_POLICY:
            used = counts.attachments
        case PolicyUsageType.PERMISSIONS_BOUNDARY:
            used = counts.boundaries
        case None:
            used = counts.attachments + counts.boundaries
            return bool(used) or not request.only_attached
    return bool(used)


OPERATIONS = (
    iam_operation(
        "CreatePolicy",
        access=(
            EntityTarget("iam:CreatePolicy", EntityKind.POLICY, "policy_name", path="path"),
            EntityTarget("iam:TagPolicy", EntityKind.POLICY, "policy_name", path="path", given="tags"),
        ),
        read_only=False,
        records=records("policy_name", "path", "policy_document", "description", "tags"),
        response_records=("policy",),
        run=create_policy,
    ),
    iam_operation(
        "GetPolicy",
        access=(EntityTarget("iam:GetPolicy", EntityKind.POLICY, "policy_arn"),),
        read_only=True,
        records=records("policy_arn"),
        response_records=(),
        run=get_policy,
    ),
    iam_operation(
        "DeletePolicy",
        access=(EntityTarget("iam:DeletePolicy", EntityKind.POLICY, "policy_arn"),),
        read_only=False,
        records=records("policy_arn"),
        response_records=(),
        run=delete_policy,
    ),
    iam_operation(
        "ListPolicies",
        access=on_account("iam:ListPolicies"),
        read_only=True,
        records=records(
            "scope", "only_attached", "path_prefix", "policy_usage_filter", "max_items", "marker"
        ),
        response_records=(),
        run=list_policies,
    ),
)
