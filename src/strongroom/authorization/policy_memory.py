"""Policies compiled once per text and bindings. What is remembered can never become untrue."""

from __future__ import annotations

from typing import TypeAlias

from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.statements import CompiledPolicy, compile_policy

POLICIES_MAX = 4096
POLICY_CHARACTERS_MAX = 8 * 1024 * 1024

Bindings: TypeAlias = frozenset[tuple[str, str]]
"""The unique id that each ARN in a policy meant when it was put."""

NO_BINDINGS: Bindings = frozenset()
EMPTY_POLICY = CompiledPolicy((), frozenset(), False)
"""Allows nothing and denies nothing."""


class PolicyMemory:
    """Compiled policies, at most so many and so long, the oldest forgotten first."""

    __slots__ = ("_characters", "_policies")

    def __init__(self) -> None:
        self._policies: dict[tuple[PolicyKind, str, Bindings], CompiledPolicy | None] = {}
        self._characters = 0

    @property
    def size(self) -> tuple[int, int]:
        """Policies, and characters of their texts."""
        return len(self._policies), self._characters

    def find(self, kind: PolicyKind, text: str, bindings: Bindings = NO_BINDINGS) -> CompiledPolicy | None:
        """The policy, ready to be evaluated; None when the text cannot be read."""
        place = (kind, text, bindings)
        try:
            return self._policies[place]
        except KeyError:
            compiled = self._policies[place] = _compile(kind, text, bindings)
        self._characters += len(text)
        while len(self._policies) > POLICIES_MAX or self._characters > POLICY_CHARACTERS_MAX:
            oldest = next(iter(self._policies))
            del self._policies[oldest]
            self._characters -= len(oldest[1])
        return compiled


def _compile(kind: PolicyKind, text: str, bindings: Bindings) -> CompiledPolicy | None:
    try:
        return compile_policy(parse_document(text, kind), dict(bindings))
    except PolicyError:
        # It was valid when it was put. Whatever happened since, it helps nobody now.
        return None
