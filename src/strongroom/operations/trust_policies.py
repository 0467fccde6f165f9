"""Role trust policies: what may be put, whom their principals mean, and how they are shown.

Source: IAM User Guide, "AWS JSON policy elements: Principal" (ARNs become unique ids when a policy is saved).
"""

from __future__ import annotations

from strongroom.authorization.iam_policy import parse_trust_policy
from strongroom.authorization.key_policy import named_principals
from strongroom.aws import iam_policy_refusals
from strongroom.operations.context import Call
from strongroom.operations.policy_principals import bind_principal, is_unbindable, render_principals
from strongroom.operations.policy_sizes import require_trust_policy_size
from strongroom.resources.iam import Role, UniqueId, User
from strongroom.resources.identifiers import AccountId


async def judge_trust_policy(call: Call, text: str) -> dict[str, UniqueId]:
    """Read a trust policy that the caller wants to put; returns what its principals mean.

    A user or role of an account of this server must exist. Of other accounts nothing can be known: the name
    stays unbound, and matches nobody. Raises ApiError MalformedPolicyDocument, LimitExceeded.
    """
    document = parse_trust_policy(text)
    require_trust_policy_size(text)
    bound: dict[str, UniqueId] = {}
    for name in named_principals(document):
        unique_id = await _bind(call, name)
        if unique_id is not None:
            bound[name] = unique_id
    return bound


async def _bind(call: Call, name: str) -> UniqueId | None:
    store = call.rooms.store
    if name.startswith("arn:"):
        unique_id = await bind_principal(store, name)
        if unique_id is not None or is_unbindable(name):
            return unique_id
        account_id = AccountId(name.split(":")[4])
        if account_id != call.account_id and await store.find_account(account_id) is None:
            return None
    elif name.isdigit() or await _exists(call, name):
        return None
    raise iam_policy_refusals.trust_policy_principal(f'"AWS":"{name}"')


async def _exists(call: Call, unique_id: str) -> bool:
    store = call.rooms.store
    for kind in (Role, User):
        if await store.find_entity_by_id(kind, unique_id) is not None:
            return True
    return False


async def render_trust_policy(call: Call, role: Role) -> str:
    """The trust policy as it was put, but for principals that are gone (their unique id) or renamed."""
    return await render_principals(call.rooms.store, role.trust_policy, role.trust_principals)
