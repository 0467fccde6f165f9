"""From the text of a key policy to frozen statements.

Everything that is not understood is refused here, when the policy is put, so that evaluation never
meets an element it would have to skip.
Source: IAM JSON policy reference (grammar); KMS Developer Guide, "Elements in a key policy"; AWS's
notice that from August 2025 a statement needs Action or NotAction, and Resource.
"""

from __future__ import annotations

import re
from typing import Any

from strongroom.authorization.policy_document import (
    Condition,
    Effect,
    PatternElement,
    PolicyDocument,
    PolicyKind,
    PrincipalElement,
    PrincipalKind,
    Statement,
)
from strongroom.authorization.policy_error import PolicyError, Problem
from strongroom.authorization.policy_json import (
    JsonNumber,
    JsonObject,
    parse_policy_json,
    require_list,
    require_members,
    require_object,
    require_text,
)

VERSIONS = ("2012-10-17", "2008-10-17")
VERSION_DEFAULT = "2008-10-17"

_DOCUMENT_MEMBERS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_MEMBERS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)

# "A key policy document can include only the following characters" (PutKeyPolicy, Policy). Here for
# what JSON escapes smuggle in; the text itself is held to it by the service model's pattern.
_TEXT = re.compile(r"[\t\n\r -ÿ]*")

# Names of principals. Only "*" is a wildcard; a part of a name is never one.
_NAME = r"[!-)+->@-~]+"
_AWS_PRINCIPAL = re.compile(
    rf"\*|[0-9]{{12}}"
    rf"|arn:aws(-[a-z]+)*:iam::[0-9]{{12}}:(root|user/{_NAME}|role/{_NAME})"
    rf"|arn:aws(-[a-z]+)*:sts::[0-9]{{12}}:(assumed-role/{_NAME}|federated-user/{_NAME})"
    r"|A[A-Z]{3}[A-Z0-9]{12,124}",  # the unique id that stands for a deleted user or role
    re.ASCII,
)
_OTHER_PRINCIPAL = re.compile(_NAME, re.ASCII)

# ASCII only: some other letters become ASCII ones when their case is changed.
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)

_COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_BASE_OPERATORS = frozenset(
    {
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnNotEquals",
        "ArnLike",
        "ArnNotLike",
    }
    | {f"Numeric{comparison}" for comparison in _COMPARISONS}
    | {f"Date{comparison}" for comparison in _COMPARISONS}
)

_CONDITION_KEY = re.compile(r"[^:]+:.+", re.DOTALL)
# Source: AWS's own refusal, quoted in awsdocs/aws-kms-developer-guide#47.
_NOT_PERMITTED_KEYS = ("aws:ResourceTag", "kms:ResourceTag", "kms:ResourceAliases")


def parse_document(text: str, kind: PolicyKind = PolicyKind.KEY) -> PolicyDocument:
    """Raises PolicyError for everything that is not a policy of this kind."""
    document = parse_policy_json(text)
    require_members(document, _DOCUMENT_MEMBERS, "The policy")
    version = require_text(document.get("Version", VERSION_DEFAULT), "Version")
    if version not in VERSIONS:
        raise PolicyError("Version must be 2012-10-17 or 2008-10-17.", Problem.SYNTAX)
    if "Statement" not in document:
        raise PolicyError("The policy must have a Statement.", Problem.SYNTAX)
    return PolicyDocument(
        version=version,
        id=_parse_optional_text(document, "Id"),
        statements=tuple(
            _parse_statement(require_object(statement, "Statement"))
            for statement in require_list(document["Statement"], "Statement")
        ),
    )


def _parse_statement(statement: JsonObject) -> Statement:
    require_members(statement, _STATEMENT_MEMBERS, "A statement")
    effect = statement.get("Effect")
    if type(effect) is not str or effect not in (Effect.ALLOW, Effect.DENY):
        raise PolicyError("Effect must be Allow or Deny.", Problem.SYNTAX)
    principal = _parse_principal(statement)
    if principal.negated and effect == Effect.ALLOW:
        # It would allow everyone that was not thought of.
        raise PolicyError("NotPrincipal must not be used with Allow.", Problem.SYNTAX)
    return Statement(
        sid=_parse_optional_text(statement, "Sid"),
        effect=Effect(effect),
        principal=principal,
        action=_parse_patterns(statement, "Action", _ACTION),
        resource=_parse_patterns(statement, "Resource", _RESOURCE),
        conditions=_parse_conditions(statement.get("Condition", {})),
    )


def _parse_optional_text(of: JsonObject, member: str) -> str | None:
    return _require_policy_text(of[member], member) if member in of else None


def _require_policy_text(value: object, where: str) -> str:
    text = require_text(value, where)
    if _TEXT.fullmatch(text) is None:
        raise PolicyError(f"{where} has a character that a key policy cannot have.", Problem.SYNTAX)
    return text


def _require_one_of(statement: JsonObject, member: str) -> tuple[Any, bool]:
    """The value of `member` or of Not`member`, of which a statement has exactly one."""
    given = [name for name in (member, f"Not{member}") if name in statement]
    if len(given) != 1:
        raise PolicyError(f"A statement must have exactly one of {member} and Not{member}.", Problem.SYNTAX)
    return statement[given[0]], given[0] != member


def _parse_principal(statement: JsonObject) -> PrincipalElement:
    value, negated = _require_one_of(statement, "Principal")
    if value == "*" and type(value) is str:
        return PrincipalElement(((PrincipalKind.AWS, "*"),), negated)
    if not isinstance(value, dict) or not value:
        raise PolicyError("A principal is not one.", Problem.PRINCIPALS)
    names = tuple(
        (kind, name)
        for kind, given in value.items()
        for name in (given if isinstance(given, list) and given else [given])
    )
    for kind, name in names:
        form = _AWS_PRINCIPAL if kind == PrincipalKind.AWS else _OTHER_PRINCIPAL
        if kind not in tuple(PrincipalKind) or type(name) is not str or form.fullmatch(name) is None:
            raise PolicyError("A principal is not one.", Problem.PRINCIPALS)
    return PrincipalElement(tuple((PrincipalKind(kind), name) for kind, name in names), negated)


def _parse_patterns(statement: JsonObject, member: str, form: re.Pattern[str]) -> PatternElement:
    value, negated = _require_one_of(statement, member)
    patterns = tuple(_require_policy_text(item, member) for item in require_list(value, member))
    if any(form.fullmatch(pattern) is None for pattern in patterns):
        raise PolicyError(f"{member} has a value that is not one.", Problem.SYNTAX)
    return PatternElement(patterns, negated)


def _parse_conditions(value: object) -> tuple[Condition, ...]:
    conditions = []
    for operator, keys in require_object(value, "Condition").items():
        if not _is_operator(operator):
            raise PolicyError("Condition has an operator that does not exist.", Problem.SYNTAX)
        if not require_object(keys, "A condition operator"):
            raise PolicyError("A condition operator must have a condition key.", Problem.SYNTAX)
        for key, values in keys.items():
            _require_condition_key(key)
            conditions.append(
                Condition(
                    operator,
                    key,
                    tuple(_parse_value(item) for item in require_list(values, "A condition value")),
                )
            )
    return tuple(conditions)


def _is_operator(operator: str) -> bool:
    base = operator.removeprefix("ForAllValues:").removeprefix("ForAnyValue:")
    if operator.count(":") > 1:
        return False
    return base == "Null" or base.removesuffix("IfExists") in _BASE_OPERATORS


def _require_condition_key(key: str) -> None:
    if _CONDITION_KEY.fullmatch(key) is None or _TEXT.fullmatch(key) is None:
        raise PolicyError("Condition has a key that is not one.", Problem.SYNTAX)
    for name in _NOT_PERMITTED_KEYS:
        if key.split("/", 1)[0].lower() == name.lower():
            raise PolicyError("A condition key is not permitted.", Problem.CONDITION_KEY, name)


def _parse_value(value: object) -> str:
    """A condition's value as text. Escapes may bring any character here: values are data, compared whole."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, JsonNumber):
        return str(value)
    text = require_text(value, "A condition value")
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate is no character
        raise PolicyError("A condition value is not text.", Problem.SYNTAX) from None
    return text
