"""Which refusal of IAM is heard first: validation, then access, then what is there, then quotas."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.test_callers_on_the_road import Person, allowing, document, new_session, new_user
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.operations.operation import AccessKeyTarget, EntityTarget, MovedEntityTarget
from strongroom.operations.table import IAM_OPERATIONS

NOBODY = "nobody-at-all"
MINE: dict[str, dict[str, Any]] = {
    "CreateUser": {"UserName": NOBODY},
    "GetUser": {"UserName": NOBODY},
    "UpdateUser": {"UserName": NOBODY, "NewUserName": "other"},
    "DeleteUser": {"UserName": NOBODY},
    "ListUsers": {},
    "TagUser": {"UserName": NOBODY, "Tags": [{"Key": "a", "Value": "b"}]},
    "UntagUser": {"UserName": NOBODY, "TagKeys": ["a"]},
    "ListUserTags": {"UserName": NOBODY},
    "CreateGroup": {"GroupName": NOBODY},
    "GetGroup": {"GroupName": NOBODY},
    "UpdateGroup": {"GroupName": NOBODY, "NewGroupName": "other"},
    "DeleteGroup": {"GroupName": NOBODY},
    "ListGroups": {},
    "AddUserToGroup": {"GroupName": NOBODY, "UserName": NOBODY},
    "RemoveUserFromGroup": {"GroupName": NOBODY, "UserName": NOBODY},
    "ListGroupsForUser": {"UserName": NOBODY},
    "CreateAccessKey": {"UserName": NOBODY},
    "DeleteAccessKey": {"UserName": NOBODY, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    "UpdateAccessKey": {"UserName": NOBODY, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"},
    "ListAccessKeys": {"UserName": NOBODY},
    "GetAccessKeyLastUsed": {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    "ListMFADevices": {"UserName": NOBODY},
    "ListSigningCertificates": {"UserName": NOBODY},
    "ListSSHPublicKeys": {"UserName": NOBODY},
    "ListServiceSpecificCredentials": {"UserName": NOBODY},
    "GetLoginProfile": {"UserName": NOBODY},
    "GetAccountSummary": {},
}
CREATING = {"CreateUser", "CreateGroup"}


def refusal(person: Person, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        person.road.call_query("iam", operation, person.access_key, **members)
    return caught.value.code, caught.value.message or ""


@pytest.mark.parametrize("operation", sorted(MINE.keys() - {"GetAccountSummary"}))  # it has no member
def test_malformed_request_is_told_before_the_permission_is_asked_for(road: Road, operation: str) -> None:
    member = next((one for one in MINE[operation] if one != "Tags"), None)
    wrong = {member: "not a name"} if member is not None else {"MaxItems": 0}
    code, _ = refusal(new_user(road), operation, **{**MINE[operation], **wrong})
    assert code == "ValidationError"


@pytest.mark.parametrize("operation", sorted(MINE))
def test_user_without_the_permission_is_denied_and_learns_nothing(road: Road, operation: str) -> None:
    person = new_user(road, document(allowing("iam:*"), allowing(f"iam:{operation}", "Deny")))
    code, message = refusal(person, operation, **MINE[operation])
    assert code == "AccessDenied"
    assert f"iam:{operation}" in message
    record = road.last_record
    assert record["errorCode"].startswith("AccessDenied")
    assert record["userIdentity"]["arn"] == person.arn
    assert record["awsRegion"] == "us-east-1"


@pytest.mark.parametrize("operation", sorted(MINE))
def test_user_with_the_permission_hears_what_is_not_there(road: Road, operation: str) -> None:
    person = new_user(road, document(allowing(f"iam:{operation}")))
    lists = {"ListUsers", "ListGroups", "GetAccountSummary"}
    if operation in CREATING | lists:
        members = dict(MINE[operation])
        if operation in CREATING:
            (member,) = members
            members[member] = f"made-by-{person.entity.name}"
        assert road.call_query("iam", operation, person.access_key, **members)
        return
    code, message = refusal(person, operation, **MINE[operation])
    if operation == "GetAccessKeyLastUsed":
        assert (code, "access key AKIAIOSFODNN7EXAMPLE" in message) == ("AccessDenied", True)
    else:
        assert (code, NOBODY in message) == ("NoSuchEntity", True)


OF_THE_CALLER = sorted(
    name
    for name, operation in IAM_OPERATIONS.items()
    if any(isinstance(one, EntityTarget) and one.is_caller_if_absent for one in operation.access)
    and name in MINE
)


@pytest.mark.parametrize("operation", OF_THE_CALLER)
def test_session_of_a_role_must_name_a_user(road: Road, operation: str) -> None:
    members = {name: value for name, value in MINE[operation].items() if name != "UserName"}
    expected = ("ValidationError", "Must specify userName when calling with non-User credentials")
    for person in (new_session(road, document(allowing("iam:*"))), new_session(road)):
        assert refusal(person, operation, **members) == expected


@pytest.mark.parametrize(
    ("allowed", "members", "missing"),
    [
        (["user/dev/x"], {"NewPath": "/ops/"}, "user/ops/x"),
        (["user/dev/x"], {"NewUserName": "y"}, "user/dev/y"),
        (["user/dev/x", "user/dev/y"], {"NewUserName": "y", "NewPath": "/ops/"}, "user/ops/y"),
        (["user/ops/y"], {"NewUserName": "y", "NewPath": "/ops/"}, "user/dev/x"),
    ],
    ids=["path", "name", "both", "source"],
)
def test_rename_needs_the_permission_on_the_old_and_the_new_user(
    own_road: Road, allowed: list[str], members: dict[str, str], missing: str
) -> None:
    own_road.call_query("iam", "CreateUser", UserName="x", Path="/dev/")
    arns = [f"arn:aws:iam::{ACCOUNT}:{one}" for one in allowed]
    person = new_user(own_road, document(allowing("iam:UpdateUser", Resource=arns)))
    code, message = refusal(person, "UpdateUser", UserName="x", **members)
    assert code == "AccessDenied"
    assert f"arn:aws:iam::{ACCOUNT}:{missing} " in message
    arns.append(f"arn:aws:iam::{ACCOUNT}:{missing}")
    person.change(inline_policies={"p": document(allowing("iam:UpdateUser", Resource=arns))})
    assert own_road.call_query("iam", "UpdateUser", person.access_key, UserName="x", **members) == {}


def test_new_user_with_tags_needs_the_permission_to_tag_it(own_road: Road) -> None:
    person = new_user(own_road, document(allowing("iam:CreateUser")))
    tags = [{"Key": "a", "Value": "b"}]
    code, message = refusal(person, "CreateUser", UserName="x", Path="/p/", Tags=tags)
    assert (code, "iam:TagUser" in message, ":user/p/x" in message) == ("AccessDenied", True, True)
    own_road.call_query("iam", "CreateUser", person.access_key, UserName="x")


def test_last_use_is_asked_of_the_user_who_has_the_key(own_road: Road) -> None:
    own_road.call_query("iam", "CreateUser", UserName="x", Path="/p/")
    key = own_road.call_query("iam", "CreateAccessKey", UserName="x")["AccessKey"]
    resource = f"arn:aws:iam::{ACCOUNT}:user/p/x"
    person = new_user(own_road, document(allowing("iam:GetAccessKeyLastUsed", Resource=resource)))
    answer = own_road.call_query(
        "iam", "GetAccessKeyLastUsed", person.access_key, AccessKeyId=key["AccessKeyId"]
    )
    assert answer["UserName"] == "x"
    root_key = own_road.call_query("iam", "CreateAccessKey")["AccessKey"]
    code, message = refusal(person, "GetAccessKeyLastUsed", AccessKeyId=root_key["AccessKeyId"])
    assert (code, f"arn:aws:iam::{ACCOUNT}:root" in message) == ("AccessDenied", True)


def test_every_operation_of_users_groups_and_keys_is_in_these_tests() -> None:
    families = ("users", "user_tags", "groups", "group_members", "access_keys", "user_leftovers")
    ours = {
        name
        for name, operation in IAM_OPERATIONS.items()
        if operation.run.__module__.rpartition(".")[2] in (*families, "account_summary")
    }
    assert ours == MINE.keys()
    for name in ours:
        for target in IAM_OPERATIONS[name].access:
            if isinstance(target, MovedEntityTarget | AccessKeyTarget):
                assert target.member in IAM_OPERATIONS[name].input.__struct_fields__
