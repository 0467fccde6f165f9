"""Whom a key policy means among principals that are known by name only: those who come through the proxy."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from strongroom.authorization.ask import AmbiguousCondition, NoValues
from strongroom.authorization.decision import Decision, Reason
from strongroom.authorization.foreign_principals import (
    ForeignAuthority,
    is_named_by,
    parse_foreign_principal,
)
from strongroom.identity.principal import PrincipalType

ACCOUNT = "123456789012"
KEY = "arn:aws:kms:eu-central-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/staff/Alice"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/App"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/App/one"
OTHER_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/App/two"
SERVICE = "ec2.amazonaws.com"


class Told(NoValues):
    """A request without condition keys, of which everything is told but what a test names."""

    def __init__(self, *untold: str) -> None:
        self._untold = untold

    def is_told(self, key: str) -> bool:
        return key not in self._untold


NO_VALUES = Told()


def statement(effect: str, principal: Any, **more: Any) -> dict[str, Any]:
    named = principal if isinstance(principal, dict) or principal == "*" else {"AWS": principal}
    return {"Effect": effect, "Principal": named, "Action": "kms:Decrypt", "Resource": "*", **more}


def decide(
    caller: str, *statements: dict[str, Any], action: str = "kms:Decrypt", values: Any = NO_VALUES
) -> Decision:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    authority = ForeignAuthority()
    deciding = authority.decide(policy, parse_foreign_principal(caller), action, KEY, values)
    return asyncio.run(deciding)


@pytest.mark.parametrize(
    ("text", "type_", "account_id"),
    [
        (ROOT, PrincipalType.ROOT, ACCOUNT),
        (ALICE, PrincipalType.IAM_USER, ACCOUNT),
        (ROLE, PrincipalType.ASSUMED_ROLE, ACCOUNT),
        (SESSION, PrincipalType.ASSUMED_ROLE, ACCOUNT),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", PrincipalType.IAM_USER, ACCOUNT),
        (f"arn:aws-cn:iam::{ACCOUNT}:user/bob", PrincipalType.IAM_USER, ACCOUNT),
        (SERVICE, PrincipalType.AWS_SERVICE, ""),
        ("AWS Internal", PrincipalType.AWS_SERVICE, ""),
    ],
)
def test_principal_is_taken_apart(text: str, type_: PrincipalType, account_id: str) -> None:
    caller = parse_foreign_principal(text)
    assert (caller.type, caller.account_id, caller.arn) == (type_, account_id, text)


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "aws internal", "amazonaws.com", "ec2.amazonaws.com.evil.example", "EC2.amazonaws.com",
        "arn:aws:iam::123456789012:group/admins", "arn:aws:iam::12345678901:user/x",
        "arn:aws:iam::123456789012:user/", "arn:aws:iam::123456789012:user/a b",
        "arn:aws:iam::123456789012:root/x", "arn:aws:iam::123456789012:Root",
        "arn:aws:sts::123456789012:assumed-role/App", "arn:aws:sts::123456789012:assumed-role/a/b/c",
        "arn:evil:iam::123456789012:root", ROOT + "\n", " " + ROOT,
        "arn:aws:iam::123456789012:user/" + "x" * 2048,
        "arn:aws:iam::\u0661\u0662\u0663456789012:root", "arn:aws:iam::123456789012:user/\u00e9",
    ],
)  # fmt: skip
def test_text_that_names_no_principal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no principal"):
        parse_foreign_principal(text)


ALLOWED = [
    (ALICE, ALICE),
    (ALICE, ROOT),
    (ALICE, ACCOUNT),
    (ALICE, "*"),
    (ROOT, ROOT),
    (ROLE, ROLE),
    (ROLE, ROOT),
    (SESSION, SESSION),
    (SESSION, ROLE),  # a session's ARN has not its role's path
    (SESSION, ACCOUNT),
    (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", f"arn:aws:sts::{ACCOUNT}:federated-user/bob"),
    (SERVICE, {"Service": SERVICE}),
    (SERVICE, "*"),
    ("AWS Internal", "*"),
]
NOT_NAMED = [
    (ALICE, f"arn:aws:iam::{ACCOUNT}:user/Alice"),  # another path
    (ALICE, f"arn:aws:iam::{ACCOUNT}:user/staff/alice"),
    (ALICE, f"arn:aws:iam::{ACCOUNT}:role/staff/Alice"),
    (ALICE, "arn:aws:iam::999999999999:root"),
    (ALICE, "arn:aws:iam::999999999999:user/staff/Alice"),
    (ALICE, f"arn:aws-cn:iam::{ACCOUNT}:root"),
    (ALICE, {"Service": SERVICE}),
    (ALICE, "AIDAJQABLZS4A3QDU576Q"),
    (ROOT, ALICE),
    (ROLE, f"arn:aws:iam::{ACCOUNT}:role/App"),
    (ROLE, f"arn:aws:iam::{ACCOUNT}:user/path/App"),
    (SESSION, OTHER_SESSION),
    (SESSION, f"arn:aws:iam::{ACCOUNT}:user/App"),
    (SESSION, "arn:aws:iam::999999999999:role/App"),
    (SESSION, f"arn:aws-cn:iam::{ACCOUNT}:role/App"),
    (SERVICE, {"Service": "s3.amazonaws.com"}),
    (SERVICE, ROOT),
    ("AWS Internal", {"Service": SERVICE}),
]


@pytest.mark.parametrize(("caller", "named"), ALLOWED)
def test_principal_that_is_named_is_allowed_and_denied(caller: str, named: Any) -> None:
    allow, deny = statement("Allow", named), statement("Deny", named, Sid="No")
    assert decide(caller, allow).allowed
    denied = decide(caller, statement("Allow", "*"), deny)
    assert (denied.allowed, denied.reason) == (False, Reason.DENIED_BY_KEY_POLICY)
    assert [(one.index, one.sid, one.policy) for one in denied.statements] == [(1, "No", "key policy")]
    assert not decide(caller, deny, allow).allowed


@pytest.mark.parametrize(("caller", "named"), NOT_NAMED)
def test_principal_that_is_not_named_is_neither(caller: str, named: Any) -> None:
    assert decide(caller, statement("Allow", named)).reason is Reason.NO_KEY_POLICY_ALLOWS
    assert decide(caller, statement("Allow", "*"), statement("Deny", named)).allowed


def test_role_whose_session_is_not_told_is_denied_by_a_deny_of_any_session_and_allowed_by_none() -> None:
    assert not decide(ROLE, statement("Allow", SESSION)).allowed
    assert not decide(ROLE, statement("Allow", "*"), statement("Deny", SESSION)).allowed
    elsewhere = SESSION.replace(ACCOUNT, "999999999999")
    assert decide(ROLE, statement("Allow", "*"), statement("Deny", elsewhere)).allowed


@pytest.mark.parametrize(
    ("caller", "left_out", "allowed"),
    [
        (ALICE, [ALICE, ROOT], True),
        (ALICE, [ALICE], False),  # the account must be listed, too
        (ALICE, [ROOT], False),
        (ROOT, [ROOT], True),
        (ROLE, [ROLE, ROOT], False),  # nor is its session told
        (SESSION, [SESSION, ROLE, ROOT], True),
    ],
)
def test_not_principal_denies_all_but_who_is_listed_wholly(
    caller: str, left_out: list[str], allowed: bool
) -> None:
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": left_out}, "Action": "kms:*", "Resource": "*"}
    assert decide(caller, statement("Allow", "*"), deny).allowed is allowed


def test_other_action_and_unreadable_policy_allow_nothing() -> None:
    assert not decide(ALICE, statement("Allow", ALICE), action="kms:Encrypt").allowed
    assert decide(ALICE, statement("Allow", ALICE, Action="kms:*"), action="kms:Encrypt").allowed
    authority = ForeignAuthority()
    for text in ("", "{}", "[" * 1000):
        deciding = authority.decide(text, parse_foreign_principal(ALICE), "kms:Decrypt", KEY, NO_VALUES)
        decision = asyncio.run(deciding)
        assert decision == Decision(False, Reason.KEY_POLICY_UNREADABLE)


class Ambiguous(Told):
    def values_of(self, key: str) -> None:
        raise AmbiguousCondition


def test_condition_with_two_values_denies() -> None:
    allow = statement("Allow", ALICE, Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})
    assert decide(ALICE, allow, values=Ambiguous()).reason is Reason.AMBIGUOUS_CONDITION
    assert not decide(ALICE, allow).allowed
    deny = statement("Deny", ALICE, Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})
    assert not decide(ALICE, statement("Allow", ALICE), deny).allowed  # what is not told does not help


def test_one_memory_of_policies_keeps_callers_apart() -> None:
    authority = ForeignAuthority()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement("Allow", [ALICE, SESSION])]})
    bob = f"arn:aws:iam::{ACCOUNT}:user/Bob"
    for _ in range(2):
        for caller, allowed in ((ALICE, True), (bob, False), (SESSION, True), (OTHER_SESSION, False)):
            deciding = authority.decide(
                policy, parse_foreign_principal(caller), "kms:Decrypt", KEY, NO_VALUES
            )
            assert asyncio.run(deciding).allowed is allowed


def test_is_named_by_says_which_arns_of_a_policy_may_be_about_a_caller() -> None:
    assert is_named_by(OTHER_SESSION, parse_foreign_principal(ROLE))
    assert is_named_by(OTHER_SESSION, parse_foreign_principal(SESSION))  # told apart by the session's name
    assert not is_named_by(OTHER_SESSION, parse_foreign_principal(ALICE))
    assert not is_named_by("not an ARN", parse_foreign_principal(ROLE))


CONDITIONS = [
    {"StringEquals": {"kms:EncryptionContext:stage": "test"}},
    {"StringNotEquals": {"kms:EncryptionContext:stage": "test"}},
    {"StringNotEqualsIfExists": {"kms:EncryptionContext:stage": "test"}},
    {"StringEqualsIfExists": {"kms:EncryptionContext:stage": "test"}},
    {"ForAllValues:StringEquals": {"kms:EncryptionContext:stage": "test"}},
    {"ForAnyValue:StringEquals": {"kms:EncryptionContext:stage": "test"}},
    {"Null": {"kms:EncryptionContext:stage": "true"}},
    {"Null": {"kms:EncryptionContext:stage": "false"}},
    {"StringEquals": {"aws:PrincipalArn": "${kms:EncryptionContext:stage}"}},
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_condition_on_what_is_not_told_never_allows_and_always_denies(condition: dict[str, Any]) -> None:
    """INVARIANT Z8: the request may have the key or not, and may have any value."""
    values = Told("kms:encryptioncontext:stage")
    conditional = {"Condition": condition}
    assert not decide(ALICE, statement("Allow", ALICE, **conditional), values=values).allowed
    allow = statement("Allow", ALICE)
    decision = decide(ALICE, allow, statement("Deny", ALICE, **conditional), values=values)
    assert decision.reason is Reason.DENIED_BY_KEY_POLICY
    other = statement("Deny", ALICE, **conditional) | {"Action": "kms:Encrypt"}
    assert decide(ALICE, allow, other, values=values).allowed


def test_variable_of_a_resource_that_is_not_told_never_allows_and_always_denies() -> None:
    values = Told("aws:username")
    named = {"Resource": "arn:aws:kms:*:*:key/${aws:username}*"}
    left_out = {"NotResource": "arn:aws:kms:*:*:key/${aws:username}"}
    for element in (named, left_out):
        allow = {name: value for name, value in statement("Allow", ALICE).items() if name != "Resource"}
        assert not decide(ALICE, allow | element, values=values).allowed
        denying = allow | element | {"Effect": "Deny"}
        decision = decide(ALICE, statement("Allow", ALICE), denying, values=values)
        assert decision.reason is Reason.DENIED_BY_KEY_POLICY
