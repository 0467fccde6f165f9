"""Managed policies, their versions, and AWS's own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.iam_scene import ADMINISTRATOR, POWER_USER, Iam, allowing, document
from tests.support.road import ACCOUNT, Road

from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES, AWS_MANAGED_POLICY_FACTS

GONE = f"arn:aws:iam::{ACCOUNT}:policy/gone"


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


def versions_of(iam: Iam, arn: str) -> list[tuple[str, bool]]:
    listed = iam.call("ListPolicyVersions", PolicyArn=arn)["Versions"]
    return [(one["VersionId"], one["IsDefaultVersion"]) for one in listed]


def test_new_policy_shows_what_create_policy_shows_and_get_policy_shows_all(iam: Iam) -> None:
    made = iam.call(
        "CreatePolicy",
        PolicyName="p",
        Path="/division/",
        PolicyDocument=allowing(),
        Description="what it is for",
        Tags=[{"Key": "a", "Value": "b"}, {"Key": "A", "Value": "c"}],
    )["Policy"]
    assert iam.road.last_record["responseElements"]["policy"]["policyName"] == "p"
    assert made["PolicyId"].startswith("ANPA")
    assert made == {
        "PolicyName": "p",
        "PolicyId": made["PolicyId"],
        "Arn": f"arn:aws:iam::{ACCOUNT}:policy/division/p",
        "Path": "/division/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": made["CreateDate"],
        "UpdateDate": made["CreateDate"],
        "Tags": [{"Key": "a", "Value": "b"}, {"Key": "A", "Value": "c"}],
    }
    shown = iam.call("GetPolicy", PolicyArn=made["Arn"])["Policy"]
    assert shown == made | {"Description": "what it is for"}
    listed = iam.call("ListPolicies", Scope="Local")["Policies"]
    assert listed == [{name: value for name, value in made.items() if name != "Tags"}]
    version = iam.call("GetPolicyVersion", PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert version == {
        "Document": allowing(),
        "VersionId": "v1",
        "IsDefaultVersion": True,
        "CreateDate": made["CreateDate"],
    }


def test_policy_without_tags_has_an_empty_list_of_them(iam: Iam) -> None:
    assert iam.call("GetPolicy", PolicyArn=iam.new_policy())["Policy"]["Tags"] == []


def test_policy_of_the_same_name_is_refused_whatever_its_path(iam: Iam) -> None:
    iam.new_policy("p")
    assert iam.refused("CreatePolicy", PolicyName="P", Path="/x/", PolicyDocument=allowing()) == (
        "EntityAlreadyExists",
        "A policy called P already exists. Duplicate names are not allowed.",
        409,
    )


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("x", "MalformedPolicyDocument", "Syntax errors in policy."),
        (
            allowing().replace("2012-10-17", "2008-10-17"),
            "MalformedPolicyDocument",
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (allowing("kms:" + "x" * 6100), "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
    ],
    ids=["no JSON", "old version", "too long"],
)
def test_text_that_is_no_managed_policy_is_refused(iam: Iam, text: str, code: str, sentence: str) -> None:
    assert iam.refused("CreatePolicy", PolicyName="p", PolicyDocument=text)[:2] == (code, sentence)
    arn = iam.new_policy("q")
    assert iam.refused("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text)[:2] == (code, sentence)
    assert versions_of(iam, arn) == [("v1", True)]


def test_policy_has_five_versions_and_numbers_are_not_used_again(iam: Iam) -> None:
    arn = iam.new_policy()
    made = iam.call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing("kms:A"))["PolicyVersion"]
    assert "Document" not in made
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", False)
    iam.call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing("kms:B"), SetAsDefault=True)
    for action in ("kms:C", "kms:D"):
        iam.call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing(action), SetAsDefault=False)
    assert iam.refused("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing()) == (
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
        "existing version.",
        409,
    )
    assert versions_of(iam, arn) == [("v5", False), ("v4", False), ("v3", True), ("v2", False), ("v1", False)]
    iam.call("DeletePolicyVersion", PolicyArn=arn, VersionId="v5")
    again = iam.call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing())
    assert again["PolicyVersion"]["VersionId"] == "v6"
    first = iam.call("ListPolicyVersions", PolicyArn=arn, MaxItems=2)
    assert [one["VersionId"] for one in first["Versions"]] == ["v6", "v4"]
    rest = iam.call("ListPolicyVersions", PolicyArn=arn, Marker=first["Marker"])
    assert [one["VersionId"] for one in rest["Versions"]] == ["v3", "v2", "v1"]


def test_default_version_is_what_is_in_force_and_cannot_be_deleted(iam: Iam) -> None:
    arn = iam.new_policy(PolicyDocument=allowing("kms:ListKeys"))
    key = iam.new_user("bob", attached_policies=(arn,))
    iam.road.call("ListKeys", account=key)
    iam.call(
        "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing("kms:ListAliases"), SetAsDefault=True
    )
    iam.road.call("ListAliases", account=key)
    with pytest.raises(Exception, match="AccessDenied"):
        iam.road.call("ListKeys", account=key)
    conflict = ("DeleteConflict", "Cannot delete the default version of a policy.", 409)
    assert iam.refused("DeletePolicyVersion", PolicyArn=arn, VersionId="v2") == conflict
    iam.call("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
    assert iam.call("GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    iam.road.call("ListKeys", account=key)
    iam.call("DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
    assert versions_of(iam, arn) == [("v1", True)]


def test_versions_and_policies_that_are_not_there_are_refused(iam: Iam) -> None:
    there = iam.new_policy()
    for arn in (GONE, there):
        for name in ("GetPolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"):
            assert iam.refused(name, PolicyArn=arn, VersionId="v9") == (
                "NoSuchEntity",
                f"Policy {arn} version v9 does not exist or is not attachable.",
                404,
            )
    not_found = ("NoSuchEntity", f"Policy {GONE} was not found.", 404)
    more: dict[str, dict[str, Any]] = {
        "CreatePolicyVersion": {"PolicyDocument": allowing()},
        "TagPolicy": {"Tags": [{"Key": "a", "Value": "b"}]},
        "UntagPolicy": {"TagKeys": ["a"]},
    }
    for name in ("GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListPolicyTags", *more):
        assert iam.refused(name, PolicyArn=GONE, **more.get(name, {})) == not_found, name


def test_delete_policy_wants_it_unused_and_with_one_version(iam: Iam) -> None:
    arn = iam.new_policy()
    iam.call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allowing())
    role = iam.new_role(PermissionsBoundary=arn)
    in_use = ("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    assert iam.refused("DeletePolicy", PolicyArn=arn) == in_use
    iam.call("DeleteRolePermissionsBoundary", RoleName=role)
    iam.call("AttachRolePolicy", RoleName=role, PolicyArn=arn)
    assert iam.refused("DeletePolicy", PolicyArn=arn) == in_use
    iam.call("DetachRolePolicy", RoleName=role, PolicyArn=arn)
    assert iam.refused("DeletePolicy", PolicyArn=arn) == (
        "DeleteConflict",
        "This policy has more than one version. Before you delete a policy, you must delete the policy's "
        "versions. The default version is deleted with the policy.",
        409,
    )
    iam.call("DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
    assert iam.call("DeletePolicy", PolicyArn=arn) == {}
    assert iam.refused("GetPolicy", PolicyArn=arn)[0] == "NoSuchEntity"


# ---------------------------------------------------------------- ARNs


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("longpolicynamebutnoarn", "ValidationError"),
        (f"arn:aws:iam::{ACCOUNT}:not_a_policy/invalid", "InvalidInput"),
        (f"arn:aws-cn:iam::{ACCOUNT}:policy/other-partition", "InvalidInput"),
        (f"arn:aws:iam:us-east-1:{ACCOUNT}:policy/with-region", "InvalidInput"),
        (f"arn:aws:iam::{ACCOUNT}:policy/trailing ", "InvalidInput"),
    ],
    ids=["no ARN", "of something else", "of another partition", "with a Region", "trailing space"],
)
def test_text_that_is_no_policy_arn_is_refused(iam: Iam, arn: str, code: str) -> None:
    refusal = (code, f"ARN {arn} is not valid.", 400)
    assert iam.refused("GetPolicy", PolicyArn=arn) == refusal
    assert iam.refused("AttachRolePolicy", RoleName=iam.new_role(), PolicyArn=arn) == refusal
    assert iam.refused("ListEntitiesForPolicy", PolicyArn=arn) == refusal


def test_policy_is_found_only_by_its_whole_arn(iam: Iam) -> None:
    iam.new_policy("p", Path="/x/")
    for arn in ("policy/p", "policy/X/p", "policy/x/P", "policy/y/p"):
        assert iam.refused("GetPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:{arn}")[0] == "NoSuchEntity"
    other = Iam(iam.road, "111122223333")
    assert other.refused("GetPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/x/p")[0] == "NoSuchEntity"
    assert other.refused("DeletePolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/x/p")[0] == "NoSuchEntity"


# ---------------------------------------------------------------- AWS's


def test_every_aws_managed_policy_has_its_facts() -> None:
    assert AWS_MANAGED_POLICY_FACTS.keys() == AWS_MANAGED_POLICIES.keys()


def test_aws_managed_policy_is_readable_and_attachable(iam: Iam) -> None:
    shown = iam.call("GetPolicy", PolicyArn=POWER_USER)["Policy"]
    assert (shown["PolicyName"], shown["DefaultVersionId"]) == ("AWSKeyManagementServicePowerUser", "v2")
    assert shown["Description"] == "Provides access to AWS Key Management Service (KMS)."
    version = iam.call("GetPolicyVersion", PolicyArn=POWER_USER, VersionId="v2")["PolicyVersion"]
    assert version["Document"] == AWS_MANAGED_POLICIES[POWER_USER]
    assert iam.call("ListPolicyTags", PolicyArn=POWER_USER)["Tags"] == []
    role = iam.new_role()
    iam.call("AttachRolePolicy", RoleName=role, PolicyArn=POWER_USER)
    assert iam.call("GetPolicy", PolicyArn=POWER_USER)["Policy"]["AttachmentCount"] == 1
    other = Iam(iam.road, "111122223333")
    assert other.call("GetPolicy", PolicyArn=POWER_USER)["Policy"]["AttachmentCount"] == 0
    assert other.call("ListEntitiesForPolicy", PolicyArn=POWER_USER)["PolicyRoles"] == []


def test_aws_managed_policy_cannot_be_changed(iam: Iam) -> None:
    changes: dict[str, dict[str, Any]] = {
        "DeletePolicy": {},
        "CreatePolicyVersion": {"PolicyDocument": allowing()},
        "DeletePolicyVersion": {"VersionId": "v1"},
        "SetDefaultPolicyVersion": {"VersionId": "v1"},
        "TagPolicy": {"Tags": [{"Key": "a", "Value": "b"}]},
        "UntagPolicy": {"TagKeys": ["a"]},
    }
    for name, members in changes.items():
        code, message, status = iam.refused(name, PolicyArn=ADMINISTRATOR, **members)
        assert (code, status) == ("AccessDenied", 403)
        assert f"iam:{name} on resource: policy {ADMINISTRATOR}" in (message or "")


# ---------------------------------------------------------------- listing


def names(answer: Any) -> list[str]:
    return [one["PolicyName"] for one in answer["Policies"]]


def test_policies_are_listed_by_scope_path_and_use(iam: Iam) -> None:
    attached, boundary = iam.new_policy("attached", Path="/x/"), iam.new_policy("boundary")
    iam.new_policy("unused", Path="/x/")
    iam.call("AttachRolePolicy", RoleName=iam.new_role(PermissionsBoundary=boundary), PolicyArn=attached)
    of_aws = ["AWSKeyManagementServicePowerUser", "AdministratorAccess"]
    local = ["attached", "boundary", "unused"]
    assert names(iam.call("ListPolicies")) == local + of_aws
    assert names(iam.call("ListPolicies", Scope="AWS")) == of_aws
    assert names(iam.call("ListPolicies", Scope="Local")) == local
    assert names(iam.call("ListPolicies", PathPrefix="/x/")) == ["attached", "unused"]
    assert names(iam.call("ListPolicies", OnlyAttached=True)) == ["attached", "boundary"]
    for usage, expected in (("PermissionsPolicy", ["attached"]), ("PermissionsBoundary", ["boundary"])):
        assert names(iam.call("ListPolicies", PolicyUsageFilter=usage)) == expected
    shown = {one["PolicyName"]: one for one in iam.call("ListPolicies")["Policies"]}
    assert shown["attached"]["AttachmentCount"] == 1
    assert shown["boundary"]["PermissionsBoundaryUsageCount"] == 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5], ids=str)
@pytest.mark.parametrize("only_attached", [False, True], ids=["all", "only attached"])
def test_pages_of_policies_hold_each_policy_once(iam: Iam, size: int, only_attached: bool) -> None:
    role = iam.new_role()
    for number in range(6):
        arn = iam.new_policy(f"p{number}")
        if number % 2:
            iam.call("AttachRolePolicy", RoleName=role, PolicyArn=arn)
    iam.call("AttachRolePolicy", RoleName=role, PolicyArn=ADMINISTRATOR)
    found: list[str] = []
    more: dict[str, Any] = {"OnlyAttached": only_attached}
    while True:
        page = iam.call("ListPolicies", MaxItems=size, **more)
        assert len(page["Policies"]) <= size
        found += names(page)
        if not page["IsTruncated"]:
            break
        more["Marker"] = page["Marker"]
    assert found == names(iam.call("ListPolicies", OnlyAttached=only_attached))
    assert len(found) == (4 if only_attached else 8)


# ---------------------------------------------------------------- tags


def test_tag_keys_of_policies_have_a_case(iam: Iam) -> None:
    arn = iam.new_policy(Tags=[{"Key": "a", "Value": "1"}])
    iam.call("TagPolicy", PolicyArn=arn, Tags=[{"Key": "A", "Value": "2"}, {"Key": "a", "Value": "3"}])
    tags = [{"Key": "A", "Value": "2"}, {"Key": "a", "Value": "3"}]
    first = iam.call("ListPolicyTags", PolicyArn=arn, MaxItems=1)
    assert (first["Tags"], first["IsTruncated"]) == (tags[:1], True)
    assert iam.call("ListPolicyTags", PolicyArn=arn, Marker=first["Marker"])["Tags"] == tags[1:]
    iam.call("UntagPolicy", PolicyArn=arn, TagKeys=["a"])
    assert iam.call("ListPolicyTags", PolicyArn=arn)["Tags"] == tags[:1]
    twice = [{"Key": "b", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert iam.refused("TagPolicy", PolicyArn=arn, Tags=twice) == (
        "InvalidInput",
        "Duplicate tag keys found.",
        400,
    )


def test_document_with_another_service_is_a_policy_as_well(iam: Iam) -> None:
    text = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"})
    arn = iam.new_policy(PolicyDocument=text)
    shown = iam.call("GetPolicyVersion", PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert shown == text
