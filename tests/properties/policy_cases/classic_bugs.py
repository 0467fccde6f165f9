"""Wrong answers that emulators and home-made engines have given, each by its name.

moto's are those of its 5.2.5 (getmoto/moto#8842 and measured); Yulin's are its issues 1069 and 1309.
"""

from __future__ import annotations

import json
from typing import Any

from tests.properties.policy_cases.case import ALLOW, DENIED, NO, Case
from tests.properties.policy_cases.operator_matrix import ALICE
from tests.properties.policy_cases.worlds import (
    KEY_ARN,
    OTHER,
    OWNER,
    TRUST,
    allow,
    aws,
    deny,
    grant,
    policy,
    role_arn,
    root,
    session,
    unique_id,
    user,
    user_arn,
    world,
)

_OPERATORS = "IAM User Guide, Condition operators"
_LOGIC = "IAM User Guide, Policy evaluation logic"
_alice = user("alice")
_NO_RESOURCE = f"{NO}: resource"
_X = "aws:RequestTag/x"
_GIVEN = {"aws:requesttag/x": ["blue"]}


def _case(name: str, source: str, key_policy: Any, expected: str, caller: Any = None, **more: Any) -> Case:
    return Case(f"Classic: {name}", source, world(caller or _alice, key_policy, **more), expected)


def _when(effect: str, operator: str, value: Any) -> list[dict[str, Any]]:
    condition = {"Condition": {operator: {_X: value}}}
    return [allow(ALICE, **condition)] if effect == "Allow" else [allow(ALICE), deny(ALICE, **condition)]


MOTO = [
    _case("moto 1: an operator other than StringEquals is ignored", _OPERATORS, _when("Allow", "StringLike", "r*"),
          _NO_RESOURCE, values=_GIVEN),
    _case("moto 1: the same in a Deny", _OPERATORS, _when("Deny", "StringLike", "b*"), "explicit deny: resource",
          values=_GIVEN),
    _case("moto 2: a key that is absent passes StringEquals", _OPERATORS, _when("Allow", "StringEquals", "blue"),
          _NO_RESOURCE),
    _case("moto 3: Deny with NotResource permits", "IAM User Guide, NotResource", [TRUST],
          "explicit deny: identity",
          identity=[allow(), {"Effect": "Deny", "Action": "kms:*", "NotResource": "arn:aws:s3:::*"}]),
    _case("moto 4: an Allow whose condition is false denies", _LOGIC,
          [allow(ALICE), *_when("Allow", "StringEquals", "red")], ALLOW, values=_GIVEN),
    _case("moto 5: a Deny whose condition is false denies", _LOGIC, _when("Deny", "StringEquals", "red"), ALLOW,
          values=_GIVEN),
    _case("moto 6: a principal is looked for inside of a string", "IAM User Guide, Principal",
          [allow(aws(user_arn("alice-and-more")))], _NO_RESOURCE),
    _case("moto 6: the account within another principal", "IAM User Guide, Principal",
          [allow(aws(user_arn("alice")))], _NO_RESOURCE, caller=root()),
    _case("moto 7: actions are case-sensitive", "IAM User Guide, Action", [allow(ALICE, "KMS:decrypt")], ALLOW),
    _case("moto 7: the same in a Deny", "IAM User Guide, Action", [allow(ALICE), deny(ALICE, "kms:dEcrypt")],
          "explicit deny: resource"),
    _case("moto 8: a dot is any character", "IAM User Guide, Resource", [TRUST], f"{NO}: identity",
          identity=[allow(resource=KEY_ARN.replace("-", "."))]),
    _case("moto 8: a dot in an action", "IAM User Guide, Action", [allow(ALICE, "kms:Decryp.")], DENIED),
]  # fmt: skip

YULIN = [
    _case("Yulin 1069: a Deny with ArnNotLike is skipped", f"{_OPERATORS}#Conditions_ARN",
          [allow(ALICE), deny("*", Condition={"ArnNotLike": {"aws:PrincipalArn": role_arn("*")}})],
          "explicit deny: resource"),
    _case("Yulin 1069: a Deny with an operator that does not exist is skipped", f"{_OPERATORS}: the operators there are",
          [allow(ALICE), deny("*", Condition={"StringSounds": {"aws:PrincipalArn": "x"}})], DENIED),
    _case("Yulin 1069: an Allow with an operator that does not exist", f"{_OPERATORS}: the operators there are",
          [allow(ALICE, Condition={"StringSounds": {"aws:PrincipalArn": "x"}})], DENIED),
    _case("Yulin 1069: a quantifier that does not exist", f"{_OPERATORS}: the operators there are",
          [allow(ALICE), deny("*", Condition={"ForSomeValues:StringEquals": {_X: "blue"}})], DENIED, values=_GIVEN),
    _case("Yulin 1309: ForAllValues and a key that is absent", "IAM User Guide, Single-valued vs. multivalued context keys",
          [allow(ALICE, Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}})], ALLOW),
    _case("Yulin 1309: the same in a Deny", "IAM User Guide, Single-valued vs. multivalued context keys",
          [allow(ALICE), deny(ALICE, Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}})],
          "explicit deny: resource"),
]  # fmt: skip

_ORDER = [allow(ALICE), deny(ALICE)]

OTHERS = [
    _case("the first match decides", _LOGIC, _ORDER, "explicit deny: resource"),
    _case("the last match decides", _LOGIC, _ORDER[::-1], "explicit deny: resource"),
    _case("a grant beats a deny", "KMS Developer Guide, Grants in AWS KMS", [TRUST], "explicit deny: identity",
          identity=[deny()], grants=[grant(user_arn("alice"), grantee_id=unique_id("user", "alice"))]),
    _case("the administrator needs no key policy", "KMS Developer Guide, Key policies", [allow(aws(user_arn("bob")))],
          _NO_RESOURCE, identity=[allow(None, "*")]),
    _case("the root needs no key policy", "KMS Developer Guide, Key policies", [allow(aws(user_arn("bob")))], _NO_RESOURCE,
          caller=root()),
    _case("the trust of the account allows each of its users", "KMS Developer Guide, Default key policy", [TRUST],
          f"{NO}: identity"),
    _case("one side is enough across accounts", "IAM User Guide, Cross-account policy evaluation logic",
          [allow(aws(user_arn("bob", OTHER)))], f"{NO}: identity", caller=user("bob", OTHER)),
    _case("a negated operator fails where the key is absent", _OPERATORS, _when("Deny", "StringNotEquals", "blue"),
          "explicit deny: resource"),
    _case("values of a negated operator are an OR", "IAM User Guide, Conditions with multiple context keys or values",
          _when("Deny", "StringNotEquals", ["red", "blue"]), ALLOW, values=_GIVEN),
    _case("keys of one operator are an OR", "IAM User Guide, Conditions with multiple context keys or values",
          [allow(ALICE, Condition={"StringEquals": {_X: "blue", "aws:RequestTag/y": "red"}})], _NO_RESOURCE, values=_GIVEN),
    _case("Null true means that the key is there", f"{_OPERATORS}#Conditions_Null", _when("Allow", "Null", "true"),
          _NO_RESOURCE, values=_GIVEN),
    _case("IfExists passes whatever the value", f"{_OPERATORS}#Conditions_IfExists",
          _when("Allow", "StringEqualsIfExists", "red"), _NO_RESOURCE, values=_GIVEN),
    _case("IfExists of a negated operator in a Deny does not deny", f"{_OPERATORS}#Conditions_IfExists",
          _when("Deny", "StringNotEqualsIfExists", "blue"), "explicit deny: resource"),
    _case("the number one and the text 1 differ", "IAM User Guide, Grammar of the IAM JSON policy language",
          [allow(ALICE, Condition={"NumericEquals": {_X: 1}})], ALLOW, values={"aws:requesttag/x": ["1"]}),
    _case("JSON's true and the text true differ", "IAM User Guide, Grammar of the IAM JSON policy language",
          [allow(ALICE, Condition={"Bool": {"aws:SecureTransport": True}})], ALLOW),
    _case("letters are folded for compatibility", f"{_OPERATORS}#Conditions_String",
          _when("Allow", "StringEqualsIgnoreCase", "ﬁne"), _NO_RESOURCE, values={"aws:requesttag/x": ["fine"]}),
    _case("a name that was deleted and made again", "IAM User Guide, Principal: IAM user principals", [allow(ALICE)],
          _NO_RESOURCE, caller=user("alice", life=2)),
    _case("the session named, and another one asks", "IAM User Guide, Principal: Role session principals",
          [allow(aws(f"arn:aws:sts::{OWNER}:assumed-role/app/s1"))], _NO_RESOURCE, caller=session("app", "s10")),
    _case("a boundary gives", "IAM User Guide, Permissions boundaries for IAM entities", [TRUST], f"{NO}: identity",
          boundary=policy(allow())),
    _case("a session policy gives", "IAM User Guide, Policies and permissions: Session policies", [TRUST],
          f"{NO}: identity", caller=session("app", policies=[policy(allow())])),
    _case("a session policy's deny is not seen", "IAM User Guide, Policies and permissions: Session policies",
          [allow(aws(f"arn:aws:sts::{OWNER}:assumed-role/app/s1"))], "explicit deny: session",
          caller=session("app", policies=[policy(deny())])),
    _case("a star in a variable's value is a wildcard", "IAM User Guide, Variables and tags",
          [allow(ALICE, Condition={"StringLike": {_X: "${aws:PrincipalTag/t}"}})], _NO_RESOURCE,
          values=_GIVEN | {"aws:principaltag/t": ["*"]}),
    _case("a pattern that takes for ever, and does not match", "IAM User Guide, Condition operators#Conditions_String",
          _when("Allow", "StringLike", "*a" * 200 + "b"), _NO_RESOURCE, values={"aws:requesttag/x": ["a" * 2000]}),
]  # fmt: skip


def _texts() -> list[Case]:
    """Policies whose text no dict can be: they should never have been stored, and allow nothing."""
    twice = json.dumps(policy(allow(ALICE))).replace(
        '"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"'
    )
    torn = json.dumps(policy(allow(ALICE)))[:-1]
    found = []
    for name, text in [
        ("a member given twice, the last one counts", twice),
        ("a text that ends early", torn),
        ("an empty text", ""),
        ("a text that is no object", "[]"),
        ("an effect in other letters", json.dumps(policy(allow(ALICE))).replace('"Allow"', '"allow"')),
    ]:
        case = _case(name, "IAM User Guide, Grammar of the IAM JSON policy language", [allow(ALICE)], DENIED)
        found.append(case)
        case.world["key"]["text"] = text
    return found


UNREADABLE_TEXTS = _texts()
CLASSIC_BUGS = MOTO + YULIN + OTHERS
