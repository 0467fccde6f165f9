"""Inline policies of users, groups and roles."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.iam_scene import Iam, allowing, document
from tests.support.road import Road

HOLDERS = ("User", "Group", "Role")
SIZES = {"User": 2048, "Group": 5120, "Role": 10240}
OPERATIONS = {
    "User": ("PutUserPolicy", "GetUserPolicy", "DeleteUserPolicy", "ListUserPolicies"),
    "Group": ("PutGroupPolicy", "GetGroupPolicy", "DeleteGroupPolicy", "ListGroupPolicies"),
    "Role": ("PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies"),
}
NAMED_BY = {"User": "UserName", "Group": "GroupName", "Role": "RoleName"}


@pytest.fixture
def iam(own_road: Road) -> Iam:
    iam = Iam(own_road)
    iam.new_user("app")
    iam.new_group("app")
    iam.new_role("app")
    return iam


def named(holder: str, **members: Any) -> dict[str, Any]:
    return {NAMED_BY[holder]: "app"} | members


@pytest.mark.parametrize("holder", HOLDERS)
def test_inline_policy_is_put_shown_replaced_listed_and_deleted(iam: Iam, holder: str) -> None:
    text = allowing("kms:Encrypt")
    put_name, get_name, delete_name, list_name = OPERATIONS[holder]
    iam.call(put_name, **named(holder, PolicyName="second", PolicyDocument=text))
    record = iam.road.last_record
    assert record["requestParameters"] == {
        f"{holder.lower()}Name": "app",
        "policyName": "second",
        "policyDocument": text,
    }
    assert record["responseElements"] is None
    iam.call(put_name, **named(holder, PolicyName="first", PolicyDocument=text))
    iam.call(put_name, **named(holder, PolicyName="first", PolicyDocument=allowing("kms:Decrypt")))
    shown = iam.call(get_name, **named(holder, PolicyName="first"))
    assert shown == named(holder, PolicyName="first", PolicyDocument=allowing("kms:Decrypt"))
    page = iam.call(list_name, **named(holder, MaxItems=1))
    assert (page["PolicyNames"], page["IsTruncated"]) == (["first"], True)
    rest = iam.call(list_name, **named(holder, Marker=page["Marker"]))
    assert rest == {"PolicyNames": ["second"], "IsTruncated": False}
    iam.call(delete_name, **named(holder, PolicyName="first"))
    assert iam.call(list_name, **named(holder))["PolicyNames"] == ["second"]


@pytest.mark.parametrize("holder", HOLDERS)
def test_inline_policy_that_is_not_there_is_refused(iam: Iam, holder: str) -> None:
    refusal = ("NoSuchEntity", f"The {holder.lower()} policy with name gone cannot be found.", 404)
    for verb in ("Get", "Delete"):
        assert iam.refused(f"{verb}{holder}Policy", **named(holder, PolicyName="gone")) == refusal


@pytest.mark.parametrize("holder", HOLDERS)
def test_inline_policies_are_limited_together_and_white_space_does_not_count(iam: Iam, holder: str) -> None:
    def of_length(characters: int) -> str:
        short = len("".join(allowing("kms:x").split()))
        return allowing("kms:" + "x" * (characters - short + 1))

    put, limit = f"Put{holder}Policy", SIZES[holder]
    iam.call(put, **named(holder, PolicyName="a", PolicyDocument=of_length(limit - 500) + "\n" * 300))
    iam.call(put, **named(holder, PolicyName="b", PolicyDocument=of_length(500)))
    refusal = (
        "LimitExceeded",
        f"Maximum policy size of {limit} bytes exceeded for {holder.lower()} app",
        409,
    )
    assert iam.refused(put, **named(holder, PolicyName="c", PolicyDocument=of_length(80))) == refusal
    assert iam.refused(put, **named(holder, PolicyName="b", PolicyDocument=of_length(501))) == refusal
    iam.call(put, **named(holder, PolicyName="b", PolicyDocument=of_length(400)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "Syntax errors in policy."),
        (allowing("kms"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (allowing(Principal={"AWS": "*"}), "Policy document should not specify a principal."),
        (document({"Effect": "Allow", "Action": "kms:*"}), "Policy statement must contain resources."),
    ],
    ids=["empty", "no vendor", "principal", "no resource"],
)
def test_text_that_is_no_identity_policy_is_refused(iam: Iam, text: str, sentence: str) -> None:
    for holder in HOLDERS:
        members = named(holder, PolicyName="p", PolicyDocument=text)
        assert iam.refused(f"Put{holder}Policy", **members) == ("MalformedPolicyDocument", sentence, 400)


def test_inline_policy_decides_at_once_and_no_longer_when_it_is_gone(iam: Iam) -> None:
    key = iam.new_user("bob")
    listing = {"account": key}
    assert "AccessDenied" in str(refusal_of(iam, "ListAliases", **listing))
    iam.call("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allowing("kms:List*"))
    assert iam.road.call("ListAliases", **listing)["Aliases"] == []
    iam.call("DeleteUserPolicy", UserName="bob", PolicyName="p")
    assert "AccessDenied" in str(refusal_of(iam, "ListAliases", **listing))


def refusal_of(iam: Iam, operation: str, **members: Any) -> Exception:
    with pytest.raises(Exception, match="AccessDenied") as caught:
        iam.road.call(operation, **members)
    return caught.value
