"""IAM users on the road: what is answered, what is refused first, what a rename keeps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import msgspec
import pytest
from tests.support.query_client import from_document, to_form
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.resources.iam import User
from strongroom.resources.identifiers import AccountId

OTHER_ACCOUNT = "111122223333"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"

MORE: dict[str, dict[str, Any]] = {
    "TagUser": {"Tags": [{"Key": "a", "Value": "b"}]},
    "UntagUser": {"TagKeys": ["a"]},
    "UpdateUser": {"NewUserName": "other"},
}


def iam(road: Road, operation: str, account: str = ACCOUNT, **members: Any) -> Any:
    return road.call_query("iam", operation, account, **members)


def refusal(
    road: Road, operation: str, account: str = ACCOUNT, **members: Any
) -> tuple[str, str | None, int]:
    with pytest.raises(Refusal) as caught:
        iam(road, operation, account, **members)
    return caught.value.code, caught.value.message, caught.value.status


def change(road: Road, name: str, **members: Any) -> User:
    """The user as an operation of another family would leave it."""
    user = road.wait(road.store.find_entity(User, AccountId(ACCOUNT), name))
    assert user is not None
    return road.wait(road.store.update_entity(msgspec.structs.replace(user, **members)))


def test_new_user_is_answered_recorded_and_read_again(own_road: Road) -> None:
    tags = [{"Key": "Team", "Value": "billing"}, {"Key": "cost", "Value": ""}]
    user = iam(own_road, "CreateUser", UserName="Alice", Path="/division/", Tags=tags)["User"]
    assert user["UserId"].startswith("AIDA")
    assert len(user["UserId"]) == 21
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/division/Alice"
    assert (user["Path"], user["Tags"]) == ("/division/", tags)
    assert "PermissionsBoundary" not in user
    record = own_road.last_record
    assert record["eventSource"] == "iam.amazonaws.com"
    assert record["readOnly"] is False
    assert record["requestParameters"] == {
        "path": "/division/",
        "userName": "Alice",
        "tags": [{"key": "Team", "value": "billing"}, {"key": "cost", "value": ""}],
    }
    shown = record["responseElements"]["user"]
    assert shown["userId"] == user["UserId"]
    assert shown["arn"] == user["Arn"]
    assert shown["createDate"].endswith(("AM", "PM"))
    assert iam(own_road, "GetUser", UserName="aLICE") == {"User": user}
    assert own_road.last_record["responseElements"] is None


def test_user_without_path_is_at_the_root_of_the_account(own_road: Road) -> None:
    user = iam(own_road, "CreateUser", UserName="plain")["User"]
    assert (user["Path"], user["Arn"]) == ("/", f"arn:aws:iam::{ACCOUNT}:user/plain")
    assert "Tags" not in user


def test_name_that_differs_in_case_only_is_taken(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="Bob")
    assert refusal(own_road, "CreateUser", UserName="BOB") == (
        "EntityAlreadyExists",
        "User with name BOB already exists.",
        409,
    )
    iam(own_road, "CreateUser", OTHER_ACCOUNT, UserName="BOB")


@pytest.mark.parametrize(
    "operation",
    ["GetUser", "UpdateUser", "DeleteUser", "TagUser", "UntagUser", "ListUserTags", "ListGroupsForUser"],
)
def test_user_that_is_not_there_or_another_accounts_is_not_found(road: Road, operation: str) -> None:
    more = MORE.get(operation, {})
    name = f"nobody-{operation}"
    missing = ("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    assert refusal(road, operation, UserName=name, **more) == missing
    iam(road, "CreateUser", OTHER_ACCOUNT, UserName=name)
    assert refusal(road, operation, UserName=name, **more) == missing


def test_root_without_a_name_is_the_account(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="first")
    user = iam(own_road, "GetUser")["User"]
    created = user.pop("CreateDate")
    assert user == {"UserId": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}
    assert created.tzinfo is not None


def test_renamed_user_keeps_what_it_has(own_road: Road) -> None:
    before = iam(own_road, "CreateUser", UserName="Old", Tags=[{"Key": "a", "Value": "b"}])["User"]
    key = iam(own_road, "CreateAccessKey", UserName="Old")["AccessKey"]
    change(own_road, "Old", inline_policies={"all": POLICY})
    iam(own_road, "UpdateUser", UserName="old", NewUserName="New", NewPath="/moved/")
    assert own_road.last_record["requestParameters"] == {
        "userName": "old",
        "newPath": "/moved/",
        "newUserName": "New",
    }
    after = iam(own_road, "GetUser", UserName="New")["User"]
    assert after == {**before, "UserName": "New", "Path": "/moved/", "Arn": after["Arn"]}
    assert after["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/moved/New"
    assert refusal(own_road, "GetUser", UserName="Old")[0] == "NoSuchEntity"
    (listed,) = iam(own_road, "ListAccessKeys", UserName="New")["AccessKeyMetadata"]
    assert (listed["UserName"], listed["AccessKeyId"]) == ("New", key["AccessKeyId"])
    identity = own_road.wait(own_road.store.find_identity(AccountId(ACCOUNT), before["UserId"]))
    assert identity is not None
    assert [source.label for source in identity.policies] == ["inline policy all of user/New"]


def test_rename_keeps_the_path_and_a_move_the_name(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="a", Path="/x/")
    iam(own_road, "UpdateUser", UserName="a", NewUserName="A")
    assert iam(own_road, "GetUser", UserName="a")["User"]["Arn"].endswith(":user/x/A")
    iam(own_road, "UpdateUser", UserName="a", NewPath="/")
    assert iam(own_road, "GetUser", UserName="a")["User"]["Arn"].endswith(":user/A")
    iam(own_road, "UpdateUser", UserName="a")
    iam(own_road, "CreateUser", UserName="b")
    assert refusal(own_road, "UpdateUser", UserName="b", NewUserName="A") == (
        "EntityAlreadyExists",
        "User with name A already exists.",
        409,
    )


def test_user_is_deleted_only_when_nothing_hangs_on_it(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    iam(own_road, "CreateGroup", GroupName="g")
    iam(own_road, "AddUserToGroup", UserName="u", GroupName="g")
    key = iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"]
    change(own_road, "u", inline_policies={"p": POLICY}, attached_policies=(ADMINISTRATOR,))
    said = []
    for clear in (
        lambda: iam(own_road, "RemoveUserFromGroup", UserName="u", GroupName="g"),
        lambda: change(own_road, "u", attached_policies=()),
        lambda: change(own_road, "u", inline_policies={}),
        lambda: iam(own_road, "DeleteAccessKey", UserName="u", AccessKeyId=key["AccessKeyId"]),
    ):
        code, message, status = refusal(own_road, "DeleteUser", UserName="u")
        assert (code, status) == ("DeleteConflict", 409)
        said.append(message)
        clear()
    assert said == [
        "Cannot delete entity, must remove users from group first.",
        "Cannot delete entity, must detach all policies first.",
        "Cannot delete entity, must delete policies first.",
        "Cannot delete entity, must delete access keys first.",
    ]
    assert iam(own_road, "DeleteUser", UserName="u") == {}
    assert refusal(own_road, "DeleteUser", UserName="u")[0] == "NoSuchEntity"


def test_user_made_again_has_another_id_and_nothing_of_the_old_one(own_road: Road) -> None:
    old = iam(own_road, "CreateUser", UserName="u", Tags=[{"Key": "a", "Value": "b"}])["User"]
    iam(own_road, "DeleteUser", UserName="u")
    new = iam(own_road, "CreateUser", UserName="u")["User"]
    assert new["UserId"] != old["UserId"]
    assert iam(own_road, "ListUserTags", UserName="u")["Tags"] == []
    assert own_road.wait(own_road.store.find_identity(AccountId(ACCOUNT), old["UserId"])) is None


def test_users_are_listed_in_pages_by_name_and_path(own_road: Road) -> None:
    for name, path in (("b", "/x/"), ("A", "/x/y/"), ("c", "/"), ("D", "/X/")):
        iam(own_road, "CreateUser", UserName=name, Path=path, Tags=[{"Key": "k", "Value": "v"}])
    listed = iam(own_road, "ListUsers")
    assert [user["UserName"] for user in listed["Users"]] == ["A", "b", "c", "D"]
    assert listed["IsTruncated"] is False
    assert "Marker" not in listed
    assert all("Tags" not in user for user in listed["Users"])
    names = []
    marker: dict[str, Any] = {}
    while True:
        page = iam(own_road, "ListUsers", MaxItems=1, **marker)
        names += [user["UserName"] for user in page["Users"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert names == ["A", "b", "c", "D"]
    assert own_road.last_record["requestParameters"] == {"maxItems": 1}

    def under(prefix: str) -> list[str]:
        return [user["UserName"] for user in iam(own_road, "ListUsers", PathPrefix=prefix)["Users"]]

    assert (under("/x/"), under("/x"), under("/X/"), under("/z/")) == (["A", "b"], ["A", "b"], ["D"], [])


def test_marker_of_another_listing_account_or_filter_is_refused(own_road: Road) -> None:
    for name in ("a", "b"):
        for account in (ACCOUNT, OTHER_ACCOUNT):
            iam(own_road, "CreateUser", account, UserName=name)
            iam(own_road, "CreateGroup", account, GroupName=name)
    marker = iam(own_road, "ListUsers", MaxItems=1)["Marker"]
    invalid = ("ValidationError", "Invalid Marker.", 400)
    assert refusal(own_road, "ListGroups", Marker=marker) == invalid
    assert refusal(own_road, "ListUsers", OTHER_ACCOUNT, Marker=marker) == invalid
    assert refusal(own_road, "ListUsers", Marker=marker, PathPrefix="/x/") == invalid
    assert refusal(own_road, "ListUsers", Marker="made-up") == invalid
    assert [one["UserName"] for one in iam(own_road, "ListUsers", Marker=marker)["Users"]] == ["b"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"UserName": "a b"}, "The specified value for userName is invalid."),
        ({"UserName": "a", "Path": "x"}, "The specified value for path is invalid."),
        ({"UserName": "a" * 65}, "Member must have length less than or equal to 64"),
        ({}, "Member must not be null"),
    ],
    ids=["name", "path", "long-name", "no-name"],
)
def test_malformed_user_is_refused_in_iams_words(road: Road, members: Any, message: str) -> None:
    code, said, status = refusal(road, "CreateUser", **members)
    assert (code, status) == ("ValidationError", 400)
    assert message in (said or "")


def test_boundary_must_be_a_policy_of_aws_or_of_the_account(own_road: Road) -> None:
    user = iam(own_road, "CreateUser", UserName="bounded", PermissionsBoundary=ADMINISTRATOR)["User"]
    boundary = {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": ADMINISTRATOR,
    }
    assert user["PermissionsBoundary"] == boundary
    assert own_road.last_record["requestParameters"]["permissionsBoundary"] == ADMINISTRATOR
    assert iam(own_road, "GetUser", UserName="bounded")["User"]["PermissionsBoundary"] == boundary
    (listed,) = iam(own_road, "ListUsers")["Users"]
    assert "PermissionsBoundary" not in listed
    for arn in (f"arn:aws:iam::{ACCOUNT}:policy/none", f"arn:aws:iam::{OTHER_ACCOUNT}:policy/any"):
        assert refusal(own_road, "CreateUser", UserName="x", PermissionsBoundary=arn) == (
            "NoSuchEntity",
            f"Scope ARN: {arn} does not exist or is not attachable.",
            404,
        )
    wrong = f"arn:aws:iam::{ACCOUNT}:user/somebody"
    assert refusal(own_road, "CreateUser", UserName="x", PermissionsBoundary=wrong)[0] == "InvalidInput"


def test_arns_are_of_the_partition_of_the_called_region(own_road: Road) -> None:
    def call(operation: str, **members: Any) -> Any:
        form = to_form("iam", operation, members)
        answer = own_road.send_query("iam", operation, form, region="cn-north-1")
        return from_document("iam", operation, answer.body, answer.status)

    boundary = "arn:aws-cn:iam::aws:policy/AdministratorAccess"
    user = call("CreateUser", UserName="cn", PermissionsBoundary=boundary)["User"]
    assert user["Arn"] == f"arn:aws-cn:iam::{ACCOUNT}:user/cn"
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    seen = iam(own_road, "GetUser", UserName="cn")["User"]
    assert seen["PermissionsBoundary"]["PermissionsBoundaryArn"] == ADMINISTRATOR
    assert REGION.startswith("eu-")


def test_account_has_five_thousand_users_at_most(own_road: Road) -> None:
    columns = "account_id, kind, name_key, unique_id, path, record, version"
    rows = [(ACCOUNT, "user", f"n{n}", f"AIDA{n}", "/", "{}", 1) for n in range(4999)]
    with closing(sqlite3.connect(own_road.directory / "strongroom.db")) as database, database:
        database.executemany(f"INSERT INTO iam_entities ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608
    iam(own_road, "CreateUser", UserName="last")
    assert refusal(own_road, "CreateUser", UserName="one-more") == (
        "LimitExceeded",
        "Cannot exceed quota for UsersPerAccount: 5000",
        409,
    )
