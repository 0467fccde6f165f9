"""In which partition IAM and STS are asked, and for whom.

INVARIANT T5 of the road: the caller does not choose the partition in which IAM's ARNs are spelled. A Deny
that names arn:aws:iam::...:user/admin would not be about arn:aws-cn:iam::...:user/admin, the same user.
"""

from __future__ import annotations

from strongroom.aws import signature_refusals
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.operations.operation import NO_PERMISSION_NEEDED, Operation
from strongroom.operations.rules import Rules
from strongroom.resources.identifiers import Region, partition_of

_DEFAULT = frozenset({"aws"})


def iam_partitions(regions: frozenset[Region] | None, rules: Rules) -> frozenset[str] | None:
    """Those of the Regions that are served; None: any."""
    if regions is not None:
        return frozenset(map(partition_of, regions))
    # Where nobody signs (development), there is nothing to be dodged.
    return _DEFAULT if rules.require_policy_principals else None


def require_iam_may_be_asked(
    served: frozenset[str] | None, operation: Operation, authenticated: AuthenticatedRequest
) -> None:
    """What a service is trusted with must not become credentials that outlive the trust, so it does not
    call IAM for another; and what needs a permission is not asked in a partition not served.

    Raises: ApiError.
    """
    if operation.service == "iam" and authenticated.principal.forwarding is not None:
        raise signature_refusals.forwarding_to_iam()
    if served is None or operation.service == "kms" or operation.access == NO_PERMISSION_NEEDED:
        return
    if partition_of(authenticated.region) not in served:
        raise signature_refusals.wrong_scope([signature_refusals.region_sentence()])
