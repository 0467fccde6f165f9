"""What stands between a caller and a resource: the policies that have a say, compiled, and what was decided.

A standing is found under everything that it was made from: the resource's policy with its bindings, who
calls, and the session policies; and it is for one `Identity` object, which the store hands out for as long as
nothing of that user or role has changed. Its decisions are found under what the request adds: action,
resource, and the values of exactly the condition keys that its statements about this caller look at.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeAlias

from strongroom.authorization.decision import Decision
from strongroom.authorization.evaluation import CallerPolicies, PolicyInForce, how_named
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_memory import EMPTY_POLICY, PolicyMemory
from strongroom.authorization.principals import Caller, PrincipalMatch
from strongroom.authorization.statements import ANYTHING
from strongroom.resources.iam import Identity, PolicySource

STANDINGS_MAX = 4096
STANDING_CHARACTERS_MAX = 8 * 1024 * 1024
DECISIONS_MAX = 65_536
DECISIONS_PER_STANDING_MAX = 1024
REMEMBERED_CHARACTERS_MAX = 1024
"""Of the values that one decision was made from; callers choose them."""

SessionSources: TypeAlias = tuple[tuple[str, str], ...]
"""Label and text of each session policy."""


class Standing:
    """One caller before one policy (or before none)."""

    __slots__ = (
        "caller",
        "characters",
        "condition_keys",
        "decisions",
        "every_condition_key",
        "identity",
        "is_kept",
        "key_order",
        "names_resources",
        "own",
        "policy",
    )

    def __init__(
        self,
        caller: Caller,
        policy: PolicyInForce | None,
        own: CallerPolicies,
        identity: Identity | None,
        characters: int,
    ) -> None:
        self.caller = caller
        self.policy = policy
        self.own = own
        self.identity = identity
        self.characters = characters
        self.is_kept = False
        compiled = [one.compiled for _, one in own.with_types() if one.compiled is not None]
        statements = [statement for one in compiled for statement in one.statements]
        if policy is not None and policy.compiled is not None:
            compiled.append(policy.compiled)
            # Statements that are about others decide nothing here, whatever they ask for.
            statements += [
                statement
                for statement in policy.compiled.statements
                if how_named(statement, caller, own) is not PrincipalMatch.NONE
            ]
        self.every_condition_key = frozenset[str]().union(*(one.condition_keys for one in compiled))
        """Of all the policies, also of statements that are about others; for records and explanations."""
        self.condition_keys = frozenset[str]().union(*(one.keys for one in statements))
        self.key_order = tuple(sorted(self.condition_keys))
        self.names_resources = any(one.resources is not ANYTHING for one in statements)
        self.decisions: dict[Hashable, Decision] = {}


def compile_own_side(
    policies: PolicyMemory, identity: Identity | None, session: SessionSources, *, gone: bool
) -> CallerPolicies:
    """The caller's own policies. `gone`: it is a user or role that the store does not know any more."""
    if identity is None:
        return CallerPolicies(session=_compile_session(policies, session), gone=gone)
    return CallerPolicies(
        identity=tuple(
            PolicyInForce(source.label, policies.find(PolicyKind.IDENTITY, source.text))
            for source in identity.policies
        ),
        boundary=None if identity.boundary is None else _compile_boundary(policies, identity.boundary),
        session=_compile_session(policies, session),
    )


def boundary_label(boundary: PolicySource) -> str:
    """What a boundary is called, to tell it from the same policy attached."""
    return f"permissions boundary {boundary.label}"


def _compile_boundary(policies: PolicyMemory, boundary: PolicySource) -> PolicyInForce:
    # A boundary that is gone has no text, and allows nothing.
    compiled = policies.find(PolicyKind.IDENTITY, boundary.text) if boundary.text else EMPTY_POLICY
    return PolicyInForce(boundary_label(boundary), compiled)


def _compile_session(policies: PolicyMemory, session: SessionSources) -> tuple[PolicyInForce, ...]:
    return tuple(
        PolicyInForce(label, policies.find(PolicyKind.IDENTITY, text) if text else EMPTY_POLICY)
        for label, text in session
    )


class StandingMemory:
    """Standings, the oldest forgotten first when there are too many, or too many decisions in them."""

    __slots__ = ("_characters", "_decisions", "_standings")

    def __init__(self) -> None:
        self._standings: dict[Hashable, Standing] = {}
        self._characters = 0
        self._decisions = 0

    @property
    def found(self) -> Mapping[Hashable, Standing]:
        """For finding; only `keep` and `remember` change it."""
        return self._standings

    @property
    def size(self) -> tuple[int, int, int]:
        """Standings, decisions, characters of policy text."""
        return len(self._standings), self._decisions, self._characters

    def keep(self, place: Hashable, standing: Standing) -> None:
        """Remember a standing in the place of an earlier one."""
        self._forget(place)
        self._standings[place] = standing
        standing.is_kept = True
        self._characters += standing.characters
        while len(self._standings) > STANDINGS_MAX or self._characters > STANDING_CHARACTERS_MAX:
            self._forget(next(iter(self._standings)))

    def remember(self, standing: Standing, made_from: Hashable, decision: Decision) -> None:
        """Remember a decision of a standing, unless that is forgotten meanwhile."""
        if not standing.is_kept:
            return
        if len(standing.decisions) >= DECISIONS_PER_STANDING_MAX:
            self._decisions -= len(standing.decisions)
            standing.decisions.clear()
        standing.decisions[made_from] = decision
        self._decisions += 1
        while self._decisions > DECISIONS_MAX and self._standings:
            self._forget(next(iter(self._standings)))

    def _forget(self, place: Hashable) -> None:
        standing = self._standings.pop(place, None)
        if standing is not None:
            self._characters -= standing.characters
            self._decisions -= len(standing.decisions)
            standing.decisions.clear()
            standing.is_kept = False
