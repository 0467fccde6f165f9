"""Whether the Condition of a statement holds.

Sources, all IAM User Guide: "Condition operators" (its Important box for keys that are absent, IfExists,
Null), "Conditions with multiple context keys or values" (AND, OR, NOR), "Single-valued vs. multivalued
context keys" (ForAllValues, ForAnyValue).
"""

from __future__ import annotations

import base64
import ipaddress
import operator
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.properties.slow_evaluator.texts import NoValue, Values, arn_matches, plain, wildcard_regex

Test = Callable[[str, str, Values, str | None], bool]
"""(what the policy has, what the request has, all values, version) -> a match or not; may raise NoValue."""


class NotUnderstood(Exception):
    """The policy has something that this language does not have."""


def as_list(given: Any) -> list[Any]:
    """One thing or a list of things, as a list."""
    return given if isinstance(given, list) else [given]


def written(value: Any) -> str:
    """A value of a condition as text: JSON's true, and numbers, may stand without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _instant(text: str) -> datetime:
    """ISO 8601, or seconds since 1970."""
    if text.isdigit() and len(text) > 4:
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _in_network(policy: str, request: str) -> bool:
    network, address = ipaddress.ip_network(policy, strict=False), ipaddress.ip_address(request)
    return network.version == address.version and address in network


def _numbers(compare: Callable[[Any, Any], bool]) -> Test:
    return lambda policy, request, *_: compare(Decimal(request), Decimal(policy))


def _dates(compare: Callable[[Any, Any], bool]) -> Test:
    return lambda policy, request, *_: compare(_instant(request), _instant(policy))


def _string_equals(policy: str, request: str, values: Values, version: str | None) -> bool:
    return plain(policy, values, version) == request


def _ignoring_case(policy: str, request: str, values: Values, version: str | None) -> bool:
    return plain(policy, values, version).lower() == request.lower()


def _string_like(policy: str, request: str, values: Values, version: str | None) -> bool:
    return wildcard_regex(policy, values, version).fullmatch(request) is not None


POSITIVE: dict[str, Test] = {
    "StringEquals": _string_equals,
    "StringEqualsIgnoreCase": _ignoring_case,
    "StringLike": _string_like,
    "NumericEquals": _numbers(operator.eq),
    "NumericLessThan": _numbers(operator.lt),
    "NumericLessThanEquals": _numbers(operator.le),
    "NumericGreaterThan": _numbers(operator.gt),
    "NumericGreaterThanEquals": _numbers(operator.ge),
    "DateEquals": _dates(operator.eq),
    "DateLessThan": _dates(operator.lt),
    "DateLessThanEquals": _dates(operator.le),
    "DateGreaterThan": _dates(operator.gt),
    "DateGreaterThanEquals": _dates(operator.ge),
    "Bool": lambda policy, request, *_: policy.lower() == request.lower(),
    "BinaryEquals": lambda policy, request, *_: base64.b64decode(policy) == base64.b64decode(request),
    "IpAddress": lambda policy, request, *_: _in_network(policy, request),
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
}
NEGATED: dict[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _matches(test: Test, policy: str, request: str, values: Values, version: str | None) -> bool:
    try:
        return test(policy, request, values, version)
    except NoValue:
        return False  # "There is no equal or like value."


def _one_value_holds(name: str, wanted: list[str], given: str, values: Values, version: str | None) -> bool:
    """One value of the request: it must match one of the policy's, or, negated, none of them."""
    negated = name in NEGATED
    test = POSITIVE[NEGATED.get(name, name)]
    found = any(_matches(test, one, given, values, version) for one in wanted)
    return not found if negated else found


def _holds(  # noqa: PLR0911  one return for each sentence of the guide
    full_name: str, key: str, wanted: list[str], values: Values, version: str | None, *, denies: bool
) -> bool:
    given = values.get(key.lower())
    if given is not None and list(given) == [""] and (full_name == "Null" or ":" in full_name):
        given = None  # "a null data set, such as an empty string"
    if full_name == "Null":
        there = bool(given)
        return any((one.lower() == "true") != there for one in wanted)

    quantifier, colon, name = full_name.rpartition(":")
    if colon and quantifier not in {"ForAllValues", "ForAnyValue"}:
        raise NotUnderstood(full_name)
    if if_exists := name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
    if name not in POSITIVE and name not in NEGATED:
        raise NotUnderstood(full_name)

    if not given and if_exists:  # exists as Null has it: "the key exists and its value is not null"
        return True
    each = [_one_value_holds(name, wanted, one, values, version) for one in given or ()]
    if quantifier == "ForAllValues":
        return all(each)  # and so where there is none
    if quantifier == "ForAnyValue":
        return any(each)  # and so not where there is none
    if not each:
        return name in NEGATED
    if len(each) > 1:  # the safe reading of what AWS does not say: see cases on several values
        return denies and any(each)
    return each[0]


def condition_holds(condition: dict[str, Any], values: Values, version: str | None, *, denies: bool) -> bool:
    """Every operator and every key of it. Raises NotUnderstood for an operator that does not exist."""
    each = [
        _holds(full_name, key, [written(one) for one in as_list(wanted)], values, version, denies=denies)
        for full_name, keys in condition.items()
        for key, wanted in keys.items()
    ]
    return all(each)
