"""Grants as permission: whom, what, under which constraints; child grants; retiring."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.policy_facts import FactsInMemory, GivenValues
from tests.unit.authorization.policies import (
    ADMIN_ID,
    ALICE_ID,
    OTHER,
    OWNER,
    allow,
    answer,
    ask,
    decide,
    deny,
    grant_to,
    identity_of,
    key,
    policy,
    root,
    root_arn,
    service,
    session,
    statement,
    user,
)

from strongroom.authorization import grant_permission
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision, Reason
from strongroom.authorization.grants import GrantIndex, GrantUse, constraints_met, is_no_wider
from strongroom.aws.generated.enums import GrantOperation
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.resources.grant import NO_CONSTRAINTS, Grant, GrantConstraints, GrantTerms

O = GrantOperation  # noqa: E741  (the tables are made of it)
CLOSED = policy(statement(Principal={"Service": "sns.amazonaws.com"}))
ALICE, S1 = user().arn, session().arn
ADMIN = f"arn:aws:iam::{OWNER}:role/admin"
SHUT = allow("s3:*")
BUCKET = "arn:aws:s3:::logs"


def by_grants(
    *grants: Grant,
    caller: AuthenticatedPrincipal | None = None,
    action: str = "kms:Decrypt",
    text: str = CLOSED,
    policies: tuple[str, ...] = (),
    boundary: str | None = None,
    values: dict[str, str] | None = None,
    path: str = "/",
    **asked: Any,
) -> Decision:
    caller = caller or user()
    facts = FactsInMemory()
    facts.grant(*grants)
    if caller.unique_id:
        facts.identities[caller.unique_id] = identity_of(caller, *policies, boundary=boundary, path=path)
    question = ask(key(text), action, caller, values=GivenValues(values), **asked)
    return answer(Authorizer(facts).authorize_key(question))


GRANTEES = [
    ("user", grant_to(ALICE, grantee_id=ALICE_ID), user(), True),
    ("user-made-again", grant_to(ALICE, grantee_id=ALICE_ID), user(unique_id="AIDAAGAIN"), False),
    ("unbound", grant_to(ALICE), user(), False),
    ("another-user", grant_to(ALICE, grantee_id=ALICE_ID), user(name="bob", unique_id="AIDABOB"),
     False),
    ("role-by-its-session", grant_to(ADMIN, grantee_id=ADMIN_ID), session(), True),
    ("role-made-again", grant_to(ADMIN, grantee_id=ADMIN_ID), session(unique_id="AROAAGAIN"), False),
    ("session", grant_to(S1, grantee_id=ADMIN_ID), session(), True),
    ("another-session", grant_to(S1, grantee_id=ADMIN_ID), session(name="s2"), False),
    ("session-of-a-role-made-again", grant_to(S1, grantee_id=ADMIN_ID),
     session(unique_id="AROAAGAIN"), False),
    ("account-by-its-root", grant_to(root_arn(OWNER)), root(), True),
    ("account-by-a-user", grant_to(root_arn(OWNER)), user(), False),
    ("user-by-the-root", grant_to(ALICE, grantee_id=ALICE_ID), root(), False),
    ("another-account", grant_to(root_arn(OTHER)), root(), False),
    ("user-elsewhere", grant_to(user(OTHER).arn, grantee_id=ALICE_ID), user(OTHER), True),
    ("root-elsewhere", grant_to(root_arn(OTHER)), root(OTHER), True),
    ("service", grant_to("s3.amazonaws.com"), service(), True),
    ("another-service", grant_to("sns.amazonaws.com"), service(), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("grant", "caller", "permits"), [row[1:] for row in GRANTEES], ids=[row[0] for row in GRANTEES]
)
def test_grant_permits_the_very_grantee_that_it_was_made_for(
    grant: Grant, caller: AuthenticatedPrincipal, permits: bool
) -> None:
    """INVARIANT Z7. Source: CreateGrant, GranteePrincipal and GranteeServicePrincipal; across accounts a
    grant is enough (KMS Developer Guide, "Troubleshooting AWS KMS permissions")."""
    decision = by_grants(grant, caller=caller)
    assert decision.allowed is permits
    if permits:
        assert decision.reason is Reason.GRANT_ALLOWS
        assert [one.policy for one in decision.statements] == [f"grant {grant.grant_id}"]


def test_grant_to_a_role_with_a_path_is_its_sessions() -> None:
    grant = grant_to(f"arn:aws:iam::{OWNER}:role/ops/admin", grantee_id=ADMIN_ID)
    assert by_grants(grant, caller=session(), path="/ops/").allowed
    assert not by_grants(grant, caller=session()).allowed


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({"text": policy(statement("Deny"))}, Reason.DENIED_BY_KEY_POLICY, id="key-policy"),
        pytest.param({"policies": (deny(),)}, Reason.DENIED_BY_IDENTITY_POLICY, id="identity-policy"),
        pytest.param({"boundary": deny()}, Reason.DENIED_BY_BOUNDARY, id="boundary"),
        pytest.param({"policies": ("{}",)}, Reason.CALLER_POLICY_UNREADABLE, id="unreadable"),
        pytest.param({"text": "{}"}, Reason.KEY_POLICY_UNREADABLE, id="key-policy-unreadable"),
        pytest.param({"boundary": SHUT}, Reason.GRANT_ALLOWS, id="a-boundary-only-leaves-it-out"),
        pytest.param({"policies": (SHUT,)}, Reason.GRANT_ALLOWS, id="identity-policies-leave-it-out"),
    ],
)
def test_grant_is_beaten_by_a_deny_and_by_nothing_less(members: dict[str, Any], reason: Reason) -> None:
    """INVARIANT Z1."""
    assert by_grants(grant_to(ALICE, grantee_id=ALICE_ID), **members).reason is reason


def test_grant_is_beaten_by_the_deny_of_a_session_policy() -> None:
    grant = grant_to(ADMIN, grantee_id=ADMIN_ID)
    denied = by_grants(grant, caller=session(policies=(allow(), deny())))
    assert denied.reason is Reason.DENIED_BY_SESSION_POLICY
    assert by_grants(grant, caller=session(policies=(SHUT,))).allowed


def test_grants_are_asked_only_where_policies_neither_allow_nor_deny() -> None:
    facts = FactsInMemory()
    facts.grant(grant_to(root_arn(OWNER)))
    for text in (policy(statement()), policy(statement("Deny"))):
        decide(text, "kms:Decrypt", facts=facts)
    assert facts.asked == []


@pytest.mark.parametrize(
    ("listed", "action", "permits"),
    [
        ((O.DECRYPT, O.ENCRYPT), "kms:Encrypt", True),
        ((O.DECRYPT,), "kms:Encrypt", False),
        ((O.GENERATE_DATA_KEY,), "kms:GenerateDataKeyPair", False),
        ((O.RE_ENCRYPT_FROM,), "kms:ReEncryptTo", False),
        ((O.DESCRIBE_KEY,), "kms:DescribeKey", True),
        (tuple(GrantOperation), "kms:PutKeyPolicy", False),
        (tuple(GrantOperation), "kms:ScheduleKeyDeletion", False),
    ],
    ids=str,
)
def test_grant_permits_the_operations_that_it_lists(
    listed: tuple[GrantOperation, ...], action: str, permits: bool
) -> None:
    assert by_grants(grant_to(ALICE, *listed, grantee_id=ALICE_ID), action=action).allowed is permits


def equals(**pairs: str) -> GrantConstraints:
    return GrantConstraints(encryption_context_equals=pairs)


def subset(**pairs: str) -> GrantConstraints:
    return GrantConstraints(encryption_context_subset=pairs)


CONTEXTS: list[tuple[GrantConstraints, dict[str, str] | None, bool]] = [
    (subset(Department="IT"), {"Department": "IT", "Purpose": "Test"}, True),
    (subset(Department="IT"), {"Department": "HR"}, False),
    (subset(Department="IT"), {"Department": "it"}, False),
    (subset(Department="IT"), {"department": "IT"}, True),
    (subset(Department="IT"), {"Purpose": "IT"}, False),
    (subset(Department="IT"), {}, False),
    (subset(Department="IT"), None, False),
    (subset(Department="IT", Purpose="Test"), {"Department": "IT"}, False),
    (subset(Department="IT"), {"Department": "HR", "department": "IT"}, False),
    (subset(Department="IT"), {"Department": "IT", "department": "HR"}, False),
    (subset(Department="IT"), {"Department": "IT", "department": "IT"}, True),
    (subset(Department="IT"), {"Department": "IT", "Purpose": "a", "purpose": "b"}, True),
    (subset(K="1"), {"\u212a": "1"}, False),
    (subset(), {"Department": "IT"}, True),
    (equals(Department="IT"), {"Department": "IT"}, True),
    (equals(Department="IT"), {"DEPARTMENT": "IT"}, True),
    (equals(Department="IT"), {"Department": "IT", "Purpose": "Test"}, False),
    (equals(Department="IT", department="IT"), {"Department": "IT"}, False),
    (equals(Department="IT"), {}, False),
    (equals(Department="IT"), None, False),
    (equals(), {}, True),
    (equals(), {"Department": "IT"}, False),
    (NO_CONSTRAINTS, {"Department": "IT"}, True),
    (NO_CONSTRAINTS, None, True),
]


@pytest.mark.parametrize(
    ("constraints", "context", "met"), CONTEXTS, ids=[str(n) for n in range(len(CONTEXTS))]
)
def test_grant_constraint_is_met_by_the_right_encryption_contexts(
    constraints: GrantConstraints, context: dict[str, str] | None, met: bool
) -> None:
    """Source: GrantConstraints: keys are not case sensitive, values are; None: a key that has no context."""
    grant = grant_to(ALICE, O.DECRYPT, O.DESCRIBE_KEY, grantee_id=ALICE_ID, constraints=constraints)
    assert by_grants(grant, encryption_context=context).allowed is met
    assert by_grants(grant, action="kms:DescribeKey").allowed  # "the constraint doesn't apply"


@pytest.mark.parametrize(
    ("given", "permits"),
    [({"aws:SourceArn": BUCKET}, True), ({"aws:SourceArn": BUCKET + "2"}, False), ({}, False)],
    ids=["the-bucket", "another", "none"],
)
def test_grant_source_arn_is_the_requests(given: dict[str, str], permits: bool) -> None:
    """Source: GrantConstraints, SourceArn: "also be applied to the DescribeKey operation"."""
    constraints = GrantConstraints(source_arn=BUCKET)
    grant = grant_to("s3.amazonaws.com", O.DECRYPT, O.DESCRIBE_KEY, constraints=constraints)
    for action in ("kms:Decrypt", "kms:DescribeKey"):
        assert by_grants(grant, caller=service(), action=action, values=given).allowed is permits


CHILDREN: list[tuple[str, GrantConstraints, tuple[GrantOperation, ...], GrantConstraints, bool]] = [
    ("fewer-operations", NO_CONSTRAINTS, (O.DECRYPT,), NO_CONSTRAINTS, True),
    ("create-grant-too", NO_CONSTRAINTS, (O.DECRYPT, O.CREATE_GRANT), NO_CONSTRAINTS, True),
    ("more-operations", NO_CONSTRAINTS, (O.DECRYPT, O.ENCRYPT), NO_CONSTRAINTS, False),
    ("stricter", NO_CONSTRAINTS, (O.DECRYPT,), subset(a="1"), True),
    ("same-subset", subset(a="1"), (O.DECRYPT,), subset(A="1"), True),
    ("stricter-subset", subset(a="1"), (O.DECRYPT,), subset(a="1", b="2"), True),
    ("subset-to-equals", subset(a="1"), (O.DECRYPT,), equals(a="1", c="3"), True),
    ("looser-subset", subset(a="1", b="2"), (O.DECRYPT,), subset(a="1"), False),
    ("another-subset", subset(a="1"), (O.DECRYPT,), subset(b="1"), False),
    ("constraint-dropped", subset(a="1"), (O.DECRYPT,), NO_CONSTRAINTS, False),
    ("same-equals", equals(a="1"), (O.DECRYPT,), equals(A="1"), True),
    ("equals-to-subset", equals(a="1"), (O.DECRYPT,), subset(a="1"), False),
    ("other-equals", equals(a="1"), (O.DECRYPT,), equals(a="1", b="2"), False),
    ("equals-dropped", equals(a="1"), (O.DECRYPT,), NO_CONSTRAINTS, False),
    (
        "source-kept",
        GrantConstraints(source_arn=BUCKET),
        (O.DECRYPT,),
        GrantConstraints(source_arn=BUCKET),
        True,
    ),
    ("source-dropped", GrantConstraints(source_arn=BUCKET), (O.DECRYPT,), NO_CONSTRAINTS, False),
]


@pytest.mark.parametrize(
    ("parent", "operations", "constraints", "permits"),
    [row[1:] for row in CHILDREN],
    ids=[row[0] for row in CHILDREN],
)
def test_child_grant_is_no_wider_than_its_parent(
    parent: GrantConstraints,
    operations: tuple[GrantOperation, ...],
    constraints: GrantConstraints,
    permits: bool,
) -> None:
    """Source: KMS Developer Guide, "Granting CreateGrant permission"; CreateGrant, Constraints."""
    grant = grant_to(ALICE, O.CREATE_GRANT, O.DECRYPT, grantee_id=ALICE_ID, constraints=parent)
    child = GrantTerms(frozenset(operations), constraints)
    values = {"aws:SourceArn": BUCKET}
    decision = by_grants(grant, action="kms:CreateGrant", child_grant=child, values=values)
    assert decision.allowed is permits
    unknown = by_grants(grant, action="kms:CreateGrant", values=values)
    assert not unknown.allowed  # what is to be granted has to be said


def test_child_grant_needs_one_parent_that_permits_it_whole() -> None:
    one = grant_to(ALICE, O.CREATE_GRANT, O.DECRYPT, grantee_id=ALICE_ID)
    two = grant_to(ALICE, O.CREATE_GRANT, O.ENCRYPT, grantee_id=ALICE_ID)
    both = GrantTerms(frozenset({O.DECRYPT, O.ENCRYPT}), NO_CONSTRAINTS)
    assert not by_grants(one, two, action="kms:CreateGrant", child_grant=both).allowed


PAIRS = st.dictionaries(st.sampled_from(["a", "A", "b", "c"]), st.sampled_from(["1", "2"]), max_size=3)
CONSTRAINTS = st.builds(
    lambda kind, pairs, source: GrantConstraints(
        encryption_context_equals=pairs if kind == 1 else None,
        encryption_context_subset=pairs if kind == 2 else None,
        source_arn=source,
    ),
    st.integers(0, 2),
    PAIRS,
    st.sampled_from([None, None, "arn:1", "arn:2"]),
)
GRANTS = st.lists(
    st.builds(
        lambda operations, grantee_id, constraints: grant_to(
            ALICE, *operations, grantee_id=grantee_id, constraints=constraints
        ),
        st.lists(
            st.sampled_from([O.DECRYPT, O.ENCRYPT, O.DESCRIBE_KEY, O.CREATE_GRANT, O.SIGN]),
            min_size=1,
            unique=True,
        ),
        st.sampled_from([ALICE_ID, "AIDAOTHER", None]),
        CONSTRAINTS,
    ),
    max_size=8,
)
USES = st.builds(
    GrantUse,
    st.sampled_from([O.DECRYPT, O.DESCRIBE_KEY, O.CREATE_GRANT, O.SIGN]),
    st.one_of(st.none(), PAIRS),
    st.sampled_from([None, "arn:1"]),
    st.one_of(
        st.none(),
        st.builds(
            GrantTerms, st.frozensets(st.sampled_from([O.DECRYPT, O.ENCRYPT]), min_size=1), CONSTRAINTS
        ),
    ),
)


def permits_plainly(grant: Grant, use: GrantUse) -> bool:
    """As one reads it, one grant for itself."""
    if grant.grantee_id != ALICE_ID or use.operation not in grant.operations:
        return False
    if use.operation is not O.CREATE_GRANT:
        return constraints_met(grant.constraints, use)
    source = grant.constraints.source_arn
    return use.child is not None and source in (None, use.source_arn) and is_no_wider(use.child, grant)


@given(GRANTS, USES)
def test_index_finds_a_grant_exactly_when_one_of_them_permits(grants: list[Grant], use: GrantUse) -> None:
    found = GrantIndex(grants).find(use, ALICE_ID)
    assert (found is not None) is any(permits_plainly(grant, use) for grant in grants)
    assert found is None or permits_plainly(found, use)


@pytest.mark.parametrize("kind", ["subset", "equals", "source"])
def test_index_of_five_thousand_grants_is_asked_without_looking_at_each(kind: str) -> None:
    def constraints(number: int) -> GrantConstraints:
        if kind == "source":
            return GrantConstraints(source_arn=f"arn:aws:s3:::{number}")
        make = subset if kind == "subset" else equals
        return make(app="demo", tenant=str(number))

    grants = [
        grant_to(ALICE, O.DECRYPT, grantee_id=ALICE_ID, constraints=constraints(number))
        for number in range(5000)
    ]
    index = GrantIndex(grants)
    context = {"app": "demo", "tenant": "4999"}
    hit = GrantUse(O.DECRYPT, context, "arn:aws:s3:::4999")
    miss = GrantUse(O.DECRYPT, {"app": "demo", "tenant": "none"}, "arn:aws:s3:::none")
    found = index.find(hit, ALICE_ID)
    assert found is not None
    assert found.grant_id == grants[4999].grant_id
    started = time.process_time()
    for _ in range(1000):
        assert index.find(miss, ALICE_ID) is None
    assert time.process_time() - started < 1.0  # a scan of all would take some seconds


def test_grant_memory_is_bounded_and_arranges_only_what_changed() -> None:
    facts = FactsInMemory()
    memory = grant_permission.GrantMemory(facts)
    facts.grant(grant_to(ALICE, grantee_id=ALICE_ID))
    first = answer(memory.find_index(key(CLOSED), ALICE))
    assert first is not None
    assert answer(memory.find_index(key(CLOSED), ALICE)) is first
    facts.grant(grant_to(ALICE, grantee_id=ALICE_ID))
    second = answer(memory.find_index(key(CLOSED), ALICE))
    assert second is not first
    for number in range(grant_permission.GRANTEES_MAX + 10):
        facts.grants = {f"arn:{number}": (grant_to(ALICE, grantee_id=ALICE_ID),)}
        answer(memory.find_index(key(CLOSED), f"arn:{number}"))
    assert len(memory._kept) == grant_permission.GRANTEES_MAX
    assert memory._size == sum(index.size for _, index in memory._kept.values())


def retires(
    caller: AuthenticatedPrincipal,
    grant: Grant,
    *policies: str,
    text: str = CLOSED,
) -> Decision:
    facts = FactsInMemory()
    if caller.unique_id:
        facts.identities[caller.unique_id] = identity_of(caller, *policies)
    question = ask(key(text), "kms:RetireGrant", caller, values=GivenValues())
    return answer(Authorizer(facts).authorize_retirement(question, grant))


TO_BOB = f"arn:aws:iam::{OWNER}:user/bob"
MAY = allow("kms:RetireGrant")
RETIRED_BY_ALICE = grant_to(TO_BOB, grantee_id="AIDABOB", retiring=ALICE, retiring_id=ALICE_ID)
RETIRED_BY_ADMIN = grant_to(TO_BOB, grantee_id="AIDABOB", retiring=ADMIN, retiring_id=ADMIN_ID)
RETIRED_BY_S1 = grant_to(TO_BOB, grantee_id="AIDABOB", retiring=S1, retiring_id=ADMIN_ID)
PLAIN = grant_to(TO_BOB, grantee_id="AIDABOB")
FROM_OTHER = grant_to(TO_BOB, grantee_id="AIDABOB", issuing_account=root_arn(OTHER))
RETIRED_BY_OTHER = grant_to(TO_BOB, grantee_id="AIDABOB", retiring=root_arn(OTHER))
WITH_RIGHT = grant_to(ALICE, O.DECRYPT, O.RETIRE_GRANT, grantee_id=ALICE_ID)
BY_SERVICE = grant_to(TO_BOB, grantee_id="AIDABOB", retiring_service="s3.amazonaws.com")
STRANGER = "777788889999"

RETIREMENTS: list[tuple[str, AuthenticatedPrincipal, Grant, list[str], bool]] = [
    ("retiring-user", user(), RETIRED_BY_ALICE, [], True),
    ("retiring-user-made-again", user(unique_id="AIDAAGAIN"), RETIRED_BY_ALICE, [], False),
    ("retiring-role-by-its-session", session(), RETIRED_BY_ADMIN, [], True),
    ("retiring-session", session(), RETIRED_BY_S1, [], True),
    ("another-session", session(name="s2"), RETIRED_BY_S1, [], False),
    ("nobody-named", user(), PLAIN, [], False),
    ("grantee-with-the-right", user(), WITH_RIGHT, [], True),
    ("grantee-without-it", user(), grant_to(ALICE, grantee_id=ALICE_ID), [], False),
    ("root-of-the-key's-account", root(), PLAIN, [], True),
    ("user-whom-that-account-lets", user(), PLAIN, [MAY], True),
    ("root-of-the-issuing-account", root(OTHER), FROM_OTHER, [], True),
    ("user-whom-that-account-lets-2", user(OTHER), FROM_OTHER, [MAY], True),
    ("user-elsewhere-with-permission-only", user(OTHER), PLAIN, [MAY], False),
    ("root-as-retiring-principal", root(OTHER), RETIRED_BY_OTHER, [], True),
    ("user-whom-it-lets", user(OTHER), RETIRED_BY_OTHER, [MAY], True),
    ("user-whom-it-does-not-let", user(OTHER), RETIRED_BY_OTHER, [], False),
    ("root-of-no-account-concerned", root(STRANGER), RETIRED_BY_OTHER, [], False),
    ("denied-by-own-policy", user(), RETIRED_BY_ALICE, [deny("kms:RetireGrant")], False),
    ("retiring-service", service(), BY_SERVICE, [], True),
    ("another-service", service("sns"), BY_SERVICE, [], False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "grant", "policies", "may"),
    [row[1:] for row in RETIREMENTS],
    ids=[row[0] for row in RETIREMENTS],
)
def test_retire_grant_who_may(
    caller: AuthenticatedPrincipal, grant: Grant, policies: list[str], may: bool
) -> None:
    """Source: KMS Developer Guide, "Retiring and revoking grants"."""
    assert retires(caller, grant, *policies).allowed is may


def test_retire_grant_key_policy_can_deny_and_cannot_allow() -> None:
    """Source: "The kms:RetireGrant permission is not effective in a key policy"; "use a Deny action"."""
    named = policy(statement(Principal="*", Action="kms:RetireGrant"))
    assert not retires(user(), PLAIN, text=named).allowed
    denies = policy(statement("Deny", Action="kms:RetireGrant"))
    assert retires(user(), RETIRED_BY_ALICE, text=denies).reason is Reason.DENIED_BY_KEY_POLICY
    assert retires(root(), PLAIN, text=denies).reason is Reason.DENIED_BY_KEY_POLICY


def test_child_grant_whose_context_has_the_parents_name_twice_is_wider() -> None:
    """Its user would encrypt under the context of somebody else, with the parent's beside it."""
    parent = grant_to(ALICE, O.DECRYPT, O.CREATE_GRANT, constraints=subset(tenant="a"))
    for constraints in (equals(tenant="b", Tenant="a"), subset(Tenant="b", tenant="a")):
        assert not is_no_wider(GrantTerms(frozenset({O.DECRYPT}), constraints), parent)
    assert is_no_wider(GrantTerms(frozenset({O.DECRYPT}), equals(Tenant="a", x="1")), parent)
