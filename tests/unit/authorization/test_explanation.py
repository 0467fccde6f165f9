"""A decision laid open for the operator."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.policy_facts import FactsInMemory, GivenValues
from tests.unit.authorization.policies import (
    ALICE_ID,
    OTHER,
    OWNER,
    allow,
    answer,
    ask,
    deny,
    grant_to,
    identity_of,
    key,
    policy,
    root,
    root_arn,
    statement,
    user,
)

from strongroom.authorization.ask import Ask
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import PolicyType, Reason
from strongroom.authorization.explanation import Explanation
from strongroom.authorization.principals import PrincipalMatch
from strongroom.aws.generated.enums import GrantOperation
from strongroom.resources.grant import Grant, GrantConstraints, GrantTerms

ALICE = user().arn
TRUSTS = policy(statement(Principal={"AWS": root_arn(OWNER)}, Sid="trust"))


def explained(
    text: str = TRUSTS,
    *policies: str,
    boundary: str | None = None,
    grants: tuple[Grant, ...] = (),
    values: dict[str, str] | None = None,
    action: str = "kms:Decrypt",
    caller: Any = None,
    **asked: Any,
) -> Explanation:
    caller = caller or user()
    facts = FactsInMemory()
    facts.identities[ALICE_ID] = identity_of(user(), *policies, boundary=boundary)
    facts.grant(*grants)
    question = ask(key(text), action, caller, values=GivenValues(values), **asked)
    return answer(Authorizer(facts).explain_key(question))


def test_explanation_shows_every_policy_in_the_order_in_which_it_is_heard() -> None:
    made = explained(TRUSTS, allow("s3:*", Sid="other"), allow(Sid="may"), boundary=allow())
    assert made.decision.reason is Reason.IDENTITY_POLICY_ALLOWS
    assert (made.principal_arn, made.action, made.would_allow) == (ALICE, "kms:Decrypt", ())
    assert [(one.type, one.label, one.readable) for one in made.policies] == [
        (PolicyType.KEY, "key policy", True),
        (PolicyType.IDENTITY, "policy 0", True),
        (PolicyType.IDENTITY, "policy 1", True),
        (PolicyType.BOUNDARY, "permissions boundary arn:aws:iam::aws:policy/b", True),
    ]
    (trust,), (other,), (may,), _ = (one.statements for one in made.policies)
    assert (trust.names_caller, trust.applies, trust.misses) == (PrincipalMatch.ACCOUNT, True, ())
    assert (other.names_caller, other.action_matches, other.applies) == (None, False, False)
    assert other.misses == ("its Action does not match",)
    assert (may.applies, may.reference.policy, may.reference.sid) == (True, "policy 1", "may")


def test_explanation_shows_the_values_of_each_condition_and_the_nearest_miss() -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:app": ["x", "z"]}}
    made = explained(TRUSTS, allow(Sid="if", Condition=condition), values={"kms:EncryptionContext:app": "y"})
    (finding,) = made.policies[1].statements[0].conditions
    assert (finding.operator, finding.key) == ("StringEquals", "kms:EncryptionContext:app")
    assert (finding.policy_values, finding.request_values, finding.held) == (("x", "z"), ("y",), False)
    assert made.would_allow == (
        "statement 1 (if) of policy 0, but its condition StringEquals kms:EncryptionContext:app "
        "asks for x, z and the request has y",
        f"an identity-based policy of the caller that allows kms:Decrypt on {made.resource_arn}",
        f"a grant to {ALICE} of the operation Decrypt",
    )


@pytest.mark.parametrize(
    ("text", "policies", "boundary", "first"),
    [
        pytest.param(TRUSTS, [allow(), deny(Sid="no")], None,
                     "without statement 1 (no) of policy 1, which denies it", id="explicit-deny"),
        pytest.param(TRUSTS, [allow(), deny(Condition={"Null": {"aws:SourceIp": "true"}})], None,
                     "without statement 1 of policy 1, which denies it, or another value under its condition "
                     "Null aws:SourceIp", id="conditional-deny"),
        pytest.param(policy(statement(Principal={"AWS": OTHER})), [allow()], None,
                     "statement 1 of key policy, but its Principal does not name the caller", id="not-named"),
        pytest.param(policy(statement(Action="kms:Encrypt")), [], None,
                     "statement 1 of key policy, but its Action does not match", id="another-action"),
        pytest.param(TRUSTS, [allow()], allow(Resource="arn:aws:kms:*:*:key/x"),
                     "statement 1 of permissions boundary arn:aws:iam::aws:policy/b, but its Resource does "
                     "not match", id="boundary"),
    ],
)  # fmt: skip
def test_explanation_says_first_what_would_have_allowed_it(
    text: str, policies: list[str], boundary: str | None, first: str
) -> None:
    made = explained(text, *policies, boundary=boundary)
    assert not made.decision.allowed
    assert made.would_allow[0] == first


def test_explanation_says_why_each_grant_does_not_permit() -> None:
    tenant = GrantConstraints(encryption_context_subset={"tenant": "7"})
    grants = (
        grant_to(ALICE, grantee_id=ALICE_ID, constraints=tenant),
        grant_to(ALICE, GrantOperation.ENCRYPT, grantee_id=ALICE_ID),
        grant_to(ALICE, grantee_id="AIDAGONE"),
        grant_to(ALICE),
    )
    made = explained(grants=grants, encryption_context={"tenant": "8"})
    assert [one.misses for one in made.grants] == [
        ("the request does not meet its constraints",),
        ("it does not list Decrypt",),
        ("its grantee was another of the same name, which is gone",),
        ("its grantee did not exist when it was made",),
    ]
    assert made.would_allow[0] == f"grant {grants[0].grant_id}, but {made.grants[0].misses[0]}"
    permitted = explained(grants=grants, encryption_context={"tenant": "7"})
    assert permitted.decision.reason is Reason.GRANT_ALLOWS
    assert permitted.grants[0].misses == ()
    assert explained(grants=grants, action="kms:PutKeyPolicy").grants[0].misses == (
        "no grant can permit this operation",
    )
    child = GrantTerms(frozenset({GrantOperation.SIGN}), GrantConstraints())
    parent = grant_to(ALICE, GrantOperation.CREATE_GRANT, GrantOperation.DECRYPT, grantee_id=ALICE_ID)
    narrow = explained(grants=(parent,), action="kms:CreateGrant", child_grant=child)
    assert narrow.grants[0].misses == ("it permits less than the grant that is to be made",)


@pytest.mark.parametrize(
    ("text", "caller", "reason", "would"),
    [
        ("{}", root(), Reason.KEY_POLICY_UNREADABLE, "a key policy that can be read"),
        (TRUSTS, user(unique_id="AIDAGONE"), Reason.CALLER_GONE, "a user or role that exists"),
    ],
    ids=["unreadable", "gone"],
)
def test_explanation_of_what_cannot_be_decided(text: str, caller: Any, reason: Reason, would: str) -> None:
    made = explained(text, caller=caller)
    assert made.decision.reason is reason
    assert would in made.would_allow


def test_explanation_of_two_values_of_one_condition_key() -> None:
    text = policy(statement(Condition={"StringEquals": {"kms:EncryptionContext:a": "1"}}))
    values = GivenValues(ambiguous="kms:encryptioncontext:a")
    made = answer(Authorizer(FactsInMemory()).explain_key(ask(key(text), values=values)))
    assert (made.decision.reason, made.policies) == (Reason.AMBIGUOUS_CONDITION, ())


def test_explanation_without_a_key_shows_the_callers_policies_alone() -> None:
    facts = FactsInMemory()
    facts.identities[ALICE_ID] = identity_of(user(), allow("kms:List*"))
    question = Ask(user(), "kms:CreateKey", "*", OWNER, GivenValues())
    made = answer(Authorizer(facts).explain_resource(question))
    assert [one.label for one in made.policies] == ["policy 0"]
    assert made.would_allow == (
        "statement 1 of policy 0, but its Action does not match",
        "an identity-based policy of the caller that allows kms:CreateKey on *",
    )
