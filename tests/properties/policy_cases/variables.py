"""Policy variables.

Source: IAM User Guide, "IAM policy elements: Variables and tags", by heading.
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.operator_matrix import ALICE
from tests.properties.policy_cases.worlds import KEY_ARN, KEY_ID, TRUST, allow, deny, policy, user, world

_PAGE = "IAM User Guide, Variables and tags"
_WHERE = f"{_PAGE}: Where you can use policy variables"
_NO_VALUE = f"{_PAGE}: Policy variables with no value"
_DEFAULT = f"{_PAGE}: Specifying default values"
_SPECIAL = f"{_PAGE}: special characters ${{*}}, ${{?}}, ${{$}}"
_USING = f"{_PAGE}: Using variables in policies"

_TAG = "aws:principaltag/team"

# (what, source, condition, values of the request, holds)
_CONDITIONS: list[tuple[str, str, dict[str, Any], dict[str, list[str]], bool]] = [
    ("aws:username in StringEquals", _WHERE, {"StringEquals": {"k:a": "${aws:username}"}}, {"k:a": ["alice"]}, True),
    ("aws:username of another", _WHERE, {"StringEquals": {"k:a": "${aws:username}"}}, {"k:a": ["bob"]}, False),
    ("a variable between text", _WHERE, {"StringEquals": {"k:a": "x/${aws:username}/y"}}, {"k:a": ["x/alice/y"]}, True),
    ("two variables", _WHERE, {"StringEquals": {"k:a": "${aws:username}@${aws:PrincipalAccount}"}},
     {"k:a": ["alice@111122223333"]}, True),
    ("a variable in StringLike", _WHERE, {"StringLike": {"k:a": "${aws:username}/*"}}, {"k:a": ["alice/x"]}, True),
    ("a variable in StringNotLike", _WHERE, {"StringNotLike": {"k:a": "${aws:username}/*"}}, {"k:a": ["alice/x"]}, False),
    ("a variable in StringNotEquals", _WHERE, {"StringNotEquals": {"k:a": "${aws:username}"}}, {"k:a": ["bob"]}, True),
    ("a variable in StringEqualsIgnoreCase", _WHERE, {"StringEqualsIgnoreCase": {"k:a": "${aws:username}"}},
     {"k:a": ["ALICE"]}, True),
    ("a variable in ArnLike", _WHERE, {"ArnLike": {"k:arn": "arn:aws:s3:::home/${aws:username}"}},
     {"k:arn": ["arn:aws:s3:::home/alice"]}, True),
    ("a variable in ArnNotEquals", _WHERE, {"ArnNotEquals": {"k:arn": "arn:aws:s3:::home/${aws:username}"}},
     {"k:arn": ["arn:aws:s3:::home/alice"]}, False),
    ("a variable with ForAllValues", _WHERE, {"ForAllValues:StringEquals": {"k:a": ["${aws:username}", "x"]}},
     {"k:a": ["x", "alice"]}, True),
    ("a variable's name in other letters", _USING, {"StringEquals": {"k:a": "${AWS:UserName}"}}, {"k:a": ["alice"]}, True),
    ("a tag as a variable", f"{_PAGE}: Tags as policy variables", {"StringEquals": {"k:a": "${aws:PrincipalTag/Team}"}},
     {"k:a": ["blue"], _TAG: ["blue"]}, True),
    ("a multivalued key is no variable", _USING, {"StringEquals": {"k:a": "${aws:TagKeys}"}},
     {"k:a": ["x"], "aws:tagkeys": ["x", "y"]}, False),
    ("a multivalued key is no variable, with one value too", _USING, {"StringEquals": {"k:a": "${aws:TagKeys}"}},
     {"k:a": ["x"], "aws:tagkeys": ["x"]}, False),
    ("no value: StringEquals does not match", _NO_VALUE, {"StringEquals": {"k:a": "${aws:PrincipalTag/team}"}},
     {"k:a": ["blue"]}, False),
    ("no value: StringLike does not match", _NO_VALUE, {"StringLike": {"k:a": "*${aws:PrincipalTag/team}*"}},
     {"k:a": ["blue"]}, False),
    ("no value: not the empty text", _NO_VALUE, {"StringEquals": {"k:a": "${aws:PrincipalTag/team}"}}, {"k:a": [""]}, False),
    ("no value: not the variable as it is written", _NO_VALUE, {"StringEquals": {"k:a": "${aws:PrincipalTag/team}"}},
     {"k:a": ["${aws:PrincipalTag/team}"]}, False),
    ("no value: StringNotEquals does match", _NO_VALUE, {"StringNotEquals": {"k:a": "${aws:PrincipalTag/team}"}},
     {"k:a": ["blue"]}, True),
    ("no value: StringNotLike does match", _NO_VALUE, {"StringNotLike": {"k:a": "${aws:PrincipalTag/team}*"}},
     {"k:a": ["blue"]}, True),
    ("no value: another value of the list may match", _NO_VALUE,
     {"StringEquals": {"k:a": ["${aws:PrincipalTag/team}", "blue"]}}, {"k:a": ["blue"]}, True),
    ("no value: another value of a negated list may match", _NO_VALUE,
     {"StringNotEquals": {"k:a": ["${aws:PrincipalTag/team}", "blue"]}}, {"k:a": ["blue"]}, False),
    ("a default where there is no value", _DEFAULT, {"StringEquals": {"k:a": "${aws:PrincipalTag/team, 'company-wide'}"}},
     {"k:a": ["company-wide"]}, True),
    ("a default, and another text", _DEFAULT, {"StringEquals": {"k:a": "${aws:PrincipalTag/team, 'company-wide'}"}},
     {"k:a": ["yellow"]}, False),
    ("no default where there is a value", _DEFAULT, {"StringEquals": {"k:a": "${aws:PrincipalTag/team, 'company-wide'}"}},
     {"k:a": ["company-wide"], _TAG: ["yellow"]}, False),
    ("the value where there is a default too", _DEFAULT,
     {"StringEquals": {"k:a": "${aws:PrincipalTag/team, 'company-wide'}"}}, {"k:a": ["yellow"], _TAG: ["yellow"]}, True),
    ("a default in StringNotEquals", _DEFAULT, {"StringNotEquals": {"k:a": "${aws:PrincipalTag/team, 'x'}"}},
     {"k:a": ["x"]}, False),
    ("${*} in StringLike is a star", _SPECIAL, {"StringLike": {"k:a": "a${*}"}}, {"k:a": ["a*"]}, True),
    ("${*} in StringLike is not any text", _SPECIAL, {"StringLike": {"k:a": "a${*}"}}, {"k:a": ["ab"]}, False),
    ("${?} in StringLike is a question mark", _SPECIAL, {"StringLike": {"k:a": "a${?}"}}, {"k:a": ["a?"]}, True),
    ("${?} in StringLike is not any character", _SPECIAL, {"StringLike": {"k:a": "a${?}"}}, {"k:a": ["ab"]}, False),
    ("${$} is a dollar sign", _SPECIAL, {"StringEquals": {"k:a": "${$}5"}}, {"k:a": ["$5"]}, True),
    ("${*} in StringEquals is a star", _SPECIAL, {"StringEquals": {"k:a": "a${*}"}}, {"k:a": ["a*"]}, True),
    ("${*} beside a real star", _SPECIAL, {"StringLike": {"k:a": "${*}*"}}, {"k:a": ["*anything"]}, True),
    ("what a variable stands for is no pattern: a star", _USING, {"StringLike": {"k:a": "${k:b}"}},
     {"k:a": ["anything"], "k:b": ["*"]}, False),
    ("what a variable stands for is no pattern: a star as itself", _USING, {"StringLike": {"k:a": "${k:b}"}},
     {"k:a": ["*"], "k:b": ["*"]}, True),
    ("what a variable stands for is no variable", _USING, {"StringEquals": {"k:a": "${k:b}"}},
     {"k:a": ["alice"], "k:b": ["${aws:username}"]}, False),
]  # fmt: skip


def _condition_cases(version: str | None = "2012-10-17") -> list[Case]:
    alice = user("alice")
    found = []
    for name, source, condition, values, holds in _CONDITIONS:
        permits = policy(allow(ALICE, Condition=condition), version=version)
        denies = policy(allow(ALICE), deny(ALICE, Condition=condition), version=version)
        found += [
            Case(f"Variable: {name}, in an Allow", source, world(alice, permits, values=values),
                 ALLOW if holds else f"{NO}: resource"),
            Case(f"Variable: {name}, in a Deny", source, world(alice, denies, values=values),
                 "explicit deny: resource" if holds else ALLOW),
        ]  # fmt: skip
    return found


def _old_version_cases() -> list[Case]:
    """Without the version, a variable is a text like any other."""
    found = []
    for version in (None, "2008-10-17"):
        for operator, given, allowed in [
            ("StringEquals", "alice", False),
            ("StringEquals", "${aws:username}", True),
            ("StringLike", "alice", False),
            ("StringLike", "${aws:username}", True),
            ("StringNotEquals", "alice", True),
        ]:
            permits = policy(allow(ALICE, Condition={operator: {"k:a": "${aws:username}"}}), version=version)
            found.append(
                Case(
                    f"Variable: Version {version}, {operator} {given}",
                    f"{_USING}, Note on Version",
                    world(user("alice"), permits, values={"k:a": [given]}),
                    ALLOW if allowed else f"{NO}: resource",
                )
            )
    return found


_PREFIX = KEY_ARN.removesuffix(KEY_ID)


def _resource_cases() -> list[Case]:
    """In an identity-based policy, below the trust of the account."""
    rows: list[tuple[str, str, str, dict[str, list[str]], bool]] = [
        ("the key's id as a tag", "Resource", _PREFIX + "${aws:PrincipalTag/key}", {"aws:principaltag/key": [KEY_ID]}, True),
        ("another key's id", "Resource", _PREFIX + "${aws:PrincipalTag/key}", {"aws:principaltag/key": ["x"]}, False),
        ("no value", "Resource", _PREFIX + "${aws:PrincipalTag/key}", {}, False),
        ("no value beside a star", "Resource", _PREFIX + "*${aws:PrincipalTag/key}", {}, False),
        ("a default", "Resource", _PREFIX + f"${{aws:PrincipalTag/key, '{KEY_ID}'}}", {}, True),
        ("a star for a value", "Resource", _PREFIX + "${aws:PrincipalTag/key}", {"aws:principaltag/key": ["*"]}, False),
        ("a literal star", "Resource", _PREFIX + "${*}", {}, False),
        ("the key's id as a tag", "NotResource", _PREFIX + "${aws:PrincipalTag/key}",
         {"aws:principaltag/key": [KEY_ID]}, False),
    ]  # fmt: skip
    found = []
    for name, element, pattern, values, fits in rows:
        statement = {"Effect": "Allow", "Action": "kms:*", element: pattern}
        found.append(
            Case(
                f"Variable in {element}: {name}, in an Allow",
                _WHERE if "no value" not in name else _NO_VALUE,
                world(user("alice"), [TRUST], [statement], values=values),
                ALLOW if fits else f"{NO}: identity",
            )
        )
        denying = {"Effect": "Deny", "Action": "kms:*", element: pattern}
        found.append(
            Case(
                f"Variable in {element}: {name}, in a Deny",
                _WHERE if "no value" not in name else _NO_VALUE,
                world(user("alice"), [TRUST], [allow(), denying], values=values),
                "explicit deny: identity" if fits else ALLOW,
            )
        )
    return found


def _not_resource_without_a_value() -> list[Case]:
    """What it leaves out is not said, so it must not help: not in an Allow, and in a Deny not either."""
    without = {"Action": "kms:*", "NotResource": _PREFIX + "${aws:PrincipalTag/key}"}
    allows, denies = {"Effect": "Allow"} | without, {"Effect": "Deny"} | without
    name = "Variable in NotResource: no value"
    return [
        Case(f"{name}, in an Allow", _NO_VALUE, world(user("alice"), [TRUST], [allows]), f"{NO}: identity"),
        Case(f"{name}, in a Deny", _NO_VALUE, world(user("alice"), [TRUST], [allow(), denies]),
             "explicit deny: identity"),
    ]  # fmt: skip


VARIABLES = _not_resource_without_a_value() + _condition_cases() + _old_version_cases() + _resource_cases()
