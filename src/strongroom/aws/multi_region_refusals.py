"""Every sentence that refuses a caller about multi-Region keys. Source tags as in refusals.py."""

from __future__ import annotations

from strongroom.aws.errors import ApiError
from strongroom.aws.refusals import unsupported_operation


def not_a_primary_key(key_arn: str) -> ApiError:
    """Only a multi-Region primary key is replicated or gives its role away."""
    return unsupported_operation(f"{key_arn} is not a multi-region primary key.")  # [LS]


def is_primary_region(key_arn: str) -> ApiError:
    """UpdatePrimaryRegion to the Region where the primary key is already."""
    return unsupported_operation(f"{key_arn} is already the multi-region primary key.")  # [nv]


def region_of_another_partition(region: str) -> ApiError:
    """A replica is in the partition of its primary; the rule is ReplicateKey's [M], the code its list's."""
    return unsupported_operation(f"Region {region} is not in the partition of the primary key.")  # [nv]


def region_not_served(region: str) -> ApiError:
    """KMS must be available in the replica Region [M]: a Region that this server does not serve is not."""
    return unsupported_operation(f"KMS is not available in Region {region}.")  # [nv]


def replica_exists(key_arn: str) -> ApiError:
    """The Region has a key of that id: the primary itself, or a replica in whatever state."""
    return ApiError("AlreadyExistsException", f"{key_arn} already exists.")  # [nv]; code in [M]
