"""ARNs of managed policies: kept in the partition `aws`, shown in that of the called Region."""

from __future__ import annotations

import re

from strongroom.aws import iam_entity_refusals
from strongroom.operations.context import Call
from strongroom.resources.identifiers import partition_of

_POLICY_ARN = re.compile(
    r"arn:(?:aws|aws-cn|aws-us-gov)(:iam::(aws|[0-9]{12}):policy(?:/[!-~]+)?/[A-Za-z0-9+=,.@_-]+)"
)
_KEPT_PARTITION = "arn:aws"
_OF_AWS = "aws"


def kept_policy_arn(arn: str) -> str:
    """The ARN as references and the store have it. Raises ValidationError for what is no policy's ARN."""
    match = _POLICY_ARN.fullmatch(arn)
    if match is None:
        raise iam_entity_refusals.malformed_arn(arn)
    return _KEPT_PARTITION + match[1]


def shown_policy_arn(arn: str, region: str) -> str:
    """A kept ARN as a caller in that Region reads it."""
    return f"arn:{partition_of(region)}{arn.removeprefix(_KEPT_PARTITION)}"


async def require_boundary(call: Call, arn: str | None) -> str | None:
    """A permissions boundary as it is kept: AWS's policy or one of the caller's account.

    Raises ValidationError, NoSuchEntity.
    """
    if arn is None:
        return None
    kept = kept_policy_arn(arn)
    owner = kept.split(":")[4]
    if owner not in (_OF_AWS, call.account_id) or await call.rooms.store.find_policy_text(kept) is None:
        raise iam_entity_refusals.boundary_not_attachable(arn)
    return kept
