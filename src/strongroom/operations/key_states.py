"""Whether the keys of a request are in a state that its operation allows."""

from __future__ import annotations

from strongroom.aws import refusals
from strongroom.aws.generated.enums import KeyUsageType, OriginType
from strongroom.clock import Clock
from strongroom.operations.operation import Operation
from strongroom.operations.plan import Plan
from strongroom.operations.token_origins import require_current_at_home
from strongroom.resources.imported_material import state_as_of
from strongroom.resources.key import Key
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY, StateRule, require_state

_EXTERNAL = OriginType.EXTERNAL


def require_states(rule: StateRule, plan: Plan, keys: tuple[Key, ...], clock: Clock) -> None:
    """Refuse a key in a state that the operation's row does not allow.

    The key an alias points to now is never refused for its state: only a new target is. A key that is to be
    used must be the one that its token is bound to, too. Raises ApiError, TokenRefused.
    """
    if not plan.judges_all_keys:
        keys = tuple(key for key, judged in zip(keys, plan.key_is_judged, strict=True) if judged)
    for key in keys:
        require_state(rule, key.key_state, key.arn)
        if key.origin is _EXTERNAL:  # INVARIANT R5
            require_state(rule, state_as_of(key, clock.now()), key.arn)
        if rule is USABLE_FOR_CRYPTOGRAPHY:
            require_current_at_home(key)


def require_usage(operation: Operation, usage: KeyUsageType, keys: tuple[Key, ...]) -> None:
    """Refuse a key that is for something else than the operation."""
    for key in keys:
        if key.key_usage is not usage:
            raise refusals.invalid_key_usage(key.arn, key.key_usage, operation.name)
