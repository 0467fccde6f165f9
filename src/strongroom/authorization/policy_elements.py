"""Principal, Action and Resource, as each kind of policy writes them."""

from __future__ import annotations

import re
from typing import Any

from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.policy_document import (
    PatternElement,
    PolicyKind,
    PrincipalElement,
    PrincipalKind,
)
from strongroom.authorization.policy_error import PolicyError, Problem
from strongroom.authorization.policy_json import JsonObject, require_list, require_text
from strongroom.authorization.variables import Template, Variable, parse_template

# "A key policy document can include only the following characters" (PutKeyPolicy, Policy; IAM's models
# have the same). Here for what JSON escapes smuggle in; the text itself is held to it by the pattern.
_TEXT = re.compile(r"[\t\n\r -ÿ]*")

# Names of principals. Only "*" is a wildcard; a part of a name is never one. A form that no user, role or
# session has would be nobody's name, and a Deny of it one that never denies.
_NAME = r"[!-)+->@-~]+"
_PART = r"[!-)+-.0->@-~]+"  # without a slash
_AWS_PRINCIPAL = re.compile(
    rf"\*|[0-9]{{12}}"
    rf"|arn:aws(-[a-z]+)*:iam::[0-9]{{12}}:(root|(user|role)/({_NAME}/)?{_PART})"
    rf"|arn:aws(-[a-z]+)*:sts::[0-9]{{12}}:(assumed-role/{_PART}/{_PART}|federated-user/{_PART})"
    r"|A[A-Z]{3}[A-Z0-9]{12,124}",  # the unique id that stands for a deleted user or role
    re.ASCII,
)
_OTHER_PRINCIPAL = re.compile(_NAME, re.ASCII)

# ASCII only: some other letters become ASCII ones when their case is changed.
_KEY_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_VENDOR = re.compile(r"\*|[A-Za-z0-9.-]+", re.ASCII)
_ACTION_NAME = re.compile(r"[ -~]*", re.ASCII)
_KEY_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
_PARTITION = re.compile(r"\*|aws(-[a-z]+)*", re.ASCII)

_ARN_COLONS = 5


def require_policy_text(value: object, where: str) -> str:
    """A string of characters that a policy can have. Raises PolicyError."""
    text = require_text(value, where)
    if _TEXT.fullmatch(text) is None:
        raise PolicyError(f"{where} has a character that a policy cannot have.", Problem.SYNTAX)
    return text


def _require_one_of(statement: JsonObject, member: str, missing: Problem) -> tuple[Any, bool]:
    """The value of `member` or of Not`member`, of which a statement has exactly one."""
    given = [name for name in (member, f"Not{member}") if name in statement]
    if len(given) != 1 or (member != "Principal" and statement[given[0]] == []):
        raise PolicyError(
            f"A statement must have exactly one of {member} and Not{member}.",
            Problem.SYNTAX if len(given) > 1 else missing,
        )
    return statement[given[0]], given[0] != member


# ---------------------------------------------------------------- Principal


def parse_principal(statement: JsonObject, kind: PolicyKind) -> PrincipalElement | None:
    """Principal or NotPrincipal; None in an identity-based policy. Raises PolicyError."""
    if kind is PolicyKind.IDENTITY or (kind is PolicyKind.TRUST and "NotPrincipal" in statement):
        if {"Principal", "NotPrincipal"}.isdisjoint(statement):
            return None
        raise PolicyError("The policy must not name these principals.", Problem.PROHIBITED_PRINCIPAL)
    value, negated = _require_one_of(statement, "Principal", Problem.MISSING_PRINCIPAL)
    if type(value) is str and (value == "*" or kind is PolicyKind.TRUST):
        if kind is PolicyKind.TRUST:
            raise PolicyError("Principal must be a JSON object.", Problem.BARE_PRINCIPAL)
        return PrincipalElement(((PrincipalKind.AWS, "*"),), negated)
    if not isinstance(value, dict) or not value:
        raise PolicyError("Principal names nobody.", Problem.EMPTY_PRINCIPAL)
    names = tuple(
        (of, name)
        for of, given in value.items()
        for name in (given if isinstance(given, list) and given else [given])
    )
    for of, name in names:
        form = _AWS_PRINCIPAL if of == PrincipalKind.AWS else _OTHER_PRINCIPAL
        if not _is_kind(of, kind) or type(name) is not str or form.fullmatch(name) is None:
            raise _no_principal((of, name) if isinstance(name, str) else (of,))
    return PrincipalElement(tuple((PrincipalKind(of), name) for of, name in names), negated)


def _is_kind(name: str, kind: PolicyKind) -> bool:
    if kind is PolicyKind.TRUST and name == PrincipalKind.CANONICAL_USER:
        return False
    return name in tuple(PrincipalKind)


def _no_principal(given: tuple[str, ...]) -> PolicyError:
    quoted = ":".join(f'"{one}"' for one in given)
    return PolicyError("A principal is not one.", Problem.PRINCIPAL, (quoted,))


# ---------------------------------------------------------------- Action


def parse_actions(statement: JsonObject, kind: PolicyKind) -> PatternElement:
    """Action or NotAction. Raises PolicyError."""
    value, negated = _require_one_of(statement, "Action", Problem.MISSING_ACTION)
    patterns = tuple(require_policy_text(item, "Action") for item in require_list(value, "Action"))
    for pattern in patterns:
        if kind is PolicyKind.KEY:
            if _KEY_ACTION.fullmatch(pattern) is None:
                raise PolicyError("Action has a value that is not one.", Problem.SYNTAX)
        else:
            _require_action(pattern, kind)
    return PatternElement(patterns, negated)


def _require_action(pattern: str, kind: PolicyKind) -> None:
    if kind is PolicyKind.TRUST and not lower_ascii(pattern).startswith("sts:"):
        raise PolicyError("Action has a value that is none of STS.", Problem.TRUST_ACTION)
    if pattern == "*":
        return
    vendor, colon, name = pattern.partition(":")
    if not colon:
        raise PolicyError("An action must have the name of a service.", Problem.ACTION_VENDOR)
    if ":" in name:
        raise PolicyError("An action must have one colon.", Problem.ACTION_COLONS)
    if _VENDOR.fullmatch(vendor) is None:
        raise PolicyError("An action has the name of no service.", Problem.VENDOR, (vendor,))
    if _ACTION_NAME.fullmatch(name) is None:
        raise PolicyError("Action has a value that is not one.")


# ---------------------------------------------------------------- Resource


def parse_resources(statement: JsonObject, kind: PolicyKind, version: str) -> PatternElement | None:
    """Resource or NotResource; None in a trust policy. Raises PolicyError."""
    if kind is PolicyKind.TRUST:
        if {"Resource", "NotResource"}.isdisjoint(statement):
            return None
        raise PolicyError("A trust policy must not have a Resource.", Problem.PROHIBITED_RESOURCE)
    value, negated = _require_one_of(statement, "Resource", Problem.MISSING_RESOURCE)
    patterns = tuple(require_policy_text(item, "Resource") for item in require_list(value, "Resource"))
    for pattern in patterns:
        if kind is PolicyKind.IDENTITY:
            _require_resource(pattern)
        elif _KEY_RESOURCE.fullmatch(pattern) is None:
            raise PolicyError("Resource has a value that is not one.", Problem.SYNTAX)
        _require_variables_at_the_end(parse_template(pattern, version, wildcards=True))
    return PatternElement(patterns, negated)


def _require_resource(pattern: str) -> None:
    """The order and the words are IAM's: see `policy_resource_form` and the refusals after it."""
    if pattern == "*":
        return
    first, colon, rest = pattern.partition(":")
    if not colon:
        raise PolicyError("A resource must be an ARN.", Problem.RESOURCE_FORM, (pattern,))
    partition, colon, after = rest.partition(":")
    if _PARTITION.fullmatch(partition) is None:
        parts = [*after.split(":", _ARN_COLONS - 2), *["*"] * (_ARN_COLONS - 1)][: _ARN_COLONS - 1]
        if not after:
            parts[0] = "*"
        widened = ":".join(["arn", partition, *parts])
        raise PolicyError("A resource has no known partition.", Problem.PARTITION, (partition, widened))
    if not colon:
        raise PolicyError("A resource must name its service.", Problem.RESOURCE_VENDOR)
    whole = pattern.count(":") >= _ARN_COLONS
    if first != "arn" or not (whole or (pattern.endswith("*") and "::" not in pattern)):
        raise PolicyError("A resource must be an ARN.")


def _require_variables_at_the_end(template: Template) -> None:
    """Variables stand after the fifth colon of an ARN ("Where you can use policy variables")."""
    colons = 0
    for part in template.parts:
        if isinstance(part, str):
            colons += part.count(":")
        elif isinstance(part, Variable) and colons < _ARN_COLONS:
            raise PolicyError("A resource has a policy variable before its fifth colon.")
