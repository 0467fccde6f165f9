"""The authorizer: what it remembers, and that remembering never changes an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.authorization.policies import (
    KEY_ARN,
    KEY_ID,
    OTHER,
    OWNER,
    REGION,
    key,
    policy,
    root,
    root_arn,
    statement,
    user,
)

from strongroom.authorization import authorizer as authorizer_module
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision, Reason, denial, require_allowed
from strongroom.authorization.key_policy import default_key_policy
from strongroom.aws.errors import ApiError
from strongroom.identity.principal import PrincipalType
from strongroom.resources.identifiers import alias_arn, key_arn

DEFAULT = default_key_policy(OWNER, "aws")
NOTHING = policy(statement(Principal={"Service": "s3.amazonaws.com"}))
ALIAS_ARN = alias_arn(REGION, OWNER, "alias/example")


def test_authorize_key_asked_again_gives_the_same_decision() -> None:
    authorizer = Authorizer()
    first = authorizer.authorize_key(root(), "kms:Encrypt", key(DEFAULT), True)
    assert first.allowed
    assert authorizer.authorize_key(root(), "kms:Encrypt", key(DEFAULT), True) is first


def test_authorize_key_after_the_policy_changed_decides_by_the_new_one() -> None:
    """INVARIANT Z5."""
    authorizer = Authorizer()
    assert authorizer.authorize_key(root(), "kms:Encrypt", key(DEFAULT), True).allowed
    changed = key(policy(statement(), statement("Deny", Action="kms:Encrypt")), version=2)
    assert not authorizer.authorize_key(root(), "kms:Encrypt", changed, True).allowed
    assert authorizer.authorize_key(root(), "kms:Encrypt", key(DEFAULT, version=3), True).allowed


def test_authorize_key_every_part_of_the_question_counts() -> None:
    """INVARIANT Z5: each pair of questions differs in one part only, asked of one authorizer."""
    authorizer = Authorizer()
    text = policy(statement(Action="kms:Encrypt"))

    def allowed(**change: object) -> bool:
        question: dict[str, object] = {
            "principal": root(),
            "action": "kms:Encrypt",
            "key": key(text),
            "cross_account": False,
        } | change
        return authorizer.authorize_key(**question).allowed  # type: ignore[arg-type]

    assert allowed()
    assert not allowed(action="kms:Decrypt")
    assert not allowed(principal=root(OTHER))
    assert allowed(principal=root(OTHER), cross_account=True)
    assert not allowed(principal=user())
    assert not allowed(principal=replace(root(), type=PrincipalType.ASSUMED_ROLE))
    assert not allowed(key=replace(key(text), account_id=OTHER, arn=key_arn(REGION, OTHER, KEY_ID)))
    assert allowed()


def test_authorize_key_policy_that_names_keys_is_decided_for_each_key() -> None:
    """INVARIANT Z5: keys share a decision only if their policy does not look at the key."""
    authorizer = Authorizer()
    text = policy(statement(Resource=KEY_ARN))
    assert authorizer.authorize_key(root(), "kms:Encrypt", key(text), True).allowed
    other_key = key(text, "99999999-12ab-34cd-56ef-1234567890ab")
    assert not authorizer.authorize_key(root(), "kms:Encrypt", other_key, True).allowed


def test_authorize_key_policy_that_cannot_be_read_allows_nothing() -> None:
    authorizer = Authorizer()
    for text in ("", "{}", policy(statement())[:-1], policy(statement(Action="kms:.*"))):
        decision = authorizer.authorize_key(root(), "kms:Encrypt", key(text), True)
        assert (decision.allowed, decision.reason) == (False, Reason.KEY_POLICY_UNREADABLE)


def test_authorize_key_more_policies_than_fit_are_still_decided_right() -> None:
    authorizer = Authorizer()
    for number in range(authorizer_module.POLICIES_MAX + 50):
        text = policy(statement("Allow" if number % 2 else "Deny", Sid=str(number)))
        assert authorizer.authorize_key(root(), "kms:Encrypt", key(text), True).allowed is bool(number % 2)
    assert len(authorizer._policies) == authorizer_module.POLICIES_MAX


def test_authorize_key_long_policies_do_not_fill_memory() -> None:
    authorizer = Authorizer()
    padding = " " * 32_000
    rounds = authorizer_module.POLICY_CHARACTERS_MAX // 32_000 + 20
    for number in range(rounds):
        authorizer.authorize_key(
            root(), "kms:Encrypt", key(policy(statement(Sid=str(number))) + padding), True
        )
    assert sum(map(len, authorizer._policies)) == authorizer._characters
    assert authorizer._characters <= authorizer_module.POLICY_CHARACTERS_MAX


def test_authorize_key_many_questions_about_one_policy_do_not_fill_memory() -> None:
    authorizer = Authorizer()
    for number in range(authorizer_module.DECISIONS_PER_POLICY_MAX * 2 + 7):
        assert authorizer.authorize_key(root(), f"kms:Encrypt{number}", key(DEFAULT), True).allowed
    (known,) = authorizer._policies.values()
    assert len(known.decisions) <= authorizer_module.DECISIONS_PER_POLICY_MAX


@pytest.mark.parametrize(
    ("caller", "account_id", "allowed"),
    [(root(), OWNER, True), (root(OTHER), OWNER, False), (user(), OWNER, False), (root(), OTHER, False)],
    ids=["own-root", "other-root", "user", "own-root-elsewhere"],
)
def test_authorize_account_and_alias_only_the_accounts_own_root(
    caller: object, account_id: str, allowed: bool
) -> None:
    """Source: CreateKey, ListKeys, CreateAlias: required permissions are identity-based."""
    authorizer = Authorizer()
    by_account = authorizer.authorize_account(caller, "kms:CreateKey", account_id, "*")  # type: ignore[arg-type]
    by_alias = authorizer.authorize_alias(caller, "kms:CreateAlias", ALIAS_ARN, account_id)  # type: ignore[arg-type]
    assert (by_account.allowed, by_alias.allowed) == (allowed, allowed)


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (Reason.EXPLICIT_DENY, "with an explicit deny in a resource-based policy"),
        (Reason.NO_KEY_POLICY_ALLOWS, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.NOT_ACROSS_ACCOUNTS, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.KEY_POLICY_UNREADABLE, "because no resource-based policy allows the kms:Decrypt action"),
        (Reason.NO_IDENTITY_POLICY_ALLOWS, "because no identity-based policy allows the kms:Decrypt action"),
    ],
)
def test_denial_every_reason_has_its_sentence(reason: Reason, ending: str) -> None:
    """Source: aws/refusals.py."""
    error = denial(Decision(False, reason, ()), root(), "kms:Decrypt", KEY_ARN)
    assert (error.code, error.status) == ("AccessDeniedException", 400)
    assert error.message == (
        f"User: {root_arn(OWNER)} is not authorized to perform: kms:Decrypt on resource: {KEY_ARN} {ending}"
    )


def test_require_allowed_raises_only_for_a_denial() -> None:
    require_allowed(Decision(True, Reason.KEY_POLICY_ALLOWS, ()), root(), "kms:Decrypt", KEY_ARN)
    with pytest.raises(ApiError, match="AccessDeniedException"):
        require_allowed(Decision(False, Reason.NO_KEY_POLICY_ALLOWS, ()), root(), "kms:Decrypt", KEY_ARN)
