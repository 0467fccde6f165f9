"""Users and roles: key policy, identity-based policies, boundary and session policies together."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.policy_facts import FactsInMemory
from tests.unit.authorization.policies import (
    ADMIN_ID,
    ALICE_ID,
    OTHER,
    OWNER,
    allow,
    answer,
    decide,
    deny,
    identity_of,
    policy,
    root,
    root_arn,
    service,
    session,
    statement,
    user,
)

from strongroom.authorization.ask import Ask
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision, Reason
from strongroom.identity.principal import AuthenticatedPrincipal

R = Reason
ALICE = f"arn:aws:iam::{OWNER}:user/alice"
ADMIN = f"arn:aws:iam::{OWNER}:role/admin"
S1 = f"arn:aws:sts::{OWNER}:assumed-role/admin/s1"
BOUND = {ALICE: ALICE_ID, ADMIN: ADMIN_ID, S1: ADMIN_ID}
TRUSTS = policy(statement(Principal={"AWS": root_arn(OWNER)}))
NOBODY = policy(statement(Principal={"Service": "s3.amazonaws.com"}))
OTHER_ACTION = allow("s3:*")


def names(principal: Any) -> str:
    return policy(statement(Principal=principal))


def in_account(
    text: str, caller: AuthenticatedPrincipal, *policies: str, boundary: str | None = None
) -> Decision:
    return decide(
        text, caller=caller, identity=identity_of(caller, *policies, boundary=boundary), bound=BOUND
    )


@pytest.mark.parametrize(
    ("text", "policies", "reason"),
    [
        pytest.param(TRUSTS, [allow()], R.IDENTITY_POLICY_ALLOWS, id="account-trusted-and-allowed"),
        pytest.param(names({"AWS": OWNER}), [allow()], R.IDENTITY_POLICY_ALLOWS, id="trusted-by-digits"),
        pytest.param(TRUSTS, [], R.NO_IDENTITY_POLICY_ALLOWS, id="trusted-but-nothing-allows"),
        pytest.param(TRUSTS, [OTHER_ACTION], R.NO_IDENTITY_POLICY_ALLOWS, id="trusted-another-action"),
        pytest.param(TRUSTS, [OTHER_ACTION, allow()], R.IDENTITY_POLICY_ALLOWS, id="second-policy-allows"),
        pytest.param(NOBODY, [allow("*")], R.NO_KEY_POLICY_ALLOWS, id="identity-policy-is-powerless"),
        pytest.param(names({"AWS": OTHER}), [allow()], R.NO_KEY_POLICY_ALLOWS, id="another-account-trusted"),
        pytest.param(names({"AWS": ALICE}), [], R.KEY_POLICY_ALLOWS, id="user-named"),
        pytest.param(names({"AWS": ALICE_ID}), [], R.KEY_POLICY_ALLOWS, id="user-named-by-unique-id"),
        pytest.param(names("*"), [], R.KEY_POLICY_ALLOWS, id="everybody"),
        pytest.param(names({"AWS": ADMIN}), [allow()], R.NO_KEY_POLICY_ALLOWS, id="another-principal-named"),
        pytest.param(TRUSTS, [allow(), deny()], R.DENIED_BY_IDENTITY_POLICY, id="identity-deny"),
        pytest.param(names({"AWS": ALICE}), [deny()], R.DENIED_BY_IDENTITY_POLICY, id="deny-beats-naming"),
        pytest.param(
            policy(statement(), statement("Deny", Principal={"AWS": ALICE})),
            [allow()],
            R.DENIED_BY_KEY_POLICY,
            id="key-policy-denies-the-user",
        ),
        pytest.param(
            policy(statement(), statement("Deny", Principal={"AWS": OWNER})),
            [allow()],
            R.DENIED_BY_KEY_POLICY,
            id="key-policy-denies-the-account",
        ),
        pytest.param(TRUSTS, [allow(Resource="arn:aws:kms:*:*:key/0*")], R.NO_IDENTITY_POLICY_ALLOWS,
                     id="identity-policy-of-another-key"),
        pytest.param(TRUSTS, ["{}"], R.CALLER_POLICY_UNREADABLE, id="unreadable-identity-policy"),
        pytest.param(names({"AWS": ALICE}), ["{}"], R.CALLER_POLICY_UNREADABLE,
                     id="unreadable-identity-policy-might-deny"),
    ],
)  # fmt: skip
def test_user_of_the_account_is_decided_by_key_policy_and_identity_policies(
    text: str, policies: list[str], reason: Reason
) -> None:
    """Source: KMS Developer Guide, "Default key policy" and "Troubleshooting AWS KMS permissions"."""
    decision = in_account(text, user(), *policies)
    assert decision.reason is reason
    assert decision.allowed is (reason in (Reason.IDENTITY_POLICY_ALLOWS, Reason.KEY_POLICY_ALLOWS))


def test_user_made_again_under_the_name_is_not_the_one_that_was_named() -> None:
    again = user(unique_id="AIDAAGAINAGAINAGAIN11")
    assert in_account(names({"AWS": ALICE}), again).reason is Reason.NO_KEY_POLICY_ALLOWS
    denied = policy(statement(), statement("Deny", Principal={"AWS": ALICE}))
    assert in_account(denied, again).allowed
    unbound = decide(names({"AWS": ALICE}), caller=user(), identity=identity_of(user()))
    assert unbound.reason is Reason.NO_KEY_POLICY_ALLOWS


@pytest.mark.parametrize("caller", [user(), session()], ids=["user", "session"])
@pytest.mark.parametrize("text", [TRUSTS, names("*")], ids=["trusted", "everybody"])
def test_caller_that_is_gone_is_denied(caller: AuthenticatedPrincipal, text: str) -> None:
    """A session outlives its role; it must not outlive its rights."""
    assert decide(text, caller=caller).reason is Reason.CALLER_GONE


SHUT = allow("s3:*")
OPEN = allow()

LIMITS = [
    # how the key policy names the caller, caller, identity policies, boundary, session policies, reason
    (TRUSTS, "user", [OPEN], SHUT, (), Reason.NO_BOUNDARY_ALLOWS),
    (TRUSTS, "user", [OPEN], OPEN, (), Reason.IDENTITY_POLICY_ALLOWS),
    (TRUSTS, "user", [OPEN], "", (), Reason.NO_BOUNDARY_ALLOWS),
    (TRUSTS, "session", [OPEN], SHUT, (), Reason.NO_BOUNDARY_ALLOWS),
    (TRUSTS, "session", [OPEN], None, (SHUT,), Reason.NO_SESSION_POLICY_ALLOWS),
    (TRUSTS, "session", [OPEN], OPEN, (OPEN,), Reason.IDENTITY_POLICY_ALLOWS),
    (TRUSTS, "session", [OPEN], None, (SHUT, OPEN), Reason.IDENTITY_POLICY_ALLOWS),
    (TRUSTS, "session", [], OPEN, (OPEN,), Reason.NO_IDENTITY_POLICY_ALLOWS),
    (names({"AWS": ALICE}), "user", [], SHUT, (), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": ADMIN}), "session", [], None, (), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": ADMIN}), "session", [], SHUT, (), Reason.NO_BOUNDARY_ALLOWS),
    (names({"AWS": ADMIN}), "session", [], OPEN, (), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": ADMIN}), "session", [], None, (SHUT,), Reason.NO_SESSION_POLICY_ALLOWS),
    (names({"AWS": ADMIN}), "session", [], OPEN, (OPEN,), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": ADMIN_ID}), "session", [], SHUT, (), Reason.NO_BOUNDARY_ALLOWS),
    (names({"AWS": S1}), "session", [], SHUT, (SHUT,), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": [S1, ADMIN]}), "session", [], SHUT, (SHUT,), Reason.KEY_POLICY_ALLOWS),
    (names("*"), "session", [], SHUT, (SHUT,), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": ["*", ADMIN]}), "session", [], SHUT, (SHUT,), Reason.KEY_POLICY_ALLOWS),
    (names("*"), "user", [], SHUT, (), Reason.KEY_POLICY_ALLOWS),
    (names({"AWS": [ADMIN, OWNER]}), "session", [OPEN], SHUT, (), Reason.NO_BOUNDARY_ALLOWS),
    (names({"AWS": S1}), "session", [], deny(), (), Reason.DENIED_BY_BOUNDARY),
    (names({"AWS": S1}), "session", [], None, (deny(),), Reason.DENIED_BY_SESSION_POLICY),
    (names({"AWS": ALICE}), "user", [], deny(), (), Reason.DENIED_BY_BOUNDARY),
]


@pytest.mark.parametrize(
    ("text", "kind", "policies", "boundary", "session_policies", "reason"),
    LIMITS,
    ids=[f"{number}-{row[-1].name.lower()}" for number, row in enumerate(LIMITS)],
)
def test_boundary_and_session_policies_limit_by_how_the_key_policy_names_the_caller(
    text: str,
    kind: str,
    policies: list[str],
    boundary: str | None,
    session_policies: tuple[str, ...],
    reason: Reason,
) -> None:
    """Source: IAM User Guide, "How AWS enforcement code logic evaluates requests": a role's ARN is limited
    by an implicit deny of boundary and session policies; a session's, a user's and `*` are not."""
    caller = user() if kind == "user" else session(policies=session_policies)
    assert in_account(text, caller, *policies, boundary=boundary).reason is reason


def test_managed_session_policies_are_read_and_limit_too() -> None:
    facts = FactsInMemory()
    caller = session(policy_arns=("arn:aws:iam::aws:policy/open", "arn:aws:iam::aws:policy/gone"))
    identity = identity_of(caller, allow())
    assert (
        decide(TRUSTS, caller=caller, identity=identity, facts=facts).reason
        is Reason.NO_SESSION_POLICY_ALLOWS
    )
    facts.policies["arn:aws:iam::aws:policy/open"] = allow()
    assert decide(TRUSTS, caller=caller, identity=identity, facts=facts).allowed


def test_not_principal_never_excepts_a_caller_with_a_boundary() -> None:
    """Source: IAM User Guide, NotPrincipal, key points."""
    text = policy(statement(), statement("Deny", NotPrincipal={"AWS": [OWNER, ALICE]}))
    assert in_account(text, user()).allowed
    assert in_account(text, user(), boundary=allow()).reason is Reason.DENIED_BY_KEY_POLICY


ELSEWHERE = user(OTHER)
ELSEWHERE_ARN = ELSEWHERE.arn


@pytest.mark.parametrize(
    ("principal", "policies", "boundary", "reason"),
    [
        pytest.param({"AWS": OTHER}, [OPEN], None, Reason.IDENTITY_POLICY_ALLOWS, id="both-sides"),
        pytest.param({"AWS": OTHER}, [], None, Reason.NO_IDENTITY_POLICY_ALLOWS, id="key-side-only"),
        pytest.param({"AWS": OWNER}, [OPEN], None, Reason.NO_KEY_POLICY_ALLOWS, id="own-side-only"),
        pytest.param(
            {"AWS": ELSEWHERE_ARN}, [OPEN], None, Reason.IDENTITY_POLICY_ALLOWS, id="user-named-both"
        ),
        pytest.param(
            {"AWS": ELSEWHERE_ARN}, [], None, Reason.NO_IDENTITY_POLICY_ALLOWS, id="user-named-only"
        ),
        pytest.param("*", [], None, Reason.NO_IDENTITY_POLICY_ALLOWS, id="everybody-only"),
        pytest.param({"AWS": OTHER}, [OPEN], SHUT, Reason.NO_BOUNDARY_ALLOWS, id="boundary"),
        pytest.param(
            {"AWS": ELSEWHERE_ARN}, [OPEN], SHUT, Reason.NO_BOUNDARY_ALLOWS, id="boundary-though-named"
        ),
        pytest.param({"AWS": OTHER}, [OPEN, deny()], None, Reason.DENIED_BY_IDENTITY_POLICY, id="own-deny"),
    ],
)
def test_user_of_another_account_needs_both_sides(
    principal: Any, policies: list[str], boundary: str | None, reason: Reason
) -> None:
    """Source: IAM User Guide, "Cross-account policy evaluation logic"."""
    decision = decide(
        names(principal),
        caller=ELSEWHERE,
        identity=identity_of(ELSEWHERE, *policies, boundary=boundary),
        bound={ELSEWHERE_ARN: ALICE_ID},
    )
    assert decision.reason is reason


def test_caller_of_another_account_has_only_operations_that_cross() -> None:
    decision = decide(
        names("*"), caller=ELSEWHERE, cross_account=False, identity=identity_of(ELSEWHERE, allow())
    )
    assert decision.reason is Reason.NOT_ACROSS_ACCOUNTS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (names({"Service": "s3.amazonaws.com"}), Reason.KEY_POLICY_ALLOWS),
        (names({"Service": "sns.amazonaws.com"}), Reason.NO_KEY_POLICY_ALLOWS),
        (TRUSTS, Reason.NO_KEY_POLICY_ALLOWS),
        (policy(statement(), statement("Deny", Principal={"Service": "s3.amazonaws.com"})),
         Reason.DENIED_BY_KEY_POLICY),
    ],
    ids=["named", "another", "account", "denied"],
)  # fmt: skip
def test_service_needs_the_key_policy_and_nothing_else(text: str, reason: Reason) -> None:
    assert decide(text, caller=service(), cross_account=False).reason is reason


RESOURCES = [
    ("root", root(), [], None, Reason.ACCOUNT_ROOT),
    ("root-elsewhere", root(OTHER), [], None, Reason.NO_IDENTITY_POLICY_ALLOWS),
    ("user", user(), [OPEN], None, Reason.IDENTITY_POLICY_ALLOWS),
    ("user-not-allowed", user(), [SHUT], None, Reason.NO_IDENTITY_POLICY_ALLOWS),
    ("user-elsewhere", user(OTHER), [OPEN], None, Reason.NO_IDENTITY_POLICY_ALLOWS),
    ("user-denied", user(), [OPEN, deny()], None, Reason.DENIED_BY_IDENTITY_POLICY),
    ("boundary", user(), [OPEN], SHUT, Reason.NO_BOUNDARY_ALLOWS),
    ("boundary-denies", user(), [OPEN], deny(), Reason.DENIED_BY_BOUNDARY),
    ("session", session(policies=(SHUT,)), [OPEN], None, Reason.NO_SESSION_POLICY_ALLOWS),
    ("service", service(), [], None, Reason.NO_IDENTITY_POLICY_ALLOWS),
]


@pytest.mark.parametrize(
    ("caller", "policies", "boundary", "reason"),
    [row[1:] for row in RESOURCES],
    ids=[row[0] for row in RESOURCES],
)
def test_resource_without_a_policy_is_decided_by_the_callers_own(
    caller: AuthenticatedPrincipal, policies: list[str], boundary: str | None, reason: Reason
) -> None:
    """CreateKey, ListKeys, aliases, and all of IAM. Source: each operation's "Required permissions"."""
    facts = FactsInMemory()
    if caller.unique_id:
        facts.identities[caller.unique_id] = identity_of(caller, *policies, boundary=boundary)
    decision = answer(Authorizer(facts).authorize_resource(Ask(caller, "kms:CreateKey", "*", OWNER)))
    assert decision.reason is reason


ASSUME = "sts:AssumeRole"
ROLE = f"arn:aws:iam::{OWNER}:role/target"
MAY_ASSUME = allow(ASSUME, Resource=ROLE)

TRUST = [
    ("user-named", {"AWS": ALICE}, user(), [], Reason.TRUST_POLICY_ALLOWS),
    ("account-and-allowed", {"AWS": OWNER}, user(), [MAY_ASSUME], Reason.IDENTITY_POLICY_ALLOWS),
    ("account-only", {"AWS": OWNER}, user(), [], Reason.NO_IDENTITY_POLICY_ALLOWS),
    ("not-trusted", {"AWS": ADMIN}, user(), [MAY_ASSUME], Reason.NO_TRUST_POLICY_ALLOWS),
    ("role-named", {"AWS": ADMIN}, session(), [], Reason.TRUST_POLICY_ALLOWS),
    ("role-limited", {"AWS": ADMIN}, session(policies=(SHUT,)), [], Reason.NO_SESSION_POLICY_ALLOWS),
    ("denied-by-own", {"AWS": ALICE}, user(), [deny(ASSUME)], Reason.DENIED_BY_IDENTITY_POLICY),
    ("elsewhere-both", {"AWS": OTHER}, user(OTHER), [MAY_ASSUME], Reason.IDENTITY_POLICY_ALLOWS),
    ("elsewhere-named-only", {"AWS": user(OTHER).arn}, user(OTHER), [], Reason.NO_IDENTITY_POLICY_ALLOWS),
    ("service", {"Service": "s3.amazonaws.com"}, service(), [], Reason.TRUST_POLICY_ALLOWS),
    ("root", {"AWS": OWNER}, root(), [], Reason.TRUST_POLICY_ALLOWS),
]


@pytest.mark.parametrize(
    ("principal", "caller", "policies", "reason"), [row[1:] for row in TRUST], ids=[row[0] for row in TRUST]
)
def test_role_is_assumed_by_its_trust_policy_and_the_callers_own(
    principal: Any, caller: AuthenticatedPrincipal, policies: list[str], reason: Reason
) -> None:
    """Source: IAM User Guide, "Grant a user permissions to switch roles": a named user of the account needs
    no policy of its own; STS API reference, AssumeRole."""
    facts = FactsInMemory()
    if caller.unique_id:
        facts.identities[caller.unique_id] = identity_of(caller, *policies)
    trust = policy(statement(Principal=principal, Action=ASSUME, Resource=None))
    asked = Ask(caller, ASSUME, ROLE, OWNER, cross_account=True)
    bound = BOUND | {user(OTHER).arn: ALICE_ID}
    decision = answer(Authorizer(facts).authorize_trust(asked, trust, bound))
    assert decision.reason is reason
    refused = policy(statement("Deny", Principal=principal, Action=ASSUME, Resource=None))
    if reason is not Reason.NO_TRUST_POLICY_ALLOWS:
        denied = answer(Authorizer(facts).authorize_trust(asked, refused, bound))
        assert denied.reason is Reason.DENIED_BY_TRUST_POLICY
    unreadable = answer(Authorizer(facts).authorize_trust(asked, "{}", bound))
    assert unreadable.reason is Reason.TRUST_POLICY_UNREADABLE


def test_decision_names_the_statements_of_every_policy_that_was_needed() -> None:
    caller = session(policies=(allow(),))
    decision = in_account(TRUSTS, caller, SHUT, allow(Sid="may"), boundary=allow(Sid="limit"))
    assert [(one.policy, one.index, one.sid) for one in decision.statements] == [
        ("key policy", 0, None),
        ("policy 1", 0, "may"),
        ("permissions boundary arn:aws:iam::aws:policy/b", 0, "limit"),
        ("session policy", 0, None),
    ]
    denied = in_account(TRUSTS, caller, deny(Sid="no"), boundary=deny())
    assert [(one.policy, one.sid) for one in denied.statements] == [
        ("policy 0", "no"),
        ("permissions boundary arn:aws:iam::aws:policy/b", None),
    ]
