"""Sessions of roles: chained ones, their tags and source identity, and the policies that limit them."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest
from tests.operations.role_scene import (
    OTHER_ACCOUNT,
    TestRole,
    account_of,
    new_managed_policy,
    new_role,
    new_user,
    policy,
    refusal,
    trust,
)
from tests.support.road import ACCOUNT, Road

ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
PLAINTEXT = base64.b64encode(b"a secret").decode()
TEAM = {"Key": "Team", "Value": "blue"}
COST = {"Key": "Cost", "Value": "7"}


def open_role(road: Road, *policies: str, actions: list[str] = ACTIONS, **members: Any) -> TestRole:
    """A role that trusts the account, and may do everything of STS."""
    return new_role(road, trust(account_of(), actions), policy("sts:*"), *policies, **members)


@pytest.fixture
def user(road: Road) -> str:
    return new_user(road, policy("sts:*")).access_key_id


# chaining


def test_chained_session_lasts_an_hour_at_most(road: Road, user: str) -> None:
    first, second = open_role(road, max_session_seconds=43200), open_role(road, max_session_seconds=43200)
    session = first.session(user, DurationSeconds=43200)
    assert refusal(second.assume, session, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        400,
    )
    last = second.assume(session, DurationSeconds=3600)["Credentials"]["Expiration"]
    assert (last - road.clock.now()).total_seconds() == pytest.approx(3600, abs=5)


def test_chained_session_is_of_the_last_role_alone(road: Road, user: str) -> None:
    first = open_role(road, policy("kms:ListKeys"))
    second = open_role(road, policy("kms:ListAliases"))
    session = second.session(first.session(user))
    road.call("ListAliases", account=session)
    assert refusal(road.call, "ListKeys", account=session)[0] == "AccessDeniedException"


def test_transitive_tags_are_inherited_through_the_chain_and_others_are_not(road: Road, user: str) -> None:
    guarded = {"StringEquals": {"aws:PrincipalTag/Team": "blue"}}
    first, second, third = (
        open_role(road, policy("kms:ListKeys", Condition=guarded), policy("kms:ListAliases"))
        for _ in range(3)
    )
    one = first.session(user, Tags=[TEAM, COST], TransitiveTagKeys=["team"])
    two = second.session(one)
    three = third.session(two)
    for session in (one, two, three):
        road.call("ListKeys", account=session)
    untagged = second.session(first.session(user, Tags=[TEAM, COST], TransitiveTagKeys=["Cost"]))
    assert refusal(road.call, "ListKeys", account=untagged)[0] == "AccessDeniedException"
    road.call("ListAliases", account=untagged)


def test_inherited_tag_cannot_be_another(road: Road, user: str) -> None:
    first, second = open_role(road), open_role(road)
    session = first.session(user, Tags=[TEAM], TransitiveTagKeys=["Team"])
    for tags in ([{"Key": "team", "Value": "red"}], [TEAM]):
        code, sentence, _ = refusal(second.assume, session, Tags=tags)
        assert code == "InvalidParameterValue"
        assert "conflicts with a transitive tag key from the calling session" in (sentence or "")
    second.assume(session, Tags=[COST])


def test_inherited_tags_need_tag_session_of_every_role(road: Road, user: str) -> None:
    """Source: aws/eks-pod-identity-agent#80."""
    first, second = open_role(road), open_role(road, actions=["sts:AssumeRole"])
    session = first.session(user, Tags=[TEAM], TransitiveTagKeys=["Team"])
    code, sentence, _ = refusal(second.assume, session)
    assert code == "AccessDenied"
    assert "not authorized to perform: sts:TagSession on resource: " + second.arn in (sentence or "")
    second.assume(first.session(user, Tags=[TEAM]))


def test_source_identity_sticks_through_the_chain(road: Road, user: str) -> None:
    first, second = open_role(road), open_role(road)
    one = first.session(user, SourceIdentity="alice")
    answer = second.assume(one)
    assert answer["SourceIdentity"] == "alice"
    assert second.assume(one, SourceIdentity="alice")["SourceIdentity"] == "alice"
    assert refusal(second.assume, one, SourceIdentity="bob")[:2] == (
        "AccessDenied",
        "The source identity of a session cannot be changed.",
    )
    two = road.bearer_of_answer(answer["Credentials"])
    road.call_query("sts", "GetCallerIdentity", account=two)
    assert road.last_record["userIdentity"]["sessionContext"]["sourceIdentity"] == "alice"
    closed = open_role(road, actions=["sts:AssumeRole"])
    code, sentence, _ = refusal(closed.assume, two)
    assert code == "AccessDenied"
    assert "sts:SetSourceIdentity" in (sentence or "")


# tags and source identity


@pytest.mark.parametrize(
    ("action", "given"),
    [("sts:TagSession", {"Tags": [TEAM]}), ("sts:SetSourceIdentity", {"SourceIdentity": "alice"})],
    ids=["tags", "source-identity"],
)
@pytest.mark.parametrize("side", ["trust", "identity"])
def test_tags_and_source_identity_must_be_allowed_on_both_sides(
    road: Road, action: str, given: dict[str, Any], side: str
) -> None:
    without = [one for one in ACTIONS if one != action]
    caller = new_user(road, policy(without if side == "identity" else ACTIONS))
    role = open_role(road, actions=without if side == "trust" else ACTIONS)
    assert refusal(role.assume, caller.access_key_id, **given) == (
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {role.arn}",
        403,
    )
    role.assume(caller.access_key_id)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Tags": [TEAM, {"Key": "TEAM", "Value": "red"}]}, "InvalidParameterValue"),
        ({"Tags": [{"Key": "aws:team", "Value": "red"}]}, "InvalidParameterValue"),
        ({"Tags": [TEAM], "TransitiveTagKeys": ["Cost"]}, "InvalidParameterValue"),
        ({"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}, "ValidationError"),
        ({"Tags": [{"Key": "a<b", "Value": "v"}]}, "ValidationError"),
        ({"TransitiveTagKeys": ["Team"]}, "InvalidParameterValue"),
        ({"SourceIdentity": "aws:alice"}, "ValidationError"),
        ({"SourceIdentity": "a b"}, "ValidationError"),
    ],
    ids=[
        "twice",
        "reserved",
        "transitive-of-none",
        "too-many",
        "letters",
        "no-tags",
        "reserved-identity",
        "identity-letters",
    ],
)
def test_tags_and_source_identities_that_are_none_are_refused(
    road: Road, user: str, given: dict[str, Any], code: str
) -> None:
    assert refusal(open_role(road).assume, user, **given)[0] == code


def test_session_tags_go_before_those_of_the_role(road: Road, user: str) -> None:
    guarded = policy("kms:ListKeys", Condition={"StringEquals": {"aws:PrincipalTag/Team": "blue"}})
    role = open_role(road, guarded, tags={"Team": "red"})
    road.call("ListKeys", account=role.session(user, Tags=[{"Key": "team", "Value": "blue"}]))
    assert refusal(road.call, "ListKeys", account=role.session(user))[0] == "AccessDeniedException"


# session policies


def test_session_policy_limits_what_the_role_may_do_with_keys(road: Road, user: str) -> None:
    role = open_role(road, policy("kms:*"))
    key, other = road.create_key(), road.create_key()
    session = role.session(user, Policy=policy("kms:Encrypt", resource=key["Arn"]))
    road.call("Encrypt", account=session, KeyId=key["Arn"], Plaintext=PLAINTEXT)
    code, sentence, _ = refusal(
        road.call, "Encrypt", account=session, KeyId=other["Arn"], Plaintext=PLAINTEXT
    )
    assert code == "AccessDeniedException"
    assert "because no session policy allows the kms:Encrypt action" in (sentence or "")
    assert refusal(road.call, "DescribeKey", account=session, KeyId=key["Arn"])[0] == "AccessDeniedException"
    road.call("Encrypt", account=role.session(user), KeyId=other["Arn"], Plaintext=PLAINTEXT)


def test_session_policy_gives_nothing_that_the_role_has_not(road: Road, user: str) -> None:
    session = open_role(road).session(user, Policy=policy("kms:*"))
    assert refusal(road.call, "ListKeys", account=session)[0] == "AccessDeniedException"


def test_managed_session_policies_limit_and_follow_their_text(own_road: Road) -> None:
    road = own_road
    caller = new_user(road, policy("sts:*")).access_key_id
    role = open_role(road, policy("kms:*"))
    arn = new_managed_policy(road, policy("kms:ListKeys"))
    answer = role.assume(caller, PolicyArns=[{"arn": arn}])
    assert 0 < answer["PackedPolicySize"] < 100
    session = road.bearer_of_answer(answer["Credentials"])
    road.call("ListKeys", account=session)
    assert refusal(road.call, "ListAliases", account=session)[0] == "AccessDeniedException"
    assert road.audit.records[-3]["requestParameters"]["policyArns"] == [{"arn": arn}]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"Policy": "not json"}, "MalformedPolicyDocument"),
        ({"Policy": trust(account_of())}, "MalformedPolicyDocument"),
        ({"Policy": policy("kms:*") + " " * 2048}, "ValidationError"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/gone"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{OTHER_ACCOUNT}:policy/other"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuchPolicyOfAws"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "this-is-not-an-arn-at-all"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/a"}] * 11}, "ValidationError"),
    ],
    ids=[
        "empty",
        "no-json",
        "with-principal",
        "too-long",
        "gone",
        "other-account",
        "not-of-aws",
        "no-arn",
        "too-many",
    ],
)
def test_session_policies_that_are_none_are_refused(
    road: Road, user: str, given: dict[str, Any], code: str
) -> None:
    assert refusal(open_role(road).assume, user, **given)[0] == code


def test_session_that_is_too_large_packed_is_refused(road: Road, user: str) -> None:
    tags = [{"Key": f"{n}-{secrets.token_hex(50)}", "Value": secrets.token_hex(128)} for n in range(50)]
    code, sentence, status = refusal(open_role(road).assume, user, Tags=tags)
    assert (code, status) == ("PackedPolicyTooLarge", 400)
    assert "% of allotted space" in (sentence or "")
    answer = open_role(road).assume(user, Tags=tags[:10])
    assert 1 <= answer["PackedPolicySize"] <= 100
