"""What the condition operators compare, type by type.

A comparison is made once from a condition's values, and then says of one value of a request whether it
matches one of them. What negates, quantifies and judges absent keys is in `conditions`.
Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.value_readers import (
    Network,
    read_address,
    read_binary,
    read_boolean,
    read_date,
    read_network,
    read_number,
)
from strongroom.authorization.variables import Part, Template, Wildcard, parse_template

Match: TypeAlias = Callable[[str, ConditionValues], bool]
"""Whether one value of the request matches any of the policy's; the rest of the request is for variables."""

Value = TypeVar("Value")

ARN_PARTS = 6


# ---------------------------------------------------------------- comparisons of values with a type


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values of one condition, ready to be compared with."""

    match: Match
    keys: frozenset[str] = frozenset()
    """The condition keys that variables among the values look at."""


Make: TypeAlias = Callable[[Sequence[str], str], Comparison]
"""From the values of a condition and the policy's version; raises PolicyError for values of another type."""


def _typed(read: Callable[[str], Value | None], compare: Callable[[Value, Value], bool], what: str) -> Make:
    """Both sides are read as the operator's type; what the request has and cannot be read matches nothing."""

    def make(texts: Sequence[str], version: str) -> Comparison:
        wanted = _read_all(read, texts, what)

        def match(text: str, values: ConditionValues) -> bool:
            given = read(text)
            return given is not None and any(compare(given, one) for one in wanted)

        return Comparison(match)

    return make


def _read_all(read: Callable[[str], Value | None], texts: Sequence[str], what: str) -> list[Value]:
    found = [read(text) for text in texts]
    readable = [one for one in found if one is not None]
    if len(readable) != len(found):
        raise PolicyError(f"A condition value is not {what}.")
    return readable


def _addresses(texts: Sequence[str], version: str) -> Comparison:
    networks: list[Network] = _read_all(read_network, texts, "an IP address or range")

    def match(text: str, values: ConditionValues) -> bool:
        address = read_address(text)
        return address is not None and any(address in network for network in networks)

    return Comparison(match)


def _number(compare: Callable[[Decimal, Decimal], bool]) -> Make:
    return _typed(read_number, compare, "a number")


def _date(compare: Callable[[Decimal, Decimal], bool]) -> Make:
    return _typed(read_date, compare, "a date")


# ---------------------------------------------------------------- comparisons of text


def _text(change: Callable[[str], str]) -> Make:
    """Equality of code points, after `change` has been made on both sides. * and ? are themselves.

    `change` must keep a text's length.
    """

    def make(texts: Sequence[str], version: str) -> Comparison:
        templates = [parse_template(text, version, wildcards=False) for text in texts]
        fixed = frozenset(change(one.text()) for one in templates if not one.keys)
        moving = [one for one in templates if one.keys]

        def match(text: str, values: ConditionValues) -> bool:
            given = change(text)
            if given in fixed:
                return True
            for template in moving:
                said = template.says(values, len(given))
                if said is not None and change(said) == given:
                    return True
            return False

        return Comparison(match, keys_of(templates))

    return make


def _patterns(texts: Sequence[str], version: str) -> Comparison:
    templates = [parse_template(text, version, wildcards=True) for text in texts]
    return Comparison(match_patterns(templates), keys_of(templates))


def match_patterns(templates: Sequence[Template]) -> Match:
    """Whether a text fits one of the patterns. One whose variable has no value fits nothing."""
    fixed = [one.glob() for one in templates if not one.keys]
    moving = [one for one in templates if one.keys]

    def match(text: str, values: ConditionValues) -> bool:
        for glob in fixed:
            if glob.matches(text):
                return True
        for template in moving:  # noqa: SIM110 - a generator would cost more than the match
            if template.fits(text, values):
                return True
        return False

    return match


def keys_of(templates: Sequence[Template]) -> frozenset[str]:
    """The condition keys that the variables look at."""
    return frozenset().union(*(one.keys for one in templates))


def _arns(texts: Sequence[str], version: str) -> Comparison:
    """Each part of an ARN between colons is a pattern of its own; the sixth is the rest.

    `*`, and what a variable may turn into an ARN, are compared with the ARN as a whole.
    """
    templates = [_split_arn(parse_template(text, version, wildcards=True)) for text in texts]
    matches = [tuple(match_patterns([part]) for part in parts) for parts in templates]

    def match(text: str, values: ConditionValues) -> bool:
        given = text.split(":", ARN_PARTS - 1)
        if len(given) != ARN_PARTS or given[0] != "arn":
            return False
        for parts in matches:
            compared = given if len(parts) > 1 else [text]
            if all(part(one, values) for part, one in zip(parts, compared, strict=True)):
                return True
        return False

    return Comparison(match, frozenset().union(*(keys_of(parts) for parts in templates)))


def _split_arn(template: Template) -> tuple[Template, ...]:
    parts: list[list[Part]] = [[]]
    for part in template.parts:
        if not isinstance(part, str):
            parts[-1].append(part)
            continue
        first, *others = part.split(":", ARN_PARTS - len(parts))
        parts[-1].append(first)
        parts.extend([other] for other in others)
    if len(parts) == ARN_PARTS:
        return tuple(Template(tuple(one)) for one in parts)
    if template.keys or template.parts == (Wildcard.RUN,):
        return (template,)
    raise PolicyError("A condition value is not an ARN.")


COMPARISONS: dict[str, Make] = {
    "StringEquals": _text(str),
    "StringEqualsIgnoreCase": _text(lower_ascii),
    "StringLike": _patterns,
    "NumericEquals": _number(operator.eq),
    "NumericLessThan": _number(operator.lt),
    "NumericLessThanEquals": _number(operator.le),
    "NumericGreaterThan": _number(operator.gt),
    "NumericGreaterThanEquals": _number(operator.ge),
    "DateEquals": _date(operator.eq),
    "DateLessThan": _date(operator.lt),
    "DateLessThanEquals": _date(operator.le),
    "DateGreaterThan": _date(operator.gt),
    "DateGreaterThanEquals": _date(operator.ge),
    "Bool": _typed(read_boolean, operator.eq, "true or false"),
    "BinaryEquals": _typed(read_binary, operator.eq, "base64"),
    "IpAddress": _addresses,
    "ArnEquals": _arns,
    "ArnLike": _arns,
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
"""Operators that hold where another one does not."""
