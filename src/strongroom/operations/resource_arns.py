"""Which resource a permission is asked for, where that is not an existing KMS key."""

from __future__ import annotations

from typing import Any

from strongroom.operations.operation import AccountTarget, AliasTarget, NewKeyTarget
from strongroom.resources.identifiers import AccountId, Region, alias_arn, key_arn

ANY_KEY = "*"
"""In the place of the id of a key that does not exist yet: matched by `key/*`, by no single key's ARN."""


def resource_arn_of(
    target: AliasTarget | AccountTarget | NewKeyTarget, request: Any, account_id: AccountId, region: Region
) -> str | None:
    """The resource's ARN, or `*` for the account. None: the request needs no such permission.

    Sources: AWS KMS Developer Guide, "Controlling access to aliases"; CreateKey and ReplicateKey in the API
    reference, "Required permissions" (kms:TagResource in an IAM policy, to use Tags).
    """
    if isinstance(target, AccountTarget):
        return "*"
    if isinstance(target, AliasTarget):
        return alias_arn(region, account_id, getattr(request, target.member))
    if not getattr(request, target.given):
        return None
    if target.region is not None:
        region = Region(getattr(request, target.region))
    return key_arn(region, account_id, ANY_KEY)
