"""IAM roles: their operations, refusals, trust policies, and what the record shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.iam_scene import (
    ADMINISTRATOR,
    NOW,
    Iam,
    allowing,
    document,
    trusting,
    trusting_service,
)
from tests.support.road import ACCOUNT, Road

from strongroom.operations.iam.roles import ROLES_MAX
from strongroom.resources.iam import IdPrefix, Role, new_unique_id
from strongroom.resources.identifiers import AccountId
from strongroom.store.iam_interface import Account

STRANGER = "999988887777"


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


def test_new_role_shows_what_create_role_shows_and_get_role_shows_all(iam: Iam) -> None:
    boundary = iam.new_policy("limit")
    trust = trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    made = iam.call(
        "CreateRole",
        RoleName="app",
        Path="/division/",
        AssumeRolePolicyDocument=trust,
        Description="what it is for",
        MaxSessionDuration=7200,
        PermissionsBoundary=boundary,
        Tags=[{"Key": "team", "Value": "red"}, {"Key": "a", "Value": ""}],
    )["Role"]
    role_id = made.pop("RoleId")
    assert role_id.startswith("AROA")
    created = made.pop("CreateDate")
    common = {
        "RoleName": "app",
        "Path": "/division/",
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/division/app",
        "AssumeRolePolicyDocument": trust,
    }
    whole = {
        "Tags": [{"Key": "team", "Value": "red"}, {"Key": "a", "Value": ""}],
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary},
    }
    assert made == common | whole
    of_role = {"RoleId": role_id, "CreateDate": created, "Description": "what it is for"}
    of_role |= {"MaxSessionDuration": 7200}
    assert iam.call("GetRole", RoleName="app")["Role"] == common | whole | of_role | {"RoleLastUsed": {}}
    assert iam.call("ListRoles")["Roles"] == [common | of_role]


def test_create_role_is_recorded_as_cloudtrail_does(iam: Iam) -> None:
    iam.new_role("app", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    record = iam.road.last_record
    assert (record["eventSource"], record["eventName"], record["readOnly"]) == (
        "iam.amazonaws.com",
        "CreateRole",
        False,
    )
    assert record["requestParameters"] == {
        "roleName": "app",
        "assumeRolePolicyDocument": trusting_service(),
        "description": "d",
        "tags": [{"key": "a", "value": "b"}],
    }
    assert record["responseElements"]["role"]["arn"] == f"arn:aws:iam::{ACCOUNT}:role/app"
    iam.call("GetRole", RoleName="app")
    assert iam.road.last_record["responseElements"] is None


def test_role_of_the_same_name_in_any_case_is_refused(iam: Iam) -> None:
    iam.new_role("App")
    assert iam.refused("CreateRole", RoleName="aPP", AssumeRolePolicyDocument=trusting_service()) == (
        "EntityAlreadyExists",
        "Role with name aPP already exists.",
        409,
    )


def test_role_that_is_not_there_is_refused_by_every_operation(iam: Iam) -> None:
    more: dict[str, dict[str, Any]] = {
        "UpdateRoleDescription": {"Description": "d"},
        "UpdateAssumeRolePolicy": {"PolicyDocument": trusting_service()},
        "TagRole": {"Tags": [{"Key": "a", "Value": "b"}]},
        "UntagRole": {"TagKeys": ["a"]},
        "PutRolePolicy": {"PolicyName": "p", "PolicyDocument": allowing()},
        "GetRolePolicy": {"PolicyName": "p"},
        "DeleteRolePolicy": {"PolicyName": "p"},
        "AttachRolePolicy": {"PolicyArn": ADMINISTRATOR},
        "DetachRolePolicy": {"PolicyArn": ADMINISTRATOR},
        "PutRolePermissionsBoundary": {"PermissionsBoundary": ADMINISTRATOR},
    }
    for name in (
        "GetRole",
        "UpdateRole",
        "DeleteRole",
        "ListRoleTags",
        "ListRolePolicies",
        "ListAttachedRolePolicies",
        "ListInstanceProfilesForRole",
        "DeleteRolePermissionsBoundary",
        *more,
    ):
        assert iam.refused(name, RoleName="gone", **more.get(name, {})) == (
            "NoSuchEntity",
            "The role with name gone cannot be found.",
            404,
        ), name


def test_update_role_changes_what_is_given_and_leaves_the_rest(iam: Iam) -> None:
    role = iam.new_role(Description="first")
    assert iam.call("UpdateRole", RoleName=role, MaxSessionDuration=43200) == {}
    iam.call("UpdateRole", RoleName=role, Description="second")
    shown = iam.call("GetRole", RoleName=role)["Role"]
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("second", 43200)
    iam.call("UpdateRole", RoleName=role)
    assert iam.call("GetRole", RoleName=role)["Role"] == shown
    updated = iam.call("UpdateRoleDescription", RoleName=role, Description="third")["Role"]
    assert updated["Description"] == "third"
    assert "MaxSessionDuration" not in updated
    iam.call("UpdateRole", RoleName=role, Description="")
    assert "Description" not in iam.call("GetRole", RoleName=role)["Role"]


@pytest.mark.parametrize("seconds", [3599, 43201], ids=str)
def test_session_duration_out_of_range_is_refused(iam: Iam, seconds: int) -> None:
    role = iam.new_role()
    code, message, status = iam.refused("UpdateRole", RoleName=role, MaxSessionDuration=seconds)
    assert (code, status) == ("ValidationError", 400)
    assert "maxSessionDuration" in (message or "")


def test_delete_role_wants_its_policies_away_first(iam: Iam) -> None:
    role = iam.new_role()
    iam.call("AttachRolePolicy", RoleName=role, PolicyArn=ADMINISTRATOR)
    iam.call("PutRolePolicy", RoleName=role, PolicyName="p", PolicyDocument=allowing())
    assert iam.refused("DeleteRole", RoleName=role) == (
        "DeleteConflict",
        "Cannot delete entity, must detach all policies first.",
        409,
    )
    iam.call("DetachRolePolicy", RoleName=role, PolicyArn=ADMINISTRATOR)
    assert iam.refused("DeleteRole", RoleName=role) == (
        "DeleteConflict",
        "Cannot delete entity, must delete policies first.",
        409,
    )
    iam.call("DeleteRolePolicy", RoleName=role, PolicyName="p")
    assert iam.call("DeleteRole", RoleName=role) == {}
    assert iam.refused("GetRole", RoleName=role)[0] == "NoSuchEntity"


def test_roles_of_other_accounts_are_not_there(iam: Iam) -> None:
    iam.new_role("app")
    other = Iam(iam.road, "111122223333")
    assert other.refused("GetRole", RoleName="app")[0] == "NoSuchEntity"
    assert other.call("ListRoles")["Roles"] == []


def test_roles_are_listed_by_path_and_in_pages(iam: Iam) -> None:
    for name in ("c", "A", "b"):
        iam.new_role(name, Path="/x/")
    iam.new_role("d", Path="/y/")
    assert [role["RoleName"] for role in iam.call("ListRoles")["Roles"]] == ["A", "b", "c", "d"]
    assert [role["RoleName"] for role in iam.call("ListRoles", PathPrefix="/y/")["Roles"]] == ["d"]
    first = iam.call("ListRoles", PathPrefix="/x/", MaxItems=2)
    assert ([role["RoleName"] for role in first["Roles"]], first["IsTruncated"]) == (["A", "b"], True)
    iam.call("DeleteRole", RoleName="b")  # where the page ended
    rest = iam.call("ListRoles", PathPrefix="/x/", Marker=first["Marker"])
    assert ([role["RoleName"] for role in rest["Roles"]], rest["IsTruncated"]) == (["c"], False)
    assert "Marker" not in rest
    invalid = ("ValidationError", "Invalid Marker.", 400)
    assert iam.refused("ListRoles", Marker=first["Marker"]) == invalid  # another path prefix
    other = Iam(iam.road, "111122223333")
    assert other.refused("ListRoles", PathPrefix="/x/", Marker=first["Marker"]) == invalid
    assert iam.refused("ListRoles", Marker="nonsense") == invalid


def test_account_has_so_many_roles_and_no_more(iam: Iam) -> None:
    store = iam.road.store

    async def fill() -> None:
        for number in range(ROLES_MAX):
            await store.insert_entity(
                Role(
                    account_id=AccountId(ACCOUNT),
                    name=f"r{number}",
                    unique_id=new_unique_id(IdPrefix.ROLE),
                    created_at=NOW,
                    trust_policy=trusting_service(),
                )
            )

    iam.road.wait(fill())
    assert iam.refused("CreateRole", RoleName="more", AssumeRolePolicyDocument=trusting_service()) == (
        "LimitExceeded",
        "Cannot exceed quota for RolesPerAccount: 1000",
        409,
    )


# ---------------------------------------------------------------- trust policies


def trust_of(iam: Iam, role: str) -> str:
    text: str = iam.call("GetRole", RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    return text


def stored(iam: Iam, name: str) -> Role:
    found = iam.road.wait(iam.road.store.find_entity(Role, AccountId(ACCOUNT), name))
    assert found is not None
    return found


def test_trust_policy_is_kept_exactly_as_it_was_put(iam: Iam) -> None:
    text = '{\n "Version":"2012-10-17",  "Statement":[' + json.dumps(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    text += "]\n}\n"
    role = iam.new_role(AssumeRolePolicyDocument=text)
    assert trust_of(iam, role) == text
    other = trusting({"AWS": ACCOUNT})
    iam.call("UpdateAssumeRolePolicy", RoleName=role, PolicyDocument=other)
    assert trust_of(iam, role) == other


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "This policy contains invalid Json"),
        (allowing("sts:AssumeRole", Principal={"AWS": "*"}), "Has prohibited field Resource"),
        (
            trusting({"AWS": ACCOUNT}, "kms:Decrypt"),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (
            trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:role/gone"}),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:role/gone"',
        ),
        (
            trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/gone"}),
            f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/gone"',
        ),
        (
            trusting({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/gone/s"}),
            f'Invalid principal in policy: "AWS":"arn:aws:sts::{ACCOUNT}:assumed-role/gone/s"',
        ),
        (
            trusting({"AWS": "AROA" + "A" * 17}),
            'Invalid principal in policy: "AWS":"AROA' + "A" * 17 + '"',
        ),
    ],
    ids=[
        "no JSON",
        "Resource",
        "action of another service",
        "no Principal",
        "role that is gone",
        "user that is gone",
        "session of a role that is gone",
        "unique id that is nobody's",
    ],
)
def test_trust_policy_that_is_none_is_refused(iam: Iam, text: str, sentence: str) -> None:
    refusal = ("MalformedPolicyDocument", sentence, 400)
    assert iam.refused("CreateRole", RoleName="app", AssumeRolePolicyDocument=text) == refusal
    role = iam.new_role()
    assert iam.refused("UpdateAssumeRolePolicy", RoleName=role, PolicyDocument=text) == refusal
    assert trust_of(iam, role) == trusting_service()


def test_trust_policy_too_long_is_refused_and_white_space_does_not_count(iam: Iam) -> None:
    def of_length(characters: int) -> str:
        empty = trusting({"AWS": ACCOUNT})[:-1] + ',"Id":""}'
        return empty.replace('"Id":""', f'"Id":"{"x" * (characters - len("".join(empty.split())))}"')

    iam.new_role(AssumeRolePolicyDocument=of_length(2048) + " " * 500)
    assert iam.refused("CreateRole", RoleName="app", AssumeRolePolicyDocument=of_length(2049)) == (
        "LimitExceeded",
        "Cannot exceed quota for ACLSizePerRole: 2048",
        409,
    )


def test_trusted_role_is_bound_to_who_it_is_and_shown_by_id_when_it_is_gone(iam: Iam) -> None:
    iam.new_role("trusted")
    trusted_id = stored(iam, "trusted").unique_id
    arn = f"arn:aws:iam::{ACCOUNT}:role/trusted"
    role = iam.new_role(AssumeRolePolicyDocument=trusting({"AWS": [arn, ACCOUNT]}))
    assert stored(iam, role).trust_principals == {arn: trusted_id}
    iam.call("DeleteRole", RoleName="trusted")
    iam.new_role("trusted")
    shown = json.loads(trust_of(iam, role))["Statement"][0]["Principal"]
    assert shown == {"AWS": [trusted_id, ACCOUNT]}
    assert stored(iam, role).trust_principals == {arn: trusted_id}  # the new one is somebody else


def test_principals_of_accounts_that_are_elsewhere_are_kept_and_mean_nobody(iam: Iam) -> None:
    text = trusting({"AWS": [f"arn:aws:iam::{STRANGER}:role/theirs", f"arn:aws:iam::{STRANGER}:root"]})
    role = iam.new_role(AssumeRolePolicyDocument=text)
    assert stored(iam, role).trust_principals == {}
    assert trust_of(iam, role) == text
    iam.road.wait(iam.road.store.insert_account(Account(AccountId(STRANGER), None, NOW)))
    assert iam.refused("UpdateAssumeRolePolicy", RoleName=role, PolicyDocument=text)[0] == (
        "MalformedPolicyDocument"
    )


# ---------------------------------------------------------------- tags


def test_tags_of_a_role_are_put_replaced_and_taken_away(iam: Iam) -> None:
    role = iam.new_role(Tags=[{"Key": "abc", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.call("TagRole", RoleName=role, Tags=[{"Key": "B", "Value": "3"}, {"Key": "a", "Value": "4"}])
    # as AWS orders them: short keys first
    listed = [{"Key": "B", "Value": "3"}, {"Key": "a", "Value": "4"}, {"Key": "abc", "Value": "1"}]
    assert iam.call("ListRoleTags", RoleName=role) == {"Tags": listed, "IsTruncated": False}
    first = iam.call("ListRoleTags", RoleName=role, MaxItems=2)
    assert (first["Tags"], first["IsTruncated"]) == (listed[:2], True)
    assert iam.call("ListRoleTags", RoleName=role, Marker=first["Marker"])["Tags"] == listed[2:]
    other = iam.new_role()
    assert iam.refused("ListRoleTags", RoleName=other, Marker=first["Marker"])[1] == "Invalid Marker."
    iam.call("UntagRole", RoleName=role, TagKeys=["ABC", "a", "not there"])
    assert iam.call("GetRole", RoleName=role)["Role"]["Tags"] == [{"Key": "B", "Value": "3"}]


@pytest.mark.parametrize(
    ("tags", "refusal"),
    [
        (
            [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}],
            ("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ),
        (
            [{"Key": "AWS:x", "Value": "1"}],
            ("InvalidInput", "Tag keys must not begin with aws:, which is reserved."),
        ),
        (
            [{"Key": f"k{number}", "Value": ""} for number in range(51)],
            (
                "ValidationError",
                "1 validation error detected: Value at 'tags' failed to satisfy constraint: "
                "Member must have length less than or equal to 50",
            ),
        ),
    ],
    ids=["same key in another case", "reserved", "51 tags"],
)
def test_tags_that_a_role_cannot_have_are_refused(
    iam: Iam, tags: list[dict[str, str]], refusal: tuple[str, str]
) -> None:
    role = iam.new_role()
    assert iam.refused("TagRole", RoleName=role, Tags=tags)[:2] == refusal
    made = {"RoleName": "app", "AssumeRolePolicyDocument": trusting_service()}
    assert iam.refused("CreateRole", Tags=tags, **made)[:2] == refusal


def test_fifty_first_tag_is_refused_and_nothing_changes(iam: Iam) -> None:
    role = iam.new_role(Tags=[{"Key": f"k{number}", "Value": ""} for number in range(49)])
    more = [{"Key": "a", "Value": ""}, {"Key": "b", "Value": ""}]
    assert iam.refused("TagRole", RoleName=role, Tags=more) == (
        "LimitExceeded",
        "The number of tags has reached the maximum limit.",
        409,
    )
    assert len(iam.call("ListRoleTags", RoleName=role)["Tags"]) == 49


def test_role_has_no_instance_profiles(iam: Iam) -> None:
    answer = iam.call("ListInstanceProfilesForRole", RoleName=iam.new_role(), MaxItems=5)
    assert answer == {"InstanceProfiles": [], "IsTruncated": False}
    assert iam.refused("ListInstanceProfilesForRole", RoleName=iam.new_role(), Marker="x")[1] == (
        "Invalid Marker."
    )
