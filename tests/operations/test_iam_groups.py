"""IAM groups and their members on the road."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.resources.iam import Group
from strongroom.resources.identifiers import AccountId

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def iam(road: Road, operation: str, **members: Any) -> Any:
    return road.call_query("iam", operation, **members)


def refusal(road: Road, operation: str, **members: Any) -> tuple[str, str | None, int]:
    with pytest.raises(Refusal) as caught:
        iam(road, operation, **members)
    return caught.value.code, caught.value.message, caught.value.status


def change(road: Road, name: str, **members: Any) -> None:
    group = road.wait(road.store.find_entity(Group, AccountId(ACCOUNT), name))
    assert group is not None
    road.wait(road.store.update_entity(msgspec.structs.replace(group, **members)))


def missing(kind: str, name: str) -> tuple[str, str, int]:
    return ("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)


def test_new_group_is_answered_recorded_and_read_again(own_road: Road) -> None:
    group = iam(own_road, "CreateGroup", GroupName="Admins", Path="/a/")["Group"]
    record = own_road.last_record
    assert group["GroupId"].startswith("AGPA")
    assert group["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/a/Admins"
    assert record["requestParameters"] == {"path": "/a/", "groupName": "Admins"}
    assert record["responseElements"]["group"]["groupId"] == group["GroupId"]
    answer = iam(own_road, "GetGroup", GroupName="aDMINS")
    assert answer == {"Group": group, "Users": [], "IsTruncated": False}
    taken = ("EntityAlreadyExists", "Group with name ADMINS already exists.", 409)
    assert refusal(own_road, "CreateGroup", GroupName="ADMINS") == taken


@pytest.mark.parametrize("operation", ["GetGroup", "UpdateGroup", "DeleteGroup"])
def test_group_that_is_not_there_is_not_found(road: Road, operation: str) -> None:
    more = {"NewPath": "/x/"} if operation == "UpdateGroup" else {}
    assert refusal(road, operation, GroupName="nowhere", **more) == missing("group", "nowhere")


@pytest.mark.parametrize("operation", ["AddUserToGroup", "RemoveUserFromGroup"])
def test_unknown_member_or_group_is_not_found_the_user_first(own_road: Road, operation: str) -> None:
    iam(own_road, "CreateUser", UserName="u")
    iam(own_road, "CreateGroup", GroupName="g")
    assert refusal(own_road, operation, UserName="x", GroupName="y") == missing("user", "x")
    assert refusal(own_road, operation, UserName="u", GroupName="y") == missing("group", "y")
    assert refusal(own_road, operation, UserName="x", GroupName="g") == missing("user", "x")
    assert iam(own_road, operation, UserName="u", GroupName="g") == {}
    assert iam(own_road, operation, UserName="u", GroupName="g") == {}, "twice is no error"
    assert own_road.last_record["requestParameters"] == {"groupName": "g", "userName": "u"}


def test_members_are_listed_from_both_sides_and_in_pages(own_road: Road) -> None:
    for name in ("b", "A", "c"):
        iam(own_road, "CreateUser", UserName=name, Tags=[{"Key": "k", "Value": "v"}])
        iam(own_road, "CreateGroup", GroupName=f"g-{name}")
    for name in ("b", "A", "c"):
        iam(own_road, "AddUserToGroup", UserName=name, GroupName="g-b")
        iam(own_road, "AddUserToGroup", UserName="b", GroupName=f"g-{name}")
    answer = iam(own_road, "GetGroup", GroupName="g-b")
    assert [user["UserName"] for user in answer["Users"]] == ["A", "b", "c"]
    assert all("Tags" not in user for user in answer["Users"])
    first = iam(own_road, "GetGroup", GroupName="g-b", MaxItems=2)
    assert [user["UserName"] for user in first["Users"]] == ["A", "b"]
    second = iam(own_road, "GetGroup", GroupName="g-b", MaxItems=2, Marker=first["Marker"])
    assert [user["UserName"] for user in second["Users"]] == ["c"]
    assert refusal(own_road, "GetGroup", GroupName="g-A", Marker=first["Marker"])[1] == "Invalid Marker."
    groups = iam(own_road, "ListGroupsForUser", UserName="b")["Groups"]
    assert [group["GroupName"] for group in groups] == ["g-A", "g-b", "g-c"]
    page = iam(own_road, "ListGroupsForUser", UserName="b", MaxItems=1)
    rest = iam(own_road, "ListGroupsForUser", UserName="b", Marker=page["Marker"])
    assert [group["GroupName"] for group in page["Groups"] + rest["Groups"]] == ["g-A", "g-b", "g-c"]
    iam(own_road, "RemoveUserFromGroup", UserName="b", GroupName="g-b")
    answer = iam(own_road, "GetGroup", GroupName="g-b")
    assert [user["UserName"] for user in answer["Users"]] == ["A", "c"]


def test_renamed_group_keeps_its_members_and_gives_them_its_policies(own_road: Road) -> None:
    user = iam(own_road, "CreateUser", UserName="u")["User"]
    before = iam(own_road, "CreateGroup", GroupName="old")["Group"]
    iam(own_road, "AddUserToGroup", UserName="u", GroupName="old")
    change(own_road, "old", inline_policies={"all": POLICY})
    iam(own_road, "UpdateGroup", GroupName="OLD", NewGroupName="new", NewPath="/p/")
    after = iam(own_road, "GetGroup", GroupName="new")
    assert after["Group"]["GroupId"] == before["GroupId"]
    assert after["Group"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/p/new"
    assert [one["UserName"] for one in after["Users"]] == ["u"]
    assert refusal(own_road, "GetGroup", GroupName="old")[0] == "NoSuchEntity"
    identity = own_road.wait(own_road.store.find_identity(AccountId(ACCOUNT), user["UserId"]))
    assert identity is not None
    assert [source.label for source in identity.policies] == ["inline policy all of group/new"]
    iam(own_road, "CreateGroup", GroupName="taken")
    assert refusal(own_road, "UpdateGroup", GroupName="new", NewGroupName="Taken") == (
        "EntityAlreadyExists",
        "Group with name Taken already exists.",
        409,
    )


def test_group_is_deleted_only_when_nothing_hangs_on_it(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    iam(own_road, "CreateGroup", GroupName="g")
    iam(own_road, "AddUserToGroup", UserName="u", GroupName="g")
    change(own_road, "g", inline_policies={"p": POLICY}, attached_policies=(ADMINISTRATOR,))
    said = []
    for clear in (
        lambda: change(own_road, "g", attached_policies=()),
        lambda: change(own_road, "g", inline_policies={}),
        lambda: iam(own_road, "RemoveUserFromGroup", UserName="u", GroupName="g"),
    ):
        code, message, status = refusal(own_road, "DeleteGroup", GroupName="g")
        assert (code, status) == ("DeleteConflict", 409)
        said.append(message)
        clear()
    assert said == [
        "Cannot delete entity, must detach all policies first.",
        "Cannot delete entity, must delete policies first.",
        "Cannot delete entity, must remove users from group first.",
    ]
    assert iam(own_road, "DeleteGroup", GroupName="g") == {}
    assert refusal(own_road, "DeleteGroup", GroupName="g") == missing("group", "g")


def test_groups_are_listed_in_pages_by_path(own_road: Road) -> None:
    for name, path in (("b", "/x/"), ("A", "/"), ("c", "/x/y/")):
        iam(own_road, "CreateGroup", GroupName=name, Path=path)
    listed = iam(own_road, "ListGroups", PathPrefix="/x/")
    assert [group["GroupName"] for group in listed["Groups"]] == ["b", "c"]
    page = iam(own_road, "ListGroups", MaxItems=2)
    rest = iam(own_road, "ListGroups", MaxItems=2, Marker=page["Marker"])
    assert [group["GroupName"] for group in page["Groups"] + rest["Groups"]] == ["A", "b", "c"]
    assert (page["IsTruncated"], rest["IsTruncated"]) == (True, False)


def test_quotas_of_groups_are_aws_s(own_road: Road) -> None:
    async def fill() -> None:
        for number in range(299):
            await own_road.store.insert_entity(
                Group(
                    account_id=AccountId(ACCOUNT),
                    name=f"g{number}",
                    unique_id=f"AGPAFILL{number:013d}",
                    created_at=own_road.clock.now(),
                )
            )

    own_road.wait(fill())
    iam(own_road, "CreateGroup", GroupName="last")
    exceeded = ("LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 300", 409)
    assert refusal(own_road, "CreateGroup", GroupName="one-more") == exceeded
    iam(own_road, "CreateUser", UserName="u")
    for number in range(10):
        iam(own_road, "AddUserToGroup", UserName="u", GroupName=f"g{number}")
    iam(own_road, "AddUserToGroup", UserName="u", GroupName="g9")
    exceeded = ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10", 409)
    assert refusal(own_road, "AddUserToGroup", UserName="u", GroupName="last") == exceeded
