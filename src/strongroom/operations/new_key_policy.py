"""The key policy of a new key; CreateKey and ReplicateKey share the rule."""

from __future__ import annotations

from strongroom.authorization.key_policy import check_lockout, default_key_policy, parse_policy
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.resources.identifiers import partition_of


def policy_of_new_key(
    principal: AuthenticatedPrincipal, arn: str, policy: str | None, *, bypass_lockout: bool
) -> str:
    """The given key policy, if it is one and locks the caller not out; the default one if none is given.

    `arn` is the new key's, which is in the caller's account. Raises ApiError.
    """
    if policy is None:
        region = arn.split(":", 4)[3]
        return default_key_policy(principal.account_id, partition_of(region))
    parse_policy(policy)
    if not bypass_lockout:
        check_lockout(principal, policy, arn, principal.account_id)
    return policy
