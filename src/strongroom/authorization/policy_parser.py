"""From the text of a policy to frozen statements.

Everything that is not understood is refused here, when the policy is put, so that evaluation never
meets an element it would have to skip.
Source: IAM JSON policy reference (grammar); KMS Developer Guide, "Elements in a key policy"; AWS's
notice that from August 2025 a statement of a key policy needs Action or NotAction, and Resource.
"""

from __future__ import annotations

import re

from strongroom.authorization.conditions import compile_condition
from strongroom.authorization.policy_document import (
    Condition,
    Effect,
    PolicyDocument,
    PolicyKind,
    Statement,
)
from strongroom.authorization.policy_elements import (
    parse_actions,
    parse_principal,
    parse_resources,
    require_policy_text,
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
from strongroom.authorization.variables import VERSION_WITH_VARIABLES

VERSIONS = (VERSION_WITH_VARIABLES, "2008-10-17")
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

_SID = re.compile(r"[0-9A-Za-z]*", re.ASCII)
_CONDITION_KEY = re.compile(r"[^:]+:.+", re.DOTALL)
# Source: AWS's own refusal, quoted in awsdocs/aws-kms-developer-guide#47.
_NOT_PERMITTED_KEYS = ("aws:ResourceTag", "kms:ResourceTag", "kms:ResourceAliases")


def parse_document(text: str, kind: PolicyKind = PolicyKind.KEY) -> PolicyDocument:
    """Read a policy of this kind. How long it may be is looked at elsewhere.

    Raises PolicyError for everything that is not one.
    """
    document = parse_policy_json(text)
    require_members(document, _DOCUMENT_MEMBERS, "The policy", kind)
    version = require_text(document.get("Version", VERSION_DEFAULT), "Version")
    if version not in VERSIONS:
        raise PolicyError("Version must be 2012-10-17 or 2008-10-17.", Problem.VERSION)
    if "Statement" not in document:
        raise PolicyError("The policy must have a Statement.", Problem.SYNTAX)
    statements = tuple(
        _parse_statement(require_object(statement, "Statement"), kind, version)
        for statement in require_list(document["Statement"], "Statement")
    )
    if kind is not PolicyKind.KEY:
        _require_distinct_sids(statements)
    return PolicyDocument(version, _parse_optional_text(document, "Id"), statements)


def require_newest_version(document: PolicyDocument) -> None:
    """Managed policies must be written in today's language. Raises PolicyError."""
    if document.version != VERSION_WITH_VARIABLES:
        raise PolicyError("Version must be 2012-10-17.", Problem.OLD_VERSION)


def _parse_statement(statement: JsonObject, kind: PolicyKind, version: str) -> Statement:
    require_members(statement, _STATEMENT_MEMBERS, "A statement", kind)
    effect = statement.get("Effect")
    if type(effect) is not str or effect not in (Effect.ALLOW, Effect.DENY):
        raise PolicyError("Effect must be Allow or Deny.", Problem.SYNTAX)
    principal = parse_principal(statement, kind)
    if principal is not None and principal.negated and effect == Effect.ALLOW:
        # It would allow everyone that was not thought of.
        raise PolicyError("NotPrincipal must not be used with Allow.", Problem.SYNTAX)
    return Statement(
        sid=_parse_sid(statement, kind),
        effect=Effect(effect),
        principal=principal,
        action=parse_actions(statement, kind),
        resource=parse_resources(statement, kind, version),
        conditions=_parse_conditions(statement.get("Condition", {}), kind, version),
    )


def _parse_optional_text(of: JsonObject, member: str) -> str | None:
    return require_policy_text(of[member], member) if member in of else None


def _parse_sid(statement: JsonObject, kind: PolicyKind) -> str | None:
    sid = _parse_optional_text(statement, "Sid")
    if sid is not None and kind is PolicyKind.IDENTITY and _SID.fullmatch(sid) is None:
        raise PolicyError("Sid must be letters and digits.", Problem.SID_FORM)
    return sid


def _require_distinct_sids(statements: tuple[Statement, ...]) -> None:
    sids = [statement.sid for statement in statements if statement.sid]
    if len(set(sids)) != len(sids):
        raise PolicyError("Two statements have the same Sid.", Problem.SIDS_NOT_UNIQUE)


def _parse_conditions(value: object, kind: PolicyKind, version: str) -> tuple[Condition, ...]:
    conditions = []
    for operator, keys in require_object(value, "Condition").items():
        if not require_object(keys, "A condition operator"):
            raise PolicyError("A condition operator must have a condition key.", Problem.SYNTAX)
        for key, values in keys.items():
            _require_condition_key(key, kind)
            texts = tuple(_parse_value(item) for item in require_list(values, "A condition value"))
            condition = Condition(operator, key, texts)
            compile_condition(condition, version, denies=False)  # refuses what could not be compared later
            conditions.append(condition)
    return tuple(conditions)


def _require_condition_key(key: str, kind: PolicyKind) -> None:
    require_policy_text(key, "A condition key")
    if _CONDITION_KEY.fullmatch(key) is None:
        raise PolicyError("Condition has a key that is not one.", Problem.ACTION_VENDOR)
    if kind is not PolicyKind.KEY:
        return
    for name in _NOT_PERMITTED_KEYS:
        if key.split("/", 1)[0].lower() == name.lower():
            raise PolicyError("Condition has a key that is not permitted.", Problem.CONDITION_KEY, (name,))


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
