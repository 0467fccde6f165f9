"""Policy variables: ${aws:username}, ${aws:PrincipalTag/team, 'none'}, and the escapes ${*} ${?} ${$}.

Source: IAM User Guide, "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from strongroom.authorization.ask import ConditionValues
from strongroom.authorization.glob import ONE, Glob, glob_of_pieces
from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_error import PolicyError

VERSION_WITH_VARIABLES = "2012-10-17"
"""An older policy, or one that says no version, has `${...}` as it stands."""

# Source: service authorization reference (ArrayOf...) and "AWS global condition context keys" (Multivalued).
MULTI_VALUED_KEYS = frozenset(
    {
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:resourceorgpaths",
        "aws:sourceorgpaths",
        "aws:tagkeys",
        "kms:encryptioncontextkeys",
        "kms:grantoperations",
        "kms:resourcealiases",
    }
)

_SURROGATE = re.compile("[\ud800-\udfff]")
_WILDCARDS = re.compile(r"([*?])")
_VARIABLES_AND_WILDCARDS = re.compile(r"(\$\{[^}]*\}?|[*?])")
_LITERALS = ("*", "?", "$")


class Wildcard(Enum):
    """A * or ? of the policy's writer; one that a value brings along is an ordinary character."""

    RUN = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """`key` in lower case; `default` where the request has no such key."""

    key: str
    default: str | None

    def value(self, values: ConditionValues) -> str | None:
        """What stands in its place, or None: it has no value."""
        if self.key in MULTI_VALUED_KEYS:
            return None
        found = values.values_of(self.key)
        if not found:
            return self.default
        # A lone surrogate is no text, and could be taken for a wildcard.
        return found[0] if len(found) == 1 and _is_text(found[0]) else None


Part: TypeAlias = str | Variable | Wildcard


@dataclass(frozen=True, slots=True)
class Template:
    """A value of a policy, taken apart. Invariant: no two texts stand side by side."""

    parts: tuple[Part, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The condition keys that its variables look at."""
        return frozenset(part.key for part in self.parts if isinstance(part, Variable))

    def resolve(self, values: ConditionValues) -> Template | None:
        """With every variable's value in its place; None when one has none."""
        parts = self._resolve(values)
        return None if parts is None else Template(tuple(parts))

    def _resolve(self, values: ConditionValues) -> list[str | Wildcard] | None:
        parts: list[str | Wildcard] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = part.value(values)
                if value is None:
                    return None
                parts.append(value)
            else:
                parts.append(part)
        return parts

    def fits(self, text: str, values: ConditionValues) -> bool:
        """Whether the text fits this pattern. A variable without a value fits nothing."""
        parts = self._resolve(values)
        if parts is None:
            return False
        if len(parts) == 1:
            return (
                parts[0] is Wildcard.RUN or parts[0] == text or (parts[0] is Wildcard.ONE and len(text) == 1)
            )
        # Before any value is copied: a text that is too short fits no pattern.
        return _length_min(parts) <= len(text) and _glob(parts).matches(text)

    def says(self, values: ConditionValues, length: int) -> str | None:
        """What it says, without wildcards; None where a variable has no value or the length is another."""
        parts = self._resolve(values)
        return None if parts is None or _length_min(parts) != length else _text(parts)

    def text(self) -> str:
        """What it says. Only without variables and wildcards."""
        return _text(self.parts)

    def glob(self) -> Glob:
        """The pattern that it is. Only without variables."""
        return _glob(self.parts)


def _text(parts: Iterable[Part]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def _glob(parts: Iterable[Part]) -> Glob:
    pieces = [""]
    for part in parts:
        if isinstance(part, str):
            pieces[-1] += part
        elif part is Wildcard.RUN:
            pieces.append("")
        else:
            pieces[-1] += ONE
    return glob_of_pieces(pieces)


def _length_min(parts: Iterable[str | Wildcard]) -> int:
    return sum(len(part) if isinstance(part, str) else part is Wildcard.ONE for part in parts)


def parse_template(text: str, version: str, *, wildcards: bool) -> Template:
    """Take a value apart. Without `wildcards`, * and ? are ordinary characters.

    Raises PolicyError for a `${` that begins no variable.
    """
    parts: list[Part] = []
    special = _VARIABLES_AND_WILDCARDS if version == VERSION_WITH_VARIABLES else _WILDCARDS
    for place, found in enumerate(special.split(text)):
        if place % 2 == 0:  # what stands between
            if found:
                parts.append(found)
        elif len(found) == 1:
            parts.append(Wildcard(found) if wildcards else found)
        elif not found.endswith("}"):
            raise PolicyError("A policy variable has no end.")
        else:
            parts.append(_parse_variable(found[2:-1]))
    return Template(tuple(_join_texts(parts)))


def _parse_variable(inside: str) -> Part:
    if inside in _LITERALS:
        return inside
    name, comma, rest = inside.partition(",")
    key = name.strip(" ")
    if not key or any(character in key for character in "${'*?"):
        raise PolicyError("A policy variable does not name a condition key.")
    if not comma:
        return Variable(lower_ascii(key), None)
    quoted = rest.strip(" ")
    if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'" or "'" in quoted[1:-1]:
        raise PolicyError("The default value of a policy variable must stand in single quotes.")
    return Variable(lower_ascii(key), quoted[1:-1])


def _join_texts(parts: list[Part]) -> list[Part]:
    joined: list[Part] = []
    run: list[str] = []
    for part in parts:
        if isinstance(part, str):
            run.append(part)
            continue
        if run:
            joined.append("".join(run))
            run = []
        joined.append(part)
    if run:
        joined.append("".join(run))
    return joined


def _is_text(value: str) -> bool:
    return value.isascii() or _SURROGATE.search(value) is None
