"""The authorizer: what it remembers, and that remembering never changes an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.policy_facts import FactsInMemory, GivenValues
from tests.unit.authorization.policies import (
    ALICE_ID,
    KEY_ARN,
    KEY_ID,
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
    service,
    session,
    statement,
    user,
)

from strongroom.authorization import policy_memory, standings
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import DENIED_BY, Decision, Reason, denial, require_allowed
from strongroom.authorization.key_policy import default_key_policy
from strongroom.aws.errors import ApiError
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.identifiers import key_arn

DEFAULT = default_key_policy(OWNER, "aws")
NOTHING = policy(statement(Principal={"Service": "s3.amazonaws.com"}))
ALICE = user().arn


class Asked:
    """One authorizer with its facts, asked again and again."""

    def __init__(self) -> None:
        self.facts = FactsInMemory()
        self.authorizer = Authorizer(self.facts)

    def decide(self, about: Any, action: str = "kms:Decrypt", *given: Any, **named: Any) -> Decision:
        return answer(self.authorizer.authorize_key(ask(about, action, *given, **named)))

    def allowed(self, about: Any, *given: Any, **named: Any) -> bool:
        return self.decide(about, *given, **named).allowed


def test_authorize_key_asked_again_gives_the_same_decision() -> None:
    asked = Asked()
    first = asked.decide(key(DEFAULT))
    assert first.allowed
    assert asked.decide(key(DEFAULT)) is first


def test_authorize_key_after_the_policy_changed_decides_by_the_new_one() -> None:
    """INVARIANT Z5."""
    asked = Asked()
    assert asked.allowed(key(DEFAULT))
    changed = key(policy(statement(), statement("Deny", Action="kms:Decrypt")), version=2)
    assert not asked.allowed(changed)
    assert asked.allowed(key(DEFAULT, version=3))


def test_authorize_key_every_part_of_the_question_counts() -> None:
    """INVARIANT Z5: each pair of questions differs in one part only, asked of one authorizer."""
    asked = Asked()
    text = policy(statement(Action="kms:Encrypt"))
    about = key(text)

    def allowed(
        about: Any = about, action: str = "kms:Encrypt", caller: Any = None, cross: bool = False
    ) -> bool:
        return asked.allowed(about, action, caller, cross)

    assert allowed()
    assert not allowed(action="kms:Decrypt")
    assert not allowed(caller=root(OTHER))
    assert allowed(caller=root(OTHER), cross=True)
    assert not allowed(caller=user())  # who is gone
    assert not allowed(caller=replace(user(), type=PrincipalType.ASSUMED_ROLE))
    assert not allowed(about=replace(about, account_id=OTHER, arn=key_arn(about.region, OTHER, KEY_ID)))
    assert allowed()


def test_authorize_key_same_text_with_other_bindings_is_another_policy() -> None:
    """INVARIANT Z5."""
    asked = Asked()
    asked.facts.identities[ALICE_ID] = identity_of(user())
    text = policy(statement(Principal={"AWS": ALICE}))
    assert asked.allowed(key(text, bound={ALICE: ALICE_ID}), "kms:Decrypt", user())
    assert not asked.allowed(key(text, bound={ALICE: "AIDAANOTHERANOTHER111"}), "kms:Decrypt", user())
    assert not asked.allowed(key(text), "kms:Decrypt", user())


def test_authorize_key_policy_that_names_keys_is_decided_for_each_key() -> None:
    """INVARIANT Z5: keys share a decision only if no policy looks at the key."""
    asked = Asked()
    other = "99999999-12ab-34cd-56ef-1234567890ab"
    text = policy(statement(Resource=KEY_ARN))
    assert asked.allowed(key(text))
    assert not asked.allowed(key(text, other))
    asked.facts.identities[ALICE_ID] = identity_of(user(), allow(Resource=KEY_ARN))
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", user())
    assert not asked.allowed(key(DEFAULT, other), "kms:Decrypt", user())


CHANGES: list[tuple[str, bool, Callable[[FactsInMemory], object]]] = [
    ("identity-policy-taken-away", True, lambda f: f.identities.update({ALICE_ID: identity_of(user())})),
    ("deny-attached", True, lambda f: f.identities.update({ALICE_ID: identity_of(user(), allow(), deny())})),
    (
        "boundary-set",
        True,
        lambda f: f.identities.update({ALICE_ID: identity_of(user(), allow(), boundary=allow("s3:*"))}),
    ),
    ("user-deleted", True, lambda f: f.identities.clear()),
]


@pytest.mark.parametrize("change", [row[2] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_authorize_key_after_the_identity_changed_decides_anew(
    change: Callable[[FactsInMemory], object],
) -> None:
    """INVARIANT Z5."""
    asked = Asked()
    asked.facts.identities[ALICE_ID] = identity_of(user(), allow())
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", user())
    change(asked.facts)
    assert not asked.allowed(key(DEFAULT), "kms:Decrypt", user())
    asked.facts.identities[ALICE_ID] = identity_of(user(), allow())
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", user())


def test_authorize_key_after_a_grant_came_or_went_decides_anew() -> None:
    """INVARIANT Z5: grants are asked each time."""
    asked = Asked()
    asked.facts.identities[ALICE_ID] = identity_of(user())
    assert not asked.allowed(key(NOTHING), "kms:Decrypt", user())
    asked.facts.grant(grant_to(ALICE, grantee_id=ALICE_ID))
    assert asked.decide(key(NOTHING), "kms:Decrypt", user()).reason is Reason.GRANT_ALLOWS
    asked.facts.grants.clear()
    assert not asked.allowed(key(NOTHING), "kms:Decrypt", user())


def test_authorize_key_sessions_with_other_policies_are_decided_apart() -> None:
    """INVARIANT Z5."""
    asked = Asked()
    shut, opened = session(policies=(allow("s3:*"),)), session(policies=(allow(),))
    asked.facts.identities[shut.unique_id] = identity_of(shut, allow())
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", opened)
    assert not asked.allowed(key(DEFAULT), "kms:Decrypt", shut)
    managed = session(policy_arns=("arn:aws:iam::111122223333:policy/p",))
    asked.facts.policies["arn:aws:iam::111122223333:policy/p"] = allow()
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", managed)
    asked.facts.policies["arn:aws:iam::111122223333:policy/p"] = allow("s3:*")
    assert not asked.allowed(key(DEFAULT), "kms:Decrypt", managed)


def test_authorize_key_values_of_the_conditions_are_part_of_what_is_remembered() -> None:
    """INVARIANT Z5: those that the policies look at, and no others are even worked out."""
    asked = Asked()
    text = policy(statement(Condition={"StringEquals": {"kms:EncryptionContext:App": "x"}}))
    for value, expected in (("x", True), ("y", False), ("x", True)):
        values = GivenValues({"kms:EncryptionContext:App": value, "aws:SourceIp": "203.0.113.7"})
        assert asked.allowed(key(text), "kms:Decrypt", values=values) is expected
        assert values.asked == {"kms:encryptioncontext:app"}
    assert not asked.allowed(key(text), "kms:Decrypt", values=GivenValues())
    untouched = GivenValues({"kms:EncryptionContext:App": "x"})
    assert asked.allowed(key(DEFAULT), "kms:Decrypt", values=untouched)
    assert untouched.prepared == set()


def test_authorize_key_policy_that_cannot_be_read_allows_nothing() -> None:
    """INVARIANT Z3: not even by a grant."""
    asked = Asked()
    asked.facts.grant(grant_to(root_arn(OWNER)))
    for text in ("", "{}", policy(statement())[:-1], policy(statement(Action="kms:.*"))):
        decision = asked.decide(key(text))
        assert (decision.allowed, decision.reason) == (False, Reason.KEY_POLICY_UNREADABLE)


def test_authorize_key_more_policies_than_fit_are_still_decided_right() -> None:
    asked = Asked()
    for number in range(policy_memory.POLICIES_MAX + 50):
        text = policy(statement("Allow" if number % 2 else "Deny", Sid=str(number)))
        assert asked.allowed(key(text)) is bool(number % 2)
    assert asked.authorizer._policies.size[0] == policy_memory.POLICIES_MAX
    assert asked.authorizer._standings.size[0] == standings.STANDINGS_MAX


def test_authorize_key_long_policies_do_not_fill_memory() -> None:
    asked = Asked()
    padding = " " * 32_000
    for number in range(policy_memory.POLICY_CHARACTERS_MAX // 32_000 + 20):
        asked.decide(key(policy(statement(Sid=str(number))) + padding))
    assert asked.authorizer._policies.size[1] <= policy_memory.POLICY_CHARACTERS_MAX
    assert asked.authorizer._standings.size[2] <= standings.STANDING_CHARACTERS_MAX
    assert asked.authorizer._standings.size[1] == asked.authorizer._standings.size[0]


def test_authorize_key_many_questions_about_one_policy_do_not_fill_memory() -> None:
    asked = Asked()
    for number in range(standings.DECISIONS_PER_STANDING_MAX * 2 + 7):
        assert asked.allowed(key(DEFAULT), f"kms:Encrypt{number}")
    (standing,) = asked.authorizer._standings.found.values()
    assert len(standing.decisions) <= standings.DECISIONS_PER_STANDING_MAX
    assert asked.authorizer._standings.size[1] == len(standing.decisions)


def test_authorize_key_decisions_of_many_callers_do_not_fill_memory() -> None:
    asked = Asked()
    callers = [session(name=f"s{number}") for number in range(100)]
    asked.facts.identities[callers[0].unique_id] = identity_of(callers[0], allow())
    for number in range(standings.DECISIONS_MAX // 100 + 20):
        for caller in callers:
            asked.decide(key(DEFAULT), f"kms:Encrypt{number}", caller)
    assert asked.authorizer._standings.size[1] <= standings.DECISIONS_MAX
    assert asked.authorizer._standings.size[1] == sum(
        len(one.decisions) for one in asked.authorizer._standings.found.values()
    )


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_authorize_key_sessions_of_one_name_are_told_apart_by_their_provider(effect: str) -> None:
    """AssumeRole and AssumeRoleWithWebIdentity may give sessions of one role the same name."""
    asked, provider = Asked(), f"arn:aws:iam::{OWNER}:oidc-provider/idp.example"
    plain = session()
    assert plain.session is not None
    federated = replace(plain, session=replace(plain.session, federated_provider=provider))
    asked.facts.identities[plain.unique_id] = identity_of(plain, allow())
    by_account = [statement(Principal={"AWS": OWNER})] if effect == "Deny" else []
    about = key(policy(*by_account, statement(effect, Principal={"Federated": provider})))
    for first, second in ((plain, federated), (federated, plain)):
        asked.authorizer = Authorizer(asked.facts)
        for caller in (first, second):
            is_named = caller is federated
            assert asked.allowed(about, "kms:Decrypt", caller) is (is_named == (effect == "Allow"))


def test_authorize_key_long_values_that_callers_choose_are_not_kept() -> None:
    asked = Asked()
    text = policy(statement(Condition={"StringLike": {"kms:EncryptionContext:a": "*"}}))
    long = GivenValues({"kms:EncryptionContext:a": "x" * (standings.REMEMBERED_CHARACTERS_MAX + 1)})
    assert asked.allowed(key(text), "kms:Decrypt", values=long)
    assert asked.authorizer._standings.size[1] == 0


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (Reason.DENIED_BY_KEY_POLICY, "with an explicit deny in a resource-based policy"),
        (Reason.DENIED_BY_TRUST_POLICY, "with an explicit deny in the role trust policy"),
        (Reason.DENIED_BY_IDENTITY_POLICY, "with an explicit deny in an identity-based policy"),
        (Reason.DENIED_BY_BOUNDARY, "with an explicit deny in a permissions boundary"),
        (Reason.DENIED_BY_SESSION_POLICY, "with an explicit deny in a session policy"),
        (Reason.NO_KEY_POLICY_ALLOWS, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.NOT_ACROSS_ACCOUNTS, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.KEY_POLICY_UNREADABLE, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.NO_TRUST_POLICY_ALLOWS, "because no role trust policy allows the kms:Decrypt action"),
        (Reason.TRUST_POLICY_UNREADABLE, "because no role trust policy allows the kms:Decrypt action"),
        (Reason.NO_IDENTITY_POLICY_ALLOWS, "because no identity-based policy allows the kms:Decrypt action"),
        (Reason.CALLER_POLICY_UNREADABLE, "because no identity-based policy allows the kms:Decrypt action"),
        (Reason.CALLER_GONE, "because no identity-based policy allows the kms:Decrypt action"),
        (Reason.AMBIGUOUS_CONDITION, "because no identity-based policy allows the kms:Decrypt action"),
        (Reason.NO_BOUNDARY_ALLOWS, "because no permissions boundary allows the kms:Decrypt action"),
        (Reason.NO_SESSION_POLICY_ALLOWS, "because no session policy allows the kms:Decrypt action"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Reason) else None,
)
def test_denial_every_reason_has_its_sentence(reason: Reason, ending: str) -> None:
    """Source: IAM User Guide, "Troubleshoot access denied error messages"; aws/refusals.py."""
    error = denial(Decision(False, reason), root(), "kms:Decrypt", KEY_ARN)
    assert (error.code, error.status) == ("AccessDeniedException", 400)
    assert error.message == (
        f"User: {root_arn(OWNER)} is not authorized to perform: kms:Decrypt on resource: {KEY_ARN} {ending}"
    )


def test_denial_no_reason_is_without_a_sentence() -> None:
    allowing = {reason for reason in Reason if "ALLOWS" in reason.name and not reason.name.startswith("NO_")}
    allowing |= {Reason.ACCOUNT_ROOT, Reason.GRANT_SAYS_WHO_RETIRES_IT}
    for reason in set(Reason) - allowing:
        assert denial(Decision(False, reason), root(), "kms:Decrypt", KEY_ARN).message
    assert set(DENIED_BY.values()) < set(Reason) - allowing


def test_require_allowed_raises_only_for_a_denial() -> None:
    require_allowed(Decision(True, Reason.KEY_POLICY_ALLOWS), root(), "kms:Decrypt", KEY_ARN)
    with pytest.raises(ApiError, match="AccessDeniedException"):
        require_allowed(Decision(False, Reason.NO_KEY_POLICY_ALLOWS), root(), "kms:Decrypt", KEY_ARN)


@pytest.mark.parametrize("caller", [root(), service()], ids=["root", "service"])
def test_authorize_key_of_a_root_or_service_asks_the_store_nothing(caller: AuthenticatedPrincipal) -> None:
    asked = Asked()
    asked.decide(key(policy(statement())), "kms:Decrypt", caller)
    assert asked.facts.asked == []
