"""Managed policies by their ARNs: as callers write them, as they are kept, as they are shown.

They are kept in the partition `aws` whatever the Region of the call; a caller's ARN must be of the partition
of the called Region (AWS's notice of November 2024: "The partition name must match").
"""

from __future__ import annotations

import re
from datetime import datetime

from strongroom.aws import iam_entity_refusals
from strongroom.operations.context import Call
from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES
from strongroom.resources.iam import EntityKind, ManagedPolicy, iam_arn
from strongroom.resources.identifiers import AccountId, partition_of

AWS_ACCOUNT = "aws"
"""What stands in the place of an account in the ARN of an AWS managed policy."""

_POLICY_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}|aws):policy(?P<path>/(?:[\x21-\x7e]+/)?)"
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


def is_aws_managed(kept: str) -> bool:
    """Whether the policy is AWS's, there or not."""
    return kept.startswith("arn:aws:iam::aws:")


async def find_policy(call: Call, kept: str) -> ManagedPolicy | None:
    """The caller's account's policy of exactly this ARN. Others' are not there for anyone."""
    account_id, _, resource = kept.removeprefix("arn:aws:iam::").partition(":")
    if account_id != call.account_id:
        return None
    policy = await call.rooms.store.find_entity(ManagedPolicy, AccountId(account_id), name_in(resource))
    return policy if policy is not None and kept_arn_of(policy) == kept else None


async def policy_exists(call: Call, kept: str) -> bool:
    """Whether the caller's account may attach it: its own, or AWS's."""
    return kept in AWS_MANAGED_POLICIES or await find_policy(call, kept) is not None


def kept_arn_of(policy: ManagedPolicy) -> str:
    """The ARN by which others refer to it."""
    return iam_arn(policy.account_id, EntityKind.POLICY, policy.path, policy.name)


def epoch(instant: datetime) -> float:
    """An instant as the shapes have it."""
    return instant.timestamp()


async def require_attachable_boundary(call: Call, arn: str) -> str:
    """The kept ARN of what is to be a permissions boundary. Raises ApiError InvalidInput, NoSuchEntity."""
    kept = kept_arn(call, arn)
    if not await policy_exists(call, kept):
        raise iam_entity_refusals.boundary_not_attachable(arn)
    return kept
