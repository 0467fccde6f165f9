"""What holds for every key policy: against a slow evaluator of the raw JSON, and in what direction."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.policy_facts import FactsInMemory
from tests.unit.authorization.policies import (
    KEY_ARN,
    OTHER,
    OWNER,
    answer,
    ask,
    decide,
    key,
    policy,
    root,
    root_arn,
)

from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Reason
from strongroom.identity.principal import AuthenticatedPrincipal

PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": OWNER},
    {"AWS": [root_arn(OTHER), "arn:aws:iam::111122223333:user/alice"]},
    {"AWS": [root_arn(OWNER)], "Service": ["s3.amazonaws.com"]},
    {"Service": "s3.amazonaws.com"},
]
ACTIONS = ["*", "kms:*", "kms:Encrypt", "kms:encrypt", "KMS:De*", "kms:*crypt*", "kms:?ecrypt", "s3:*"]
RESOURCES = ["*", KEY_ARN, "arn:aws:kms:*:*:key/*", "arn:aws:kms:*:444455556666:*", KEY_ARN.upper().lower()]
ASKED = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:PutKeyPolicy"]


def maybe_list(values: list[str]) -> st.SearchStrategy[Any]:
    some = st.sampled_from(values)
    return st.one_of(some, st.lists(some, min_size=1, max_size=3))


@st.composite
def statements(draw: st.DrawFn, effects: tuple[str, ...] = ("Allow", "Deny")) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(effects))}
    negatable = draw(st.booleans()) and made["Effect"] == "Deny"
    made["NotPrincipal" if negatable else "Principal"] = draw(st.sampled_from(PRINCIPALS))
    made[draw(st.sampled_from(["Action", "NotAction"]))] = draw(maybe_list(ACTIONS))
    made[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(maybe_list(RESOURCES))
    if draw(st.booleans()):
        made["Condition"] = draw(st.sampled_from([{}, {"Bool": {"aws:SecureTransport": "true"}}]))
    return made


policies = st.lists(statements(), min_size=1, max_size=5)
callers = st.sampled_from([root(OWNER), root(OTHER)])
actions = st.sampled_from(ASKED)


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def fits(pattern: str, text: str, flags: int) -> bool:
    translated = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(translated, text, flags | re.DOTALL) is not None


def element(statement: dict[str, Any], name: str, fitting: Any) -> bool:
    if name in statement:
        return any(map(fitting, listed(statement[name])))
    return not any(map(fitting, listed(statement[f"Not{name}"])))


def names_root(value: Any, caller: AuthenticatedPrincipal) -> bool:
    aws = ["*"] if value == "*" else listed(value.get("AWS", []))
    return bool({"*", caller.arn, caller.account_id} & set(aws))


def decides_slowly(
    document: dict[str, Any], action: str, caller: AuthenticatedPrincipal, crosses: bool
) -> bool:
    """AWS's rule as one reads it, from the JSON itself, with regular expressions."""
    if caller.account_id != OWNER and not crosses:
        return False
    allowed = denied = False
    for made in document["Statement"]:
        if "Principal" in made:
            about = names_root(made["Principal"], caller)
        else:
            about = not names_root(made["NotPrincipal"], caller)
        about = about and element(made, "Action", lambda p: fits(p, action, re.IGNORECASE))
        about = about and element(made, "Resource", lambda p: fits(p, KEY_ARN, 0))
        about = about and not made.get("Condition")  # no request here has aws:SecureTransport
        if about and made["Effect"] == "Deny":
            denied = True
        elif about:
            allowed = True
    return allowed and not denied


@given(policies, actions, callers, st.booleans())
def test_decision_any_policy_agrees_with_the_slow_evaluator(
    made: list[dict[str, Any]], action: str, caller: AuthenticatedPrincipal, crosses: bool
) -> None:
    text = policy(*made)
    assert decide(text, action, caller, crosses).allowed is decides_slowly(
        json.loads(text), action, caller, crosses
    )


@given(policies, statements(("Deny",)), st.integers(0, 5), actions, callers)
def test_decision_one_more_deny_never_allows(
    made: list[dict[str, Any]], deny: dict[str, Any], place: int, action: str, caller: AuthenticatedPrincipal
) -> None:
    """INVARIANT Z1."""
    before = decide(policy(*made), action, caller).allowed
    after = decide(policy(*made[:place], deny, *made[place:]), action, caller).allowed
    assert before or not after


@given(policies, statements(("Allow",)), st.integers(0, 5), actions, callers)
def test_decision_one_more_allow_never_denies(
    made: list[dict[str, Any]], allow: dict[str, Any], place: int, action: str, caller: AuthenticatedPrincipal
) -> None:
    before = decide(policy(*made), action, caller).allowed
    after = decide(policy(*made[:place], allow, *made[place:]), action, caller).allowed
    assert after or not before


@given(policies, st.randoms(), actions, callers)
def test_decision_order_of_statements_does_not_matter(
    made: list[dict[str, Any]], random: Any, action: str, caller: AuthenticatedPrincipal
) -> None:
    shuffled = random.sample(made, len(made))
    assert decide(policy(*made), action, caller).allowed is decide(policy(*shuffled), action, caller).allowed


@given(policies, actions, callers)
def test_decision_reference_names_statements_of_the_deciding_effect(
    made: list[dict[str, Any]], action: str, caller: AuthenticatedPrincipal
) -> None:
    decision = decide(policy(*made), action, caller)
    effects = {made[reference.index]["Effect"] for reference in decision.statements}
    expected: set[str] = {Reason.DENIED_BY_KEY_POLICY: {"Deny"}, Reason.KEY_POLICY_ALLOWS: {"Allow"}}.get(
        decision.reason, set()
    )
    assert effects == expected


@settings(deadline=None)  # thirty questions each
@given(st.lists(st.tuples(policies, actions, callers, st.booleans()), min_size=1, max_size=12), st.randoms())
def test_authorizer_any_questions_in_any_order_agree_with_fresh_decisions(
    questions: list[tuple[list[dict[str, Any]], str, AuthenticatedPrincipal, bool]], random: Any
) -> None:
    """INVARIANT Z5."""
    authorizer = Authorizer(FactsInMemory())
    for made, action, caller, crosses in random.choices(questions, k=30):
        text = policy(*made)
        remembered = answer(authorizer.authorize_key(ask(key(text), action, caller, crosses)))
        assert remembered == decide(text, action, caller, crosses)


@pytest.mark.parametrize("action", ASKED)
def test_slow_evaluator_can_say_yes_and_no(action: str) -> None:
    """The comparison above would mean nothing if one side always gave one answer."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    assert decides_slowly({"Statement": [allow]}, action, root(), True)
    assert not decides_slowly({"Statement": [allow, allow | {"Effect": "Deny"}]}, action, root(), True)
