"""Requests as conditions see them, and conditions and statements to hold against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.authorization.policies import policy, statement

from strongroom.authorization.conditions import CompiledCondition, compile_condition
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_document import Condition, PolicyDocument, PolicyKind
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.statements import CompiledStatement, compile_policy

VERSION = "2012-10-17"


class Values:
    """The condition keys of one request, as a test gives them."""

    def __init__(self, given: Mapping[str, Sequence[str] | str]) -> None:
        self._given = {
            lower_ascii(key): (value,) if isinstance(value, str) else tuple(value)
            for key, value in given.items()
        }

    def values_of(self, key: str) -> tuple[str, ...] | None:
        assert key == lower_ascii(key)
        return self._given.get(key)

    def needs_store(self, keys: frozenset[str]) -> bool:
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        pass


def compiled(
    operator: str, *values: str, key: str = "aws:x", version: str = VERSION, denies: bool = False
) -> CompiledCondition:
    return compile_condition(Condition(operator, key, values), version, denies=denies)


def holds(operator: str, wanted: Sequence[str] | str, given: Sequence[str] | str | None, **more: Any) -> bool:
    """Whether a condition on aws:x holds; None: the request has no aws:x."""
    values = [wanted] if isinstance(wanted, str) else wanted
    request = more if given is None else {"aws:x": given} | more
    return compiled(operator, *values).holds(Values(request))


def identity_document(*statements: dict[str, Any], **elements: Any) -> PolicyDocument:
    without = [{name: value for name, value in one.items() if name != "Principal"} for one in statements]
    return parse_document(policy(*without, **elements), PolicyKind.IDENTITY)


def only(version: str = VERSION, effect: str = "Allow", **elements: Any) -> CompiledStatement:
    """The one statement of an identity-based policy."""
    (found,) = compile_policy(identity_document(statement(effect, **elements), Version=version)).statements
    return found
