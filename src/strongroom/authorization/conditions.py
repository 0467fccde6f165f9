"""The conditions of a statement: what each operator holds to be true of a request.

Keys that a request does not have, keys with several values and operators that negate are judged as the
IAM User Guide says: "Condition operators", "Set operators for multivalued context keys", "Evaluation
logic for multiple context keys or values".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.comparisons import COMPARISONS, NEGATED, Comparison
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_document import Condition
from strongroom.authorization.policy_error import PolicyError, Problem
from strongroom.authorization.value_readers import read_boolean

_EMPTY = ("",)
"""To set operators and Null no value: "a null dataset, such as an empty string" ("ForAllValues")."""


class Quantifier(Enum):
    """How many of a key's values an operator must hold for."""

    NONE = ""
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class ConditionFinding:
    """What one condition found in a request, for explanations."""

    operator: str
    key: str
    """Both as the policy writes them."""
    policy_values: tuple[str, ...]
    request_values: tuple[str, ...] | None
    """None: the request has no such key."""
    held: bool


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """One condition key under one operator, ready to be compared."""

    condition: Condition
    key: str
    """In lower case."""
    keys: frozenset[str]
    """`key`, and those that variables among the values look at."""
    quantifier: Quantifier
    negated: bool
    if_absent: bool
    """What holds of a request without this key."""
    comparison: Comparison | None
    """None: only presence is asked (Null)."""
    if_present: bool = False
    """Of Null, what holds of a request with this key."""
    denies: bool = False
    """Whether the statement is a Deny: it decides what holds of several values without a set operator."""

    def holds(self, values: ConditionValues) -> bool:
        """Whether the request fulfils this condition."""
        given = values.values_of(self.key)
        if not given:  # a key without a value is one that is not there
            return self.if_absent
        if self.comparison is None or self.quantifier is not Quantifier.NONE:
            return self._holds_of_all(given, values)
        if len(given) == 1:
            return self.comparison.match(given[0], values) is not self.negated
        # AWS: such keys "require a condition set operator", and not what comes without. Whichever reading
        # is AWS's, an Allow must not gain and a Deny must not lose by it (INVARIANT Z2).
        return self.denies and self._holds_of_any(given, values)

    def _holds_of_all(self, given: tuple[str, ...], values: ConditionValues) -> bool:
        if given == _EMPTY:
            return self.if_absent
        if self.comparison is None:
            return self.if_present
        match, negated = self.comparison.match, self.negated
        quantify = all if self.quantifier is Quantifier.ALL else any
        return quantify(match(one, values) is not negated for one in given)

    def _holds_of_any(self, given: tuple[str, ...], values: ConditionValues) -> bool:
        assert self.comparison is not None  # noqa: S101
        return any(self.comparison.match(one, values) is not self.negated for one in given)

    def find(self, values: ConditionValues) -> ConditionFinding:
        """The same answer, and what it was made from."""
        condition = self.condition
        return ConditionFinding(
            condition.operator,
            condition.key,
            condition.values,
            values.values_of(self.key),
            self.holds(values),
        )


def compile_condition(condition: Condition, version: str, *, denies: bool) -> CompiledCondition:
    """Prepare a condition of a statement, Deny or Allow, of a policy of this version.

    Raises PolicyError when the operator does not exist or a value is not of the operator's type.
    """
    quantifier, name, if_exists = split_operator(condition.operator)
    key = lower_ascii(condition.key)
    if name == "Null":
        return _compile_null(condition, key)
    negated = name in NEGATED
    comparison = COMPARISONS[NEGATED.get(name, name)](condition.values, version)
    return CompiledCondition(
        condition=condition,
        key=key,
        keys=comparison.keys | {key},
        quantifier=quantifier,
        negated=negated,
        if_absent=if_exists or quantifier is Quantifier.ALL or (negated and quantifier is Quantifier.NONE),
        comparison=comparison,
        denies=denies,
    )


def split_operator(operator: str) -> tuple[Quantifier, str, bool]:
    """`ForAnyValue:StringLikeIfExists` is (ANY, `StringLike`, True).

    Raises PolicyError when there is no such operator.
    """
    prefix, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if_exists = name != rest
    known = (name in COMPARISONS or name in NEGATED) if if_exists else _is_known(name)
    if not known or prefix not in _QUANTIFIERS or (":" in operator and not prefix):
        raise PolicyError("Condition has an operator that does not exist.", Problem.SYNTAX)
    return _QUANTIFIERS[prefix], name, if_exists


_QUANTIFIERS = {one.value: one for one in Quantifier}


def _is_known(name: str) -> bool:
    return name == "Null" or name in COMPARISONS or name in NEGATED


def _compile_null(condition: Condition, key: str) -> CompiledCondition:
    wanted = [read_boolean(text) for text in condition.values]
    if None in wanted:
        raise PolicyError("A condition value is not true or false.")
    return CompiledCondition(
        condition=condition,
        key=key,
        keys=frozenset({key}),
        quantifier=Quantifier.NONE,
        negated=False,
        if_absent=True in wanted,
        comparison=None,
        if_present=False in wanted,
    )
