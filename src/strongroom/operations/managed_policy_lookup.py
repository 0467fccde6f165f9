"""Managed policies by their ARNs: as callers write them, as they are kept, as they are shown.

They are kept in the partition `aws` whatever the Region of the call; a caller's ARN must be of the partition
of the called Region (AWS's notice of November 2024: "The partition name must match"). A policy of another
account is not there for anyone.
"""

from __future__ import annotations

import re
from typing import Final

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.operations.context import Call
from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES, AWS_MANAGED_POLICY_FACTS
from strongroom.resources.iam import EntityKind, ManagedPolicy, PolicyVersion, iam_arn
from strongroom.resources.identifiers import AccountId, partition_of

AWS: Final = AccountId("aws")
"""What stands in the place of an account in the ARN of an AWS managed policy."""

_POLICY_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}|aws):policy(?P<path>/(?:[!-~]+/)?)"
    r"(?P<name>[A-Za-z0-9_+=,.@-]+)",
    re.ASCII,
)


def kept_arn(call: Call, arn: str) -> str:
    """The form in which attachments and boundaries keep a policy's ARN.

    Raises ApiError: ValidationError for what is no ARN, InvalidInput for one that is no policy's.
    """
    if not arn.startswith("arn:"):
        raise iam_entity_refusals.malformed_arn(arn)
    matched = _POLICY_ARN.fullmatch(arn)
    if matched is None or matched["partition"] != partition_of(call.region):
        raise iam_entity_refusals.wrong_arn(arn)
    return "arn:aws" + arn.removeprefix(f"arn:{matched['partition']}")


def shown_arn(call: Call, kept: str) -> str:
    """A kept ARN in the partition of the called Region."""
    return f"arn:{partition_of(call.region)}" + kept.removeprefix("arn:aws")


def name_in(kept: str) -> str:
    """The policy's name."""
    return kept.rpartition("/")[2]


def path_in(kept: str) -> str:
    """The policy's path, with a slash at both ends."""
    return kept.partition(":policy")[2].removesuffix(name_in(kept))


def kept_arn_of(policy: ManagedPolicy) -> str:
    """The ARN by which others refer to it."""
    return iam_arn(policy.account_id, EntityKind.POLICY, policy.path, policy.name)


def aws_managed_policy(kept: str) -> ManagedPolicy | None:
    """A policy of AWS, as if it were an account's."""
    text = AWS_MANAGED_POLICIES.get(kept)
    if text is None:
        return None
    facts = AWS_MANAGED_POLICY_FACTS[kept]
    return ManagedPolicy(
        account_id=AWS,
        name=name_in(kept),
        unique_id=facts.unique_id,
        path=path_in(kept),
        created_at=facts.created_at,
        description=facts.description,
        versions=(PolicyVersion(version_id=facts.version_id, text=text, created_at=facts.updated_at),),
        default_version_id=facts.version_id,
        updated_at=facts.updated_at,
    )


async def find_policy(call: Call, kept: str) -> ManagedPolicy | None:
    """The caller's account's policy of exactly this ARN, or AWS's."""
    if (of_aws := aws_managed_policy(kept)) is not None:
        return of_aws
    if not kept.startswith(f"arn:aws:iam::{call.account_id}:"):
        return None
    policy = await call.rooms.store.find_entity(ManagedPolicy, call.account_id, name_in(kept))
    return policy if policy is not None and kept_arn_of(policy) == kept else None


async def require_policy(call: Call, arn: str) -> ManagedPolicy:
    """To read it. Raises ApiError ValidationError, InvalidInput, NoSuchEntity."""
    policy = await find_policy(call, kept_arn(call, arn))
    if policy is None:
        raise iam_refusals.no_such_policy(arn)
    return policy


async def require_own_policy(call: Call, arn: str, action: str) -> ManagedPolicy:
    """To change it: AWS's are AWS's to change. Raises as `require_policy`, and AccessDenied."""
    policy = await require_policy(call, arn)
    require_own(call, policy, arn, action)
    return policy


def require_own(call: Call, policy: ManagedPolicy, arn: str, action: str) -> None:
    """Raises ApiError AccessDenied for a policy of AWS."""
    if policy.account_id == AWS:
        raise iam_entity_refusals.aws_managed(action, arn, call.principal.arn)


async def require_attachable(call: Call, arn: str) -> str:
    """The kept ARN of a policy that is to be attached. Raises ApiError, as `require_policy`."""
    kept = kept_arn(call, arn)
    if await find_policy(call, kept) is None:
        raise iam_entity_refusals.policy_not_attachable(arn)
    return kept


async def require_attachable_boundary(call: Call, arn: str) -> str:
    """The kept ARN of what is to be a permissions boundary. Raises ApiError, as `require_policy`."""
    kept = kept_arn(call, arn)
    if await find_policy(call, kept) is None:
        raise iam_entity_refusals.boundary_not_attachable(arn)
    return kept


def version_of(policy: ManagedPolicy, version_id: str) -> PolicyVersion | None:
    """The version, if the policy has it."""
    return next((one for one in policy.versions if one.version_id == version_id), None)
