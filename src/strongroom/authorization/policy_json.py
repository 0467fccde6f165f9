"""JSON for policies, read strictly: what two readers could read differently is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeAlias

from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError, Problem


class JsonNumber(str):
    """A number, kept as its text: a policy compares values as text, and no digit is lost."""

    __slots__ = ()


JsonObject: TypeAlias = dict[str, Any]


# INVARIANT Z4: no member of a policy is ever overlooked because another has its name.
def _require_distinct(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len({name.lower() for name in found}) != len(pairs):
        raise PolicyError("A member is given twice in the same JSON object.", Problem.SYNTAX)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_require_distinct,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
)


def parse_policy_json(text: str) -> JsonObject:
    """The JSON object that a policy is.

    Raises PolicyError, also for names given twice (in any case of
    letters), NaN and Infinity, and nesting beyond all use.
    """
    try:
        document = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise PolicyError("The policy is not valid JSON.", Problem.JSON) from None
    if not isinstance(document, dict):
        raise PolicyError("The policy must be a JSON object.", Problem.SYNTAX)
    return document


def require_members(of: JsonObject, allowed: frozenset[str], where: str, kind: PolicyKind) -> None:
    """Refuse members that a policy does not have: a misspelled element must not lose its meaning."""
    if not allowed.issuperset(of):
        raise PolicyError(f"{where} has an element that is not part of a {kind}.", Problem.SYNTAX)


def require_text(value: object, where: str) -> str:
    """A JSON string."""
    if type(value) is not str:
        raise PolicyError(f"{where} must be a string.", Problem.SYNTAX)
    return value


def require_object(value: object, where: str) -> JsonObject:
    """A JSON object."""
    if not isinstance(value, dict):
        raise PolicyError(f"{where} must be a JSON object.", Problem.SYNTAX)
    return value


def require_list(value: object, where: str) -> list[Any]:
    """A list with something in it, or one value standing for a list of one."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise PolicyError(f"{where} must not be empty.", Problem.SYNTAX)
    return items
