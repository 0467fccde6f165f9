"""Wildcards and policy variables, by way of regular expressions.

Sources, all IAM User Guide: "Resource" (Using wildcards), "Condition operators" (StringLike, ArnLike),
"Variables and tags" (Where you can use policy variables, Policy variables with no value, Specifying default
values, special characters).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Values = Mapping[str, Sequence[str]]
"""The condition keys of one request, in lower case, and their values. Absent keys are absent here."""

NEW_VERSION = "2012-10-17"
"""The only version of the policy language that has variables."""

MULTIVALUED = frozenset(
    {
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:sourceorgpaths",
        "aws:tagkeys",
        "kms:encryptioncontextkeys",
        "kms:grantoperations",
        "kms:resourcealiases",
    }
)
"""ArrayOf... in the Service Authorization Reference: no variables, however many values they have."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT = re.compile(r"\s*([^,]+?)\s*,\s*'([^']*)'\s*")


_STAR = "\0"
"""Where a star is a wildcard, until the expression is put together."""


class NoValue(Exception):
    """A variable stands for nothing in this request."""


def _what_it_stands_for(inside: str, values: Values) -> str:
    if inside in {"*", "?", "$"}:
        return inside
    default = None
    if with_default := _WITH_DEFAULT.fullmatch(inside):
        inside, default = with_default.groups()
    key = inside.strip().lower()
    found = values.get(key, ())
    if len(found) == 1 and key not in MULTIVALUED:
        return found[0]
    if default is not None:
        return default
    raise NoValue(inside)


def _pieces(text: str, values: Values, version: str | None) -> list[tuple[bool, str]]:
    """The text in pieces: (stands for itself, piece). What a variable stands for stands for itself."""
    if version != NEW_VERSION:
        return [(False, text)]
    pieces: list[tuple[bool, str]] = []
    end = 0
    for variable in _VARIABLE.finditer(text):
        pieces.append((False, text[end : variable.start()]))
        pieces.append((True, _what_it_stands_for(variable.group(1), values)))
        end = variable.end()
    return [*pieces, (False, text[end:])]


def plain(text: str, values: Values, version: str | None) -> str:
    """The text with its variables replaced. Raises NoValue."""
    return "".join(piece for _, piece in _pieces(text, values, version))


def wildcard_regex(text: str, values: Values, version: str | None) -> re.Pattern[str]:
    """`*` is any text, `?` any one character; variables replaced, and never patterns. Raises NoValue.

    What stands between two stars is taken where it first fits and never looked for again (an atomic group):
    a later place could only leave less for the rest, and looking for it can take for ever.
    """
    written = "".join(
        re.escape(piece) if stands_for_itself else re.escape(piece).replace(r"\?", ".").replace(r"\*", _STAR)
        for stands_for_itself, piece in _pieces(text, values, version)
    )
    first, *between = written.split(_STAR)
    if not between:
        return re.compile(first, re.DOTALL)
    *middle, last = between
    return re.compile(first + "".join(f"(?>.*?{run})" for run in middle) + f".*{last}", re.DOTALL)


def simple_wildcard_matches(pattern: str, text: str) -> bool:
    """A pattern without variables: actions."""
    return wildcard_regex(pattern, {}, None).fullmatch(text) is not None


def arn_matches(pattern: str, arn: str, values: Values, version: str | None) -> bool:
    """Each of the six components by itself; the sixth may hold colons. Raises NoValue.

    Source: "Condition operators", ARN: "Each of the six colon-delimited components of the ARN is checked
    separately and each can include multi-character match wildcards (*) or single-character ones (?)".
    """
    hidden = _VARIABLE.sub(lambda variable: variable.group().replace(":", "\0"), pattern)
    wanted = [part.replace("\0", ":") for part in hidden.split(":", 5)]
    given = arn.split(":", 5)
    if len(wanted) != 6 or len(given) != 6:
        return False
    return all(
        wildcard_regex(one, values, version).fullmatch(other) is not None
        for one, other in zip(wanted, given, strict=True)
    )
