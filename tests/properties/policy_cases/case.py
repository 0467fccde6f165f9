"""A written case: a world, and what AWS's documents say must come out."""

from __future__ import annotations

from dataclasses import dataclass

from tests.properties.policy_cases.worlds import World
from tests.properties.slow_evaluator.verdict import (
    EXPLICIT,
    GONE,
    IMPLICIT,
    NOT_ACROSS,
    Verdict,
)

ALLOW = "allow"
DENIED = "denied"
"""For whatever reason: where AWS gives none, or the policy should never have been stored."""
ACROSS = "not across accounts"
CALLER_GONE = "caller gone"
NO = "no allow"
"""`no allow: identity`, `explicit deny: resource session`: one of these types of policy is the reason."""


@dataclass(frozen=True)
class Case:
    """`name` is unique. `source`: the page of AWS's documents, and where on it."""

    name: str
    source: str
    world: World
    expected: str

    @property
    def allowed(self) -> bool:
        """Whether the request must go on."""
        return self.expected == ALLOW

    def fits(self, verdict: Verdict) -> bool:
        """Whether an answer is the expected one. A reason must be among the expected ones."""
        if self.expected in {ALLOW, DENIED}:
            return verdict.allowed == self.allowed
        if self.expected in {ACROSS, CALLER_GONE}:
            return verdict.outcome == {ACROSS: NOT_ACROSS, CALLER_GONE: GONE}[self.expected]
        outcome, _, types = self.expected.partition(": ")
        if outcome not in {EXPLICIT, IMPLICIT} or not types:
            raise ValueError(self.expected)
        return verdict.outcome == outcome and bool(verdict.types) and verdict.types <= set(types.split())
