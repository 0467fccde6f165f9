"""Statements compiled: elements against actions and resources, and what emulators are known to get wrong.

Source of the eight wrong answers: moto 5.2.5, measured; each is here as the right one.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.unit.authorization.requests import Values, identity_document, only

from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.statements import CompiledStatement, compile_policy

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = KEY.replace("1234abcd", "ffffffff")
NONE = Values({})
DECRYPT = "kms:decrypt"


def applies(
    one: CompiledStatement, values: Values = NONE, resource: str = KEY, action: str = DECRYPT
) -> bool:
    return one.concerns(action, resource, values) and one.conditions_hold(values)


# ---------------------------------------------------------------- moto's wrong answers


@pytest.mark.parametrize(
    "operator", ["StringNotEquals", "StringLike", "NumericLessThan", "Bool", "IpAddress"]
)
def test_moto_1_operators_other_than_string_equals_are_not_ignored(operator: str) -> None:
    """getmoto/moto#8842."""
    value = {"NumericLessThan": "1", "Bool": "true", "IpAddress": "10.0.0.0/8"}.get(operator, "a")
    given = {"StringNotEquals": "a", "NumericLessThan": "2", "Bool": "false", "IpAddress": "1.2.3.4"}
    statement = only(Condition={operator: {"aws:x": value}})
    assert not applies(statement, Values({"aws:x": given.get(operator, "b")}))


def test_moto_2_missing_key_does_not_pass_string_equals() -> None:
    assert not applies(only(Condition={"StringEquals": {"aws:x": "a"}}))


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_moto_3_not_resource_applies_to_every_other_resource(effect: str) -> None:
    statement = only(effect=effect, Resource=None, NotResource=KEY)
    assert not applies(statement)
    assert applies(statement, resource=OTHER_KEY)
    assert statement.denies is (effect == "Deny")


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_moto_4_and_5_false_condition_makes_a_statement_say_nothing(effect: str) -> None:
    """An Allow with a false condition is no deny, and a Deny with one is none either."""
    statement = only(effect=effect, Condition={"StringEquals": {"aws:x": "a"}})
    assert not applies(statement, Values({"aws:x": "b"}))
    assert applies(statement, Values({"aws:x": "a"}))


# The sixth, a principal that is a part of a name, is in test_principals: moto-substring-of-a-user.


def test_moto_7_case_of_actions_does_not_count() -> None:
    assert applies(only(Action="KMS:dEcRyPt"))
    assert applies(only(Action="Kms:DEC*"))
    assert not applies(only(Action=None, NotAction="KMS:DECRYPT"))


def test_moto_8_dot_in_a_pattern_is_a_dot() -> None:
    assert not applies(only(Action="kms:d.crypt"))
    assert not applies(only(Resource="arn:aws:kms:eu-central-1:111122223333:key/1234abc."))
    assert not applies(only(Resource=KEY.replace("eu-central-1", "eu.central.1")))


# ---------------------------------------------------------------- other classic bugs


def test_yulin_1069_deny_with_arn_not_like_is_not_skipped() -> None:
    deny = only(effect="Deny", Condition={"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::1:role/ok"}})
    assert applies(deny, Values({"aws:PrincipalArn": "arn:aws:iam::1:role/bad"}))
    assert applies(deny)
    assert not applies(deny, Values({"aws:PrincipalArn": "arn:aws:iam::1:role/ok"}))


def test_yulin_1309_for_all_values_of_an_absent_key_holds() -> None:
    assert applies(only(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}))


@pytest.mark.parametrize("kind", PolicyKind)
def test_unknown_operator_is_refused_in_every_kind_of_policy(kind: PolicyKind) -> None:
    """INVARIANT Z4: skipped at evaluation, a Deny would turn into nothing."""
    elements = {
        PolicyKind.KEY: '"Principal": "*", "Action": "kms:*", "Resource": "*"',
        PolicyKind.IDENTITY: '"Action": "kms:*", "Resource": "*"',
        PolicyKind.TRUST: '"Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"',
    }[kind]
    text = '{"Statement": [{"Effect": "Deny", %s, "Condition": {"%s": {"aws:x": "a"}}}]}'
    assert parse_document(text % (elements, "StringEquals"), kind).statements
    with pytest.raises(PolicyError):
        parse_document(text % (elements, "StringEqual"), kind)


def test_number_and_its_text_are_one_value_in_a_policy() -> None:
    for written in (1, "1"):
        assert applies(only(Condition={"StringEquals": {"aws:x": written}}), Values({"aws:x": "1"}))


def test_json_true_and_its_text_are_one_value_in_a_policy() -> None:
    for written in (True, "true"):
        assert applies(only(Condition={"Bool": {"aws:x": written}}), Values({"aws:x": "true"}))
        assert applies(only(Condition={"StringEquals": {"aws:x": written}}), Values({"aws:x": "true"}))


@pytest.mark.parametrize("pattern", ["\u212aMS:Decrypt", "kms:\u212a*"])
def test_kelvin_sign_in_an_action_is_refused(pattern: str) -> None:
    with pytest.raises(PolicyError):
        only(Action=pattern)


# ---------------------------------------------------------------- elements


@pytest.mark.parametrize(
    ("elements", "resource", "expected"),
    [
        pytest.param({"Resource": "*"}, "*", True, id="star-and-no-resource"),
        pytest.param({"Resource": KEY}, "*", False, id="a-key-is-not-every-resource"),
        pytest.param({"Resource": "arn:aws:kms:*"}, KEY, True, id="short-pattern"),
        pytest.param({"Resource": "arn:aws:kms:*:*:key/*"}, KEY, True, id="star-crosses-slash-and-colon"),
        pytest.param({"Resource": "arn:aws:kms:*:111122223333:*"}, KEY, True, id="account"),
        pytest.param({"Resource": "arn:aws:kms:*:444455556666:*"}, KEY, False, id="another-account"),
        pytest.param({"Resource": KEY.upper().replace("ARN:AWS:KMS", "arn:aws:kms")}, KEY, False, id="case"),
        pytest.param({"Resource": ["arn:aws:s3:::b", KEY]}, KEY, True, id="or"),
        pytest.param({"Resource": None, "NotResource": "*"}, KEY, False, id="not-star"),
        pytest.param({"Resource": None, "NotResource": ["arn:aws:s3:::b", KEY]}, KEY, False, id="not-or"),
    ],
)
def test_resource_pattern_names_the_right_resources(
    elements: dict[str, Any], resource: str, expected: bool
) -> None:
    """Source: IAM JSON policy elements, Resource and NotResource."""
    assert applies(only(**elements), resource=resource) is expected


def test_conditions_all_have_to_hold() -> None:
    """Source: "Conditions with multiple context keys or values": a logical AND of operators and of keys."""
    statement = only(
        Condition={
            "StringEquals": {"aws:a": ["1", "2"], "aws:b": "x"},
            "Bool": {"aws:SecureTransport": "true"},
        }
    )
    request = {"aws:a": "2", "aws:b": "x", "aws:SecureTransport": "true"}
    assert applies(statement, Values(request))
    for key in request:
        assert not applies(statement, Values({**request, key: "other"}))
        assert not applies(statement, Values({name: request[name] for name in request if name != key}))
    found = statement.findings(Values({**request, "aws:b": "y"}))
    assert [(one.key, one.held) for one in found] == [
        ("aws:a", True),
        ("aws:b", False),
        ("aws:SecureTransport", True),
    ]


def test_compiled_policy_says_what_it_looks_at() -> None:
    looks = {
        "Resource": ["arn:aws:s3:::${aws:UserName}", KEY],
        "Condition": {"StringLike": {"kms:EncryptionContext:Dept": "${aws:PrincipalTag/Dept, 'none'}"}},
    }
    plain: dict[str, Any] = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    compiled = compile_policy(identity_document(plain, {**plain, **looks}))
    assert compiled.condition_keys == {"aws:username", "kms:encryptioncontext:dept", "aws:principaltag/dept"}
    assert compiled.names_resources
    assert [bool(one.keys) for one in compiled.statements] == [False, True]
    alone = compile_policy(identity_document(plain))
    assert (alone.condition_keys, alone.names_resources) == (frozenset(), False)


# ---------------------------------------------------------------- hostile patterns


@pytest.mark.parametrize(
    ("elements", "key"),
    [
        pytest.param({"Resource": ["arn:aws:kms:a:b:" + "*a" * 40 + "b"] * 60}, "aws:y", id="resource-stars"),
        pytest.param(
            {"Resource": ["arn:aws:kms:a:b:" + "*?a" * 60 + "b"] * 30}, "aws:y", id="resource-marks"
        ),
        pytest.param(
            {"Condition": {"StringLike": {"aws:x": ["*a" * 60 + "b"] * 50}}}, "aws:x", id="condition-stars"
        ),
        pytest.param(
            {"Condition": {"StringNotLike": {"aws:x": ["*?" * 60 + "b"] * 50}}}, "aws:x", id="condition-marks"
        ),
        pytest.param(
            {"Condition": {"ArnLike": {"aws:x": ["arn:*a*a:*:*:*:" + "*a" * 60 + "b"] * 30}}},
            "aws:x",
            id="arn-stars",
        ),
        pytest.param(
            {"Condition": {"StringLike": {"aws:x": ["*${aws:x}*${aws:x}*a" * 3] * 20}}},
            "aws:x",
            id="variables",
        ),
        pytest.param(
            {"Condition": {"StringLike": {"aws:x": ["*" + "?a" * 900 + "b*"] * 8}}}, "aws:x", id="long-marks"
        ),
        pytest.param(
            {"Condition": {"StringLike": {"aws:x": ["*?${aws:z}b*"] * 60}}}, "aws:x", id="long-variables"
        ),
        pytest.param(
            {"Condition": {"StringLike": {"aws:x": ["${aws:z}" * 1500 + "*"] * 3}}},
            "aws:x",
            id="many-variables",
        ),
    ],
)
def test_hostile_pattern_is_decided_in_bounded_time(elements: dict[str, Any], key: str) -> None:
    """INVARIANT Z6."""
    statement = only(**elements)
    long = "a" * 8_000
    values = Values({key: [long, "arn:aws:kms:a:b:" + long], "aws:z": "a" * 3_000})
    started = time.process_time()
    statement.concerns(DECRYPT, "arn:aws:kms:a:b:" + long, values)
    statement.conditions_hold(values)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("operator", ["NumericEquals", "DateEquals", "IpAddress", "BinaryEquals", "ArnLike"])
def test_hostile_request_value_is_read_in_bounded_time(operator: str) -> None:
    wanted = {"IpAddress": "::/0", "BinaryEquals": "QQ==", "ArnLike": "arn:*:*:*:*:*"}.get(operator, "1")
    statement = only(Condition={operator: {"aws:x": [wanted] * 200}})
    started = time.process_time()
    for text in ("9" * 100_000, "1e999", "-" * 100_000, ":" * 100_000, "A" * 100_000, "1e" + "9" * 90):
        statement.conditions_hold(Values({"aws:x": text}))
    assert time.process_time() - started < 2.0
