"""Yes, no, or under conditions: what can be said of a principal before there is a request."""

from __future__ import annotations

from itertools import product

import pytest
from tests.support.policy_facts import GivenValues
from tests.unit.authorization.policies import (
    ALICE_ID,
    KEY_ARN,
    OTHER,
    OWNER,
    allow,
    deny,
    identity_of,
    policy,
    root,
    root_arn,
    statement,
    user,
)

from strongroom.authorization.decision import PolicyType
from strongroom.authorization.evaluation import PolicyInForce, Question, evaluate_resource_policy
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_memory import PolicyMemory
from strongroom.authorization.possibility import Possibility, Verdict, weigh_key_policies
from strongroom.authorization.principals import caller_of
from strongroom.authorization.standings import compile_own_side
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType

CONTEXT, VIA = "kms:EncryptionContext:tenant", "kms:ViaService"
TRUSTS = statement(Principal={"AWS": root_arn(OWNER)}, Sid="trust")
TENANT = {"StringEquals": {CONTEXT: "a"}}
KNOWN_HOLDS = {"StringEquals": {"kms:CallerAccount": OWNER}}
KNOWN_FAILS = {"StringEquals": {"kms:CallerAccount": OTHER}}
KNOWN = "kms:calleraccount"


def setting(
    key_policy: str,
    own: tuple[str, ...],
    boundary: str | None,
    caller: AuthenticatedPrincipal,
    given: GivenValues,
) -> tuple[Question, PolicyInForce, object]:
    memory = PolicyMemory()
    identity = None if caller.type is PrincipalType.ROOT else identity_of(caller, *own, boundary=boundary)
    side = compile_own_side(memory, identity, (), gone=False)
    compiled = memory.find(PolicyKind.KEY, key_policy, frozenset({(user().arn, ALICE_ID)}))
    named = caller_of(caller)
    question = Question(
        named, named.account_id, caller.type is PrincipalType.ROOT, "kms:decrypt", KEY_ARN, OWNER, given, True
    )
    return question, PolicyInForce("key policy", compiled), side


def weighed(
    *statements: dict[str, object],
    own: tuple[str, ...] = (),
    boundary: str | None = None,
    caller: AuthenticatedPrincipal | None = None,
) -> Verdict:
    given = GivenValues({"kms:CallerAccount": OWNER})
    given.prepared.add(KNOWN)
    question, in_force, side = setting(policy(*statements), own, boundary, caller or user(), given)
    return weigh_key_policies(question, in_force, side, lambda key: key == KNOWN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statements", "own", "boundary", "possibility"),
    [
        pytest.param([TRUSTS], [allow()], None, Possibility.YES, id="account-and-identity"),
        pytest.param([TRUSTS], [], None, Possibility.NO, id="account-alone"),
        pytest.param([TRUSTS], [allow(Condition=TENANT)], None, Possibility.IF, id="open-condition"),
        pytest.param([TRUSTS], [allow(Condition=KNOWN_HOLDS)], None, Possibility.YES, id="known-holds"),
        pytest.param([TRUSTS], [allow(Condition=KNOWN_FAILS)], None, Possibility.NO, id="known-fails"),
        pytest.param([TRUSTS], [allow(), deny(Condition=TENANT)], None, Possibility.IF, id="open-deny"),
        pytest.param([TRUSTS], [allow(), deny()], None, Possibility.NO, id="deny"),
        pytest.param([TRUSTS], [allow(), deny(Condition=KNOWN_FAILS)], None, Possibility.YES,
                     id="deny-that-cannot-apply"),
        pytest.param([TRUSTS], [allow()], allow("s3:*"), Possibility.NO, id="boundary"),
        pytest.param([TRUSTS], [allow()], allow(Condition=TENANT), Possibility.IF, id="open-boundary"),
        pytest.param([statement(Principal={"AWS": root_arn(OTHER)})], [allow()], None, Possibility.NO,
                     id="another-account"),
        pytest.param([TRUSTS], [allow(Resource="arn:aws:kms:*:*:key/${aws:FederatedProvider}")], None,
                     Possibility.IF, id="open-variable"),
    ],
)  # fmt: skip
def test_verdict(
    statements: list[dict[str, object]], own: list[str], boundary: str | None, possibility: Possibility
) -> None:
    assert weighed(*statements, own=tuple(own), boundary=boundary).possibility is possibility


def test_verdict_says_by_which_statements_and_under_which_conditions() -> None:
    denies = statement("Deny", Sid="not-b", Condition={"StringEquals": {CONTEXT: "b"}})
    verdict = weighed(TRUSTS, denies, own=(allow(Sid="may", Condition={"StringEquals": {VIA: "s3"}}),))
    assert verdict.possibility is Possibility.IF
    assert [(one.reference.policy, one.reference.sid) for one in verdict.allowing] == [
        ("key policy", "trust"),
        ("policy 0", "may"),
    ]
    assert [(one.operator, one.key, one.values) for one in verdict.allowing[1].conditions] == [
        ("StringEquals", VIA, ("s3",))
    ]
    assert [(one.reference.sid, one.conditions[0].key) for one in verdict.unless] == [("not-b", CONTEXT)]


@pytest.mark.parametrize(
    ("statements", "grant"),
    [
        pytest.param([], Possibility.YES, id="nothing-said"),
        pytest.param([statement("Deny")], Possibility.NO, id="denied"),
        pytest.param([statement("Deny", Condition=TENANT)], Possibility.IF, id="perhaps-denied"),
    ],
)
def test_grant_permits_unless_policies_deny(statements: list[dict[str, object]], grant: Possibility) -> None:
    assert weighed(*(statements or [TRUSTS])).grant is grant


def test_root_needs_the_key_policy_only() -> None:
    assert weighed(TRUSTS, caller=root()).possibility is Possibility.YES
    assert weighed(statement(Principal={"AWS": user().arn}), caller=root()).possibility is Possibility.NO


STATEMENTS = (
    TRUSTS,
    statement(Principal={"AWS": user().arn}, Condition=TENANT),
    statement("Deny", Condition={"StringNotEquals": {VIA: "s3"}}),
    statement("Deny", Condition={"Null": {CONTEXT: "true"}}),
)
OWN = (allow(Condition={"StringLike": {VIA: "s*"}}), allow(), deny(Condition=TENANT))


@pytest.mark.parametrize("chosen", range(1, 2 ** len(STATEMENTS)), ids=lambda bits: f"key-policy-{bits:04b}")
@pytest.mark.parametrize("mine", range(2 ** len(OWN)), ids=lambda bits: f"own-{bits:03b}")
def test_yes_is_allowed_and_no_is_denied_whatever_the_request_has(chosen: int, mine: int) -> None:
    statements = [one for place, one in enumerate(STATEMENTS) if chosen >> place & 1]
    own = tuple(one for place, one in enumerate(OWN) if mine >> place & 1)
    verdict = weighed(*statements, own=own)
    answers = set()
    for tenant, via in product((None, "a", "b"), (None, "s3", "ec2")):
        given: dict[str, tuple[str, ...] | str] = {"kms:CallerAccount": OWNER}
        given |= {} if tenant is None else {CONTEXT: tenant}
        given |= {} if via is None else {VIA: via}
        request = GivenValues(given)
        request.prepared |= {KNOWN, CONTEXT.lower(), VIA.lower()}
        question, in_force, side = setting(policy(*statements), own, None, user(), request)
        decided = evaluate_resource_policy(question, PolicyType.KEY, in_force, side)  # type: ignore[arg-type]
        answers.add(decided.allowed)
    if verdict.possibility is Possibility.YES:
        assert answers == {True}
    elif verdict.possibility is Possibility.NO:
        assert answers == {False}
