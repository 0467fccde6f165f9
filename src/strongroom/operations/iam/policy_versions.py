"""The versions of managed policies: at most five, never renumbered, one of them in force."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from strongroom.authorization.iam_policy import parse_managed_policy
from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.operations.context import Call
from strongroom.operations.entity_pages import page_of
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.managed_policy_lookup import (
    find_policy,
    kept_arn,
    require_own,
    require_own_policy,
    require_policy,
    version_of,
)
from strongroom.operations.operation import Access, EntityTarget, records
from strongroom.operations.policy_sizes import require_managed_policy_size
from strongroom.resources.iam import EntityKind, ManagedPolicy, PolicyVersion

VERSIONS_MAX: Final = 5


def _render(policy: ManagedPolicy, version: PolicyVersion, *, document: bool) -> iam_shapes.PolicyVersion:
    return iam_shapes.PolicyVersion(
        document=version.text if document else None,
        version_id=version.version_id,
        is_default_version=version.version_id == policy.default_version_id,
        create_date=version.created_at.timestamp(),
    )


async def _require_version(call: Call, arn: str, version_id: str) -> tuple[ManagedPolicy, PolicyVersion]:
    """Raises ApiError NoSuchEntity, with one sentence for a policy and a version that are not there. [LS]"""
    policy = await find_policy(call, kept_arn(call, arn))
    version = None if policy is None else version_of(policy, version_id)
    if policy is None or version is None:
        raise iam_entity_refusals.policy_version_not_there(arn, version_id)
    return policy, version


async def create_policy_version(
    call: Call, request: iam_shapes.CreatePolicyVersionRequest
) -> iam_shapes.CreatePolicyVersionResponse:
    policy = await require_own_policy(call, request.policy_arn, "iam:CreatePolicyVersion")
    parse_managed_policy(request.policy_document)
    require_managed_policy_size(request.policy_document)
    if len(policy.versions) >= VERSIONS_MAX:
        raise iam_entity_refusals.too_many_versions()
    number = policy.last_version_number + 1
    now = call.rooms.clock.now().replace(microsecond=0)
    version = PolicyVersion(version_id=f"v{number}", text=request.policy_document, created_at=now)
    changed = await call.rooms.store.update_entity(
        replace(
            policy,
            versions=(*policy.versions, version),
            default_version_id=version.version_id if request.set_as_default else policy.default_version_id,
            last_version_number=number,
            updated_at=now,
        )
    )
    return iam_shapes.CreatePolicyVersionResponse(policy_version=_render(changed, version, document=False))


async def get_policy_version(
    call: Call, request: iam_shapes.GetPolicyVersionRequest
) -> iam_shapes.GetPolicyVersionResponse:
    policy, version = await _require_version(call, request.policy_arn, request.version_id)
    return iam_shapes.GetPolicyVersionResponse(policy_version=_render(policy, version, document=True))


async def list_policy_versions(
    call: Call, request: iam_shapes.ListPolicyVersionsRequest
) -> iam_shapes.ListPolicyVersionsResponse:
    """The newest first. [LS]"""
    policy = await require_policy(call, request.policy_arn)
    page = await page_of(
        call,
        "ListPolicyVersions",
        request.marker,
        request.max_items,
        reversed(policy.versions),
        lambda version: f"{10**9 - int(version.version_id[1:]):010}",
        policy.unique_id,
    )
    return iam_shapes.ListPolicyVersionsResponse(
        versions=[_render(policy, version, document=False) for version in page.items],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


async def delete_policy_version(call: Call, request: iam_shapes.DeletePolicyVersionRequest) -> None:
    policy, version = await _require_version(call, request.policy_arn, request.version_id)
    require_own(call, policy, request.policy_arn, "iam:DeletePolicyVersion")
    if version.version_id == policy.default_version_id:
        raise iam_entity_refusals.default_version()
    left = tuple(one for one in policy.versions if one is not version)
    await call.rooms.store.update_entity(replace(policy, versions=left))


async def set_default_policy_version(call: Call, request: iam_shapes.SetDefaultPolicyVersionRequest) -> None:
    policy, version = await _require_version(call, request.policy_arn, request.version_id)
    require_own(call, policy, request.policy_arn, "iam:SetDefaultPolicyVersion")
    now = call.rooms.clock.now().replace(microsecond=0)
    await call.rooms.store.update_entity(
        replace(policy, default_version_id=version.version_id, updated_at=now)
    )


def _on_policy(action: str) -> Access:
    return (EntityTarget(f"iam:{action}", EntityKind.POLICY, "policy_arn"),)


OPERATIONS = (
    iam_operation(
        "CreatePolicyVersion",
        access=_on_policy("CreatePolicyVersion"),
        read_only=False,
        records=records("policy_arn", "policy_document", "set_as_default"),
        response_records=("policy_version",),
        run=create_policy_version,
    ),
    iam_operation(
        "GetPolicyVersion",
        access=_on_policy("GetPolicyVersion"),
        read_only=True,
        records=records("policy_arn", "version_id"),
        response_records=(),
        run=get_policy_version,
    ),
    iam_operation(
        "ListPolicyVersions",
        access=_on_policy("ListPolicyVersions"),
        read_only=True,
        records=records("policy_arn", "max_items", "marker"),
        response_records=(),
        run=list_policy_versions,
    ),
    iam_operation(
        "DeletePolicyVersion",
        access=_on_policy("DeletePolicyVersion"),
        read_only=False,
        records=records("policy_arn", "version_id"),
        response_records=(),
        run=delete_policy_version,
    ),
    iam_operation(
        "SetDefaultPolicyVersion",
        access=_on_policy("SetDefaultPolicyVersion"),
        read_only=False,
        records=records("policy_arn", "version_id"),
        response_records=(),
        run=set_default_policy_version,
    ),
)
