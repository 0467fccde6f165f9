"""The key policy of a new key; CreateKey and ReplicateKey share the rule."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.authorization.key_policy import default_key_policy
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.policy_principals import judge_key_policy
from strongroom.resources.aws_managed_key import owned_key_policy
from strongroom.resources.identifiers import partition_of


async def policy_of_new_key(
    call: Call, arn: str, policy: str | None, *, bypass_lockout: bool
) -> tuple[str, Mapping[str, str]]:
    """The given key policy, if it is one and locks the caller not out; the default one if none is given.

    Of a service's own keys, the one that they all have. Also what its principals mean
    (`Key.policy_principals`). `arn` is the new key's, which is in the caller's account. Raises ApiError.
    """
    if call.principal.type is PrincipalType.AWS_SERVICE:
        return owned_key_policy(call.principal.arn), {}
    if policy is None:
        region = arn.split(":", 4)[3]
        return default_key_policy(call.account_id, partition_of(region)), {}
    return policy, await judge_key_policy(call, policy, arn, bypass_lockout=bypass_lockout)
