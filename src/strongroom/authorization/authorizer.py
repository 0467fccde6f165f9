"""The authorizer: what the road asks before anything runs."""

from __future__ import annotations

from strongroom.authorization.decision import Decision, Reason
from strongroom.authorization.evaluation import RequestContext, evaluate_key_policy
from strongroom.authorization.key_policy import parse_policy
from strongroom.authorization.statements import CompiledPolicy, compile_policy
from strongroom.aws.errors import ApiError
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.key import Key

POLICIES_MAX = 4096
POLICY_CHARACTERS_MAX = 8 * 1024 * 1024
DECISIONS_PER_POLICY_MAX = 1024

_BY_ACCOUNT = Decision(True, Reason.ACCOUNT_ROOT, ())
_NOT_BY_ACCOUNT = Decision(False, Reason.NO_IDENTITY_POLICY_ALLOWS, ())
_UNREADABLE = Decision(False, Reason.KEY_POLICY_UNREADABLE, ())


class _KnownPolicy:
    """A compiled key policy and what was decided by it. `compiled` is None when it cannot be read."""

    __slots__ = ("compiled", "decisions", "names_resources")

    def __init__(self, compiled: CompiledPolicy | None) -> None:
        self.compiled = compiled
        self.names_resources = compiled is not None and compiled.names_resources
        self.decisions: dict[tuple[object, ...], Decision] = {}


class Authorizer:
    """Decides who may do what, and remembers its decisions.

    Pure but for that memory, which holds nothing that could become untrue.
    Concurrency: one event loop; each worker has its own.
    """

    __slots__ = ("_characters", "_policies")

    def __init__(self) -> None:
        self._policies: dict[str, _KnownPolicy] = {}
        self._characters = 0

    def authorize_key(
        self, principal: AuthenticatedPrincipal, action: str, key: Key, cross_account: bool
    ) -> Decision:
        """Whether `principal` may do `action` on `key`, by the key policy.

        `cross_account` says whether the operation works on keys of other accounts at all.
        """
        try:
            policy = self._policies[key.policy]
        except KeyError:
            policy = self._load(key.policy)
        # INVARIANT Z5: a decision is remembered under everything it was made from, the policy's whole
        # text first; so a changed policy, principal or key can never meet an older decision.
        made_from = (
            principal.arn,  # which says the account too
            principal.type,
            action,
            cross_account,
            key.arn if policy.names_resources else key.account_id,  # the ARN says the account too
        )
        try:
            return policy.decisions[made_from]
        except KeyError:
            decision = _decide(policy, principal, action, key, cross_account)
            if len(policy.decisions) >= DECISIONS_PER_POLICY_MAX:
                policy.decisions.clear()
            policy.decisions[made_from] = decision
            return decision

    def authorize_account(
        self, principal: AuthenticatedPrincipal, action: str, account_id: str, resource: str
    ) -> Decision:
        """Whether `principal` may do `action` that no key policy governs (CreateKey, ListKeys, ...).

        Identity-based policies decide; an account root has every right in its own account.
        """
        del action, resource  # identity-based policies will look at them
        if principal.type is PrincipalType.ROOT and principal.account_id == account_id:
            return _BY_ACCOUNT
        return _NOT_BY_ACCOUNT

    def authorize_alias(
        self, principal: AuthenticatedPrincipal, action: str, alias_arn: str, alias_account_id: str
    ) -> Decision:
        """Whether `principal` may do `action` on an alias as such; its keys are asked for separately.

        Source: KMS Developer Guide, "Controlling access to aliases".
        """
        return self.authorize_account(principal, action, alias_account_id, alias_arn)

    def _load(self, text: str) -> _KnownPolicy:
        """Compile a policy and remember it, forgetting the oldest ones when memory is full."""
        try:
            policy = _KnownPolicy(compile_policy(parse_policy(text)))
        except ApiError:
            # It was valid when it was put. Whatever happened since, it allows nothing now.
            policy = _KnownPolicy(None)
        self._characters += len(text)
        while self._policies and (
            len(self._policies) >= POLICIES_MAX or self._characters > POLICY_CHARACTERS_MAX
        ):
            oldest = next(iter(self._policies))
            del self._policies[oldest]
            self._characters -= len(oldest)
        self._policies[text] = policy
        return policy


def _decide(
    policy: _KnownPolicy, principal: AuthenticatedPrincipal, action: str, key: Key, cross_account: bool
) -> Decision:
    if policy.compiled is None:
        return _UNREADABLE
    return evaluate_key_policy(
        policy.compiled, RequestContext(principal, action, key.arn, key.account_id, cross_account)
    )
