"""Key policies and account roots: who may do what, case by case."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.policy_facts import GivenValues
from tests.unit.authorization.policies import (
    KEY_ARN,
    KEY_ID,
    OTHER,
    OWNER,
    decide,
    policy,
    root,
    root_arn,
    statement,
)

from strongroom.authorization.decision import Reason, StatementReference
from strongroom.authorization.key_policy import default_key_policy


@pytest.mark.parametrize(
    ("principal", "owner", "other"),
    [
        pytest.param("*", True, True, id="IAM-Principal-everyone"),
        pytest.param({"AWS": "*"}, True, True, id="IAM-Principal-everyone-AWS"),
        pytest.param({"AWS": root_arn(OWNER)}, True, False, id="KMS-default-policy-root"),
        pytest.param({"AWS": OWNER}, True, False, id="IAM-Principal-account-id"),
        pytest.param({"AWS": root_arn(OTHER)}, False, True, id="KMS-cross-account-root"),
        pytest.param({"AWS": [OTHER]}, False, True, id="KMS-cross-account-id"),
        pytest.param({"AWS": [OTHER, OWNER]}, True, True, id="IAM-Principal-list"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:user/alice"}, False, False, id="IAM-user-is-not-root"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:role/admin"}, False, False, id="IAM-role-is-not-root"),
        pytest.param({"AWS": f"arn:aws-cn:iam::{OWNER}:root"}, False, False, id="other-partition"),
        pytest.param({"Service": "s3.amazonaws.com"}, False, False, id="service-is-not-root"),
        pytest.param({"Federated": OWNER}, False, False, id="federated-with-account-name"),
        pytest.param({"CanonicalUser": OWNER}, False, False, id="canonical-with-account-name"),
        pytest.param({"Service": "s3.amazonaws.com", "AWS": OWNER}, True, False, id="IAM-kinds-are-or"),
    ],
)
def test_allow_principal_form_names_the_right_roots(principal: Any, owner: bool, other: bool) -> None:
    text = policy(statement(Principal=principal))
    assert decide(text).allowed is owner
    assert decide(text, caller=root(OTHER)).allowed is other
    denied = policy(statement(), statement("Deny", Principal=principal))
    assert decide(denied).allowed is not owner
    assert decide(denied, caller=root(OTHER)).allowed is not other


@pytest.mark.parametrize(
    ("elements", "action", "named"),
    [
        ({"Action": "kms:Encrypt"}, "kms:Encrypt", True),
        ({"Action": "KMS:eNCRYPT"}, "kms:Encrypt", True),
        ({"Action": "kms:Encrypt"}, "kms:ReEncryptFrom", False),
        ({"Action": "kms:encryp"}, "kms:Encrypt", False),
        ({"Action": "*"}, "kms:PutKeyPolicy", True),
        ({"Action": "kms:*"}, "kms:PutKeyPolicy", True),
        ({"Action": "kms:ReEncrypt*"}, "kms:ReEncryptTo", True),
        ({"Action": "kms:GenerateDataKey*"}, "kms:GenerateDataKey", True),
        ({"Action": "kms:*Alias"}, "kms:CreateAlias", True),
        ({"Action": "kms:?ncrypt"}, "kms:Encrypt", True),
        ({"Action": "s3:*"}, "kms:Encrypt", False),
        ({"Action": ["s3:*", "kms:En*"]}, "kms:Encrypt", True),
        ({"NotAction": "kms:Decrypt"}, "kms:Encrypt", True),
        ({"NotAction": "kms:Decrypt"}, "kms:Decrypt", False),
        ({"NotAction": "kms:*"}, "kms:Decrypt", False),
        ({"NotAction": ["kms:Describe*", "kms:decrypt"]}, "kms:Decrypt", False),
        ({"NotAction": "s3:*"}, "kms:Decrypt", True),
    ],
    ids=str,
)
def test_statement_action_pattern_applies_to_the_right_actions(
    elements: dict[str, Any], action: str, named: bool
) -> None:
    """Source: IAM JSON policy elements, Action and NotAction (* and ?, case does not count)."""
    assert decide(policy(statement(**elements)), action).allowed is named
    assert decide(policy(statement(), statement("Deny", **elements)), action).allowed is not named


@pytest.mark.parametrize(
    ("elements", "named"),
    [
        ({"Resource": "*"}, True),
        ({"Resource": KEY_ARN}, True),
        ({"Resource": KEY_ARN.upper().replace("ARN:AWS:KMS", "arn:aws:kms")}, False),
        ({"Resource": f"arn:aws:kms:*:{OWNER}:key/*"}, True),
        ({"Resource": "arn:aws:kms:eu-central-?:*:*"}, True),
        ({"Resource": f"arn:aws:kms:eu-central-1:{OWNER}:key/other"}, False),
        ({"Resource": f"arn:aws:kms:eu-central-1:{OWNER}:alias/*"}, False),
        ({"Resource": ["arn:aws:s3:::bucket", KEY_ARN]}, True),
        ({"NotResource": "*"}, False),
        ({"NotResource": KEY_ARN}, False),
        ({"NotResource": "arn:aws:s3:::bucket/*"}, True),
    ],
    ids=str,
)
def test_statement_resource_pattern_applies_to_the_right_keys(elements: dict[str, Any], named: bool) -> None:
    """Source: IAM JSON policy elements, Resource and NotResource (case counts, * crosses : and /)."""
    assert decide(policy(statement(**elements))).allowed is named
    assert decide(policy(statement(), statement("Deny", **elements))).allowed is not named


def test_explicit_deny_wins_wherever_it_stands() -> None:
    """INVARIANT Z1."""
    allow, deny = statement(Sid="a"), statement("Deny", Sid="d", Action="kms:Decrypt")
    for statements in ([allow, deny], [deny, allow], [deny, allow, allow]):
        decision = decide(policy(*statements), "kms:Decrypt")
        assert (decision.allowed, decision.reason) == (False, Reason.DENIED_BY_KEY_POLICY)
        assert decision.statements == (StatementReference(statements.index(deny), "d", "key policy"),)
    assert decide(policy(allow, deny), "kms:Encrypt").allowed


def test_decision_names_every_statement_that_decided() -> None:
    text = policy(
        statement(Sid="yes"),
        statement(Sid="other", Principal={"AWS": OTHER}),
        statement(Action="kms:Enc*"),
    )
    decision = decide(text)
    assert decision.reason is Reason.KEY_POLICY_ALLOWS
    assert decision.statements == (
        StatementReference(0, "yes", "key policy"),
        StatementReference(2, None, "key policy"),
    )


def test_account_root_without_an_allow_has_no_right() -> None:
    """INVARIANT Z3. Source: KMS Developer Guide, Key policies: "including the account root user"."""
    decision = decide(policy(statement(Principal={"AWS": f"arn:aws:iam::{OWNER}:user/alice"})))
    assert (decision.allowed, decision.reason) == (False, Reason.NO_KEY_POLICY_ALLOWS)
    assert decision.statements == ()


def test_default_key_policy_allows_its_account_root_and_nobody_else() -> None:
    text = default_key_policy(OWNER, "aws")
    assert decide(text).allowed
    assert not decide(text, caller=root(OTHER)).allowed


def test_other_account_on_operation_that_does_not_cross_is_denied_whatever_the_policy() -> None:
    """Source: each operation's page in the API reference, Cross-account use."""
    decision = decide(policy(statement()), "kms:DisableKey", root(OTHER), cross_account=False)
    assert (decision.allowed, decision.reason) == (False, Reason.NOT_ACROSS_ACCOUNTS)
    assert decide(policy(statement()), "kms:DisableKey", root(OWNER), cross_account=False).allowed


@pytest.mark.parametrize(
    ("elements", "values", "applies"),
    [
        ({"Condition": {"StringEquals": {"kms:CallerAccount": OWNER}}}, {"kms:CallerAccount": OWNER}, True),
        ({"Condition": {"StringEquals": {"kms:CallerAccount": OWNER}}}, {"kms:CallerAccount": OTHER}, False),
        ({"Condition": {"StringEquals": {"kms:CallerAccount": OWNER}}}, {}, False),
        ({"Condition": {"Null": {"kms:ViaService": "true"}}}, {}, True),
        ({"Condition": {"Null": {"kms:ViaService": "true"}}}, {"kms:ViaService": "s3"}, False),
        ({"Resource": "arn:aws:kms:*:*:key/${aws:userid}"}, {"aws:userid": KEY_ID}, True),
        ({"Resource": "arn:aws:kms:*:*:key/${aws:userid}"}, {"aws:userid": "other"}, False),
        ({"Resource": "arn:aws:kms:*:*:key/${aws:userid}"}, {}, False),
    ],
    ids=str,
)
def test_statement_with_a_condition_applies_when_the_request_fulfils_it(
    elements: dict[str, Any], values: dict[str, str], applies: bool
) -> None:
    """INVARIANT Z2: for an Allow and for a Deny alike."""
    given = GivenValues(values)
    assert decide(policy(statement(**elements)), values=given).allowed is applies
    denied = decide(policy(statement(), statement("Deny", **elements)), values=given)
    assert (denied.reason is Reason.DENIED_BY_KEY_POLICY) is applies
    assert denied.allowed is not applies


def test_condition_key_with_two_values_in_the_request_denies() -> None:
    """INVARIANT Z2: whichever were taken, a statement could be dodged or tricked."""
    condition = {"StringEquals": {"kms:EncryptionContext:a": "1"}}
    values = GivenValues(ambiguous="kms:encryptioncontext:a")
    decision = decide(policy(statement(), statement("Deny", Condition=condition)), values=values)
    assert (decision.allowed, decision.reason) == (False, Reason.AMBIGUOUS_CONDITION)


@pytest.mark.parametrize(
    ("principal", "owner_denied"),
    [
        ({"AWS": OWNER}, False),
        ({"AWS": root_arn(OWNER)}, False),
        ({"AWS": [f"arn:aws:iam::{OWNER}:user/alice", root_arn(OWNER)]}, False),
        ({"AWS": f"arn:aws:iam::{OWNER}:user/alice"}, True),
        ({"AWS": OTHER}, True),
        ({"Service": "s3.amazonaws.com"}, True),
        ("*", False),
    ],
    ids=str,
)
def test_deny_not_principal_applies_unless_the_root_is_listed(principal: Any, owner_denied: bool) -> None:
    """Source: IAM JSON policy elements, NotPrincipal."""
    text = policy(statement(), statement("Deny", NotPrincipal=principal))
    assert decide(text).allowed is not owner_denied


def test_largest_policy_of_nasty_patterns_is_decided_in_bounded_time() -> None:
    """INVARIANT Z6."""
    nasty = ["kms:" + "*e" * 40 + "z" for _ in range(300)]
    text = policy(statement(Action=nasty, Resource=["arn:aws:kms:*:*:" + "*?a" * 30] * 40))
    assert len(text) < 32_768
    started = time.process_time()
    assert not decide(text, "kms:" + "e" * 60).allowed
    assert time.process_time() - started < 1.0
