"""Roles, policies and providers on a whole server, asked by boto3, by the AWS CLI, and as Terraform asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from tests.conformance.test_aws_cli import answer, aws
from tests.support.server import ACCOUNT, Server

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Trust",
            "Effect": "Allow",
            "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}},
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"}],
}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture
def iam(server: Server) -> Any:
    return server.client("iam", region="us-east-1")


@pytest.fixture
def name() -> str:
    """A name that no other test has: the server is shared."""
    return f"app-{uuid4()}"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The policies as files, written as people write them."""
    written = {}
    for what, policy in (("trust", TRUST), ("policy", POLICY)):
        path = tmp_path / f"{what}.json"
        path.write_text(json.dumps(policy, indent=2) + "\n")
        written[what] = f"file://{path}"
    return written


def pages(iam: Any, operation: str, member: str, **members: Any) -> list[Any]:
    """All items of a listing, by the SDK's own paginator, two a page."""
    paginator = iam.get_paginator(operation)
    found: list[Any] = []
    for page in paginator.paginate(PaginationConfig={"PageSize": 2}, **members):
        assert len(page[member]) <= 2
        found += page[member]
    return found


# ---------------------------------------------------------------- boto3


def test_boto3_reads_policies_back_as_what_they_were(iam: Any, name: str) -> None:
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    assert made["AssumeRolePolicyDocument"] == TRUST  # botocore has read the percent-encoded JSON
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
    assert iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"] == POLICY
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == POLICY


def test_boto3_paginators_find_everything(iam: Any, name: str) -> None:
    path = f"/{name}/"
    for number in range(5):
        role = f"{name}-{number}"
        iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.create_policy(PolicyName=role, Path=path, PolicyDocument=json.dumps(POLICY))
    names = [f"{name}-{number}" for number in range(5)]
    roles = pages(iam, "list_roles", "Roles", PathPrefix=path)
    assert [role["RoleName"] for role in roles] == names
    policies = pages(iam, "list_policies", "Policies", Scope="Local", PathPrefix=path)
    assert [policy["PolicyName"] for policy in policies] == names
    role = names[0]
    for policy in policies:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy["Arn"])
        iam.put_role_policy(RoleName=role, PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(POLICY))
    attached = pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
    assert [one["PolicyName"] for one in attached] == names
    assert pages(iam, "list_role_policies", "PolicyNames", RoleName=role) == names
    for other in names:
        iam.attach_role_policy(RoleName=other, PolicyArn=policies[0]["Arn"])
    users = pages(iam, "list_entities_for_policy", "PolicyRoles", PolicyArn=policies[0]["Arn"])
    assert [one["RoleName"] for one in users] == names
    for _ in range(4):
        iam.create_policy_version(PolicyArn=policies[0]["Arn"], PolicyDocument=json.dumps(POLICY))
    versions = pages(iam, "list_policy_versions", "Versions", PolicyArn=policies[0]["Arn"])
    assert [one["VersionId"] for one in versions] == ["v5", "v4", "v3", "v2", "v1"]
    results = pages(
        iam,
        "simulate_principal_policy",
        "EvaluationResults",
        PolicySourceArn=roles[0]["Arn"],
        ActionNames=["kms:Decrypt", "kms:Encrypt", "kms:ListKeys"],
    )
    assert [one["EvalDecision"] for one in results] == ["allowed", "allowed", "implicitDeny"]


def test_boto3_knows_the_refusals_by_their_names(iam: Any, name: str) -> None:
    exceptions = iam.exceptions
    trust = json.dumps(TRUST)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    with pytest.raises(exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    with pytest.raises(exceptions.NoSuchEntityException):
        iam.get_role(RoleName=f"{name}-gone")
    with pytest.raises(exceptions.MalformedPolicyDocumentException):
        iam.create_role(RoleName=f"{name}-2", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
    with pytest.raises(exceptions.DeleteConflictException):
        iam.delete_role(RoleName=name)
    with pytest.raises(exceptions.InvalidInputException):
        iam.get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:role/app")
    big = json.dumps(POLICY).replace("kms:Decrypt", "kms:" + "x" * 10_300)
    with pytest.raises(exceptions.LimitExceededException):
        iam.put_role_policy(RoleName=name, PolicyName="big", PolicyDocument=big)
    with pytest.raises(ClientError, match="AccessDenied"):
        iam.create_policy_version(PolicyArn=ADMINISTRATOR, PolicyDocument=json.dumps(POLICY))


# ---------------------------------------------------------------- AWS CLI


def cli(server: Server, *arguments: str) -> Any:
    return answer(server, "iam", *arguments, "--endpoint-url", server.url)


def test_aws_cli_creates_a_role_from_a_file_and_reads_it_back(
    server: Server, name: str, files: dict[str, str]
) -> None:
    made = cli(
        server, "create-role", "--role-name", name, "--assume-role-policy-document", files["trust"],
        "--description", "made by the CLI", "--max-session-duration", "7200", "--tags", "Key=team,Value=red",
    )["Role"]  # fmt: skip
    shown = cli(server, "get-role", "--role-name", name)["Role"]
    assert shown["AssumeRolePolicyDocument"] == made["AssumeRolePolicyDocument"] == TRUST
    for member in ("RoleId", "Arn", "Path", "CreateDate", "RoleName", "Tags"):
        assert shown[member] == made[member], member
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("made by the CLI", 7200)


def test_aws_cli_goes_the_whole_way_of_a_policy(server: Server, name: str, files: dict[str, str]) -> None:
    cli(server, "create-role", "--role-name", name, "--assume-role-policy-document", files["trust"])
    arn = cli(server, "create-policy", "--policy-name", name, "--policy-document", files["policy"])["Policy"][
        "Arn"
    ]

    def quietly(*arguments: str) -> None:
        done = aws(server, "iam", *arguments, "--endpoint-url", server.url)
        assert (done.stdout, done.stderr) == ("", "")

    quietly("attach-role-policy", "--role-name", name, "--policy-arn", arn)
    attached = cli(server, "list-attached-role-policies", "--role-name", name)
    assert attached["AttachedPolicies"] == [{"PolicyName": name, "PolicyArn": arn}]
    cli(
        server,
        "create-policy-version",
        "--policy-arn",
        arn,
        "--policy-document",
        files["policy"],
        "--set-as-default",
    )
    shown = cli(server, "get-policy-version", "--policy-arn", arn, "--version-id", "v2")["PolicyVersion"]
    assert (shown["Document"], shown["IsDefaultVersion"]) == (POLICY, True)
    simulated = cli(
        server, "simulate-principal-policy", "--policy-source-arn", f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "--action-names", "kms:Decrypt", "kms:CreateKey",
    )["EvaluationResults"]  # fmt: skip
    assert [one["EvalDecision"] for one in simulated] == ["allowed", "implicitDeny"]
    failed = aws(
        server, "iam", "delete-policy", "--policy-arn", arn, "--endpoint-url", server.url, check=False
    )
    assert failed.returncode != 0
    assert (
        "An error occurred (DeleteConflict) when calling the DeletePolicy operation: "
        "Cannot delete a policy attached to entities."
    ) in failed.stderr
    quietly("detach-role-policy", "--role-name", name, "--policy-arn", arn)
    quietly("delete-policy-version", "--policy-arn", arn, "--version-id", "v1")
    quietly("delete-policy", "--policy-arn", arn)
    quietly("delete-role", "--role-name", name)


# ---------------------------------------------------------------- as Terraform asks


@pytest.fixture
def deployed(iam: Any, name: str) -> tuple[Any, str, str]:
    """What `terraform apply` makes of an aws_iam_policy, aws_iam_role and aws_iam_role_policy_attachment."""
    policy = iam.create_policy(
        PolicyName=name,
        Path="/tf/",
        Description="of Terraform",
        PolicyDocument=json.dumps(POLICY),
        Tags=[{"Key": "managed-by", "Value": "terraform"}],
    )["Policy"]["Arn"]
    iam.create_role(
        RoleName=name,
        Path="/tf/",
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Description="of Terraform",
        MaxSessionDuration=43200,
        PermissionsBoundary=policy,
        Tags=[{"Key": "managed-by", "Value": "terraform"}],
    )
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
    return iam, name, policy


def refreshed(iam: Any, name: str, policy: str) -> dict[str, Any]:
    """Every call that the three resources make when they are read, and what they keep of the answers."""
    role = iam.get_role(RoleName=name)["Role"]
    shown = iam.get_policy(PolicyArn=policy)["Policy"]
    version = iam.get_policy_version(PolicyArn=policy, VersionId=shown["DefaultVersionId"])
    inline = {
        one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
        for one in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "aws_iam_role": {
            "arn": role["Arn"],
            "assume_role_policy": role["AssumeRolePolicyDocument"],
            "create_date": role["CreateDate"],
            "description": role["Description"],
            "max_session_duration": role["MaxSessionDuration"],
            "name": role["RoleName"],
            "path": role["Path"],
            "permissions_boundary": role["PermissionsBoundary"]["PermissionsBoundaryArn"],
            "unique_id": role["RoleId"],
            "tags": role["Tags"],
            "inline_policy": inline,
            "managed_policy_arns": [one["PolicyArn"] for one in attached],
        },
        "aws_iam_policy": {
            "arn": shown["Arn"],
            "description": shown["Description"],
            "name": shown["PolicyName"],
            "path": shown["Path"],
            "policy": version["PolicyVersion"]["Document"],
            "policy_id": shown["PolicyId"],
            "attachment_count": shown["AttachmentCount"],
            "tags": shown["Tags"],
        },
    }


def test_terraform_finds_what_it_made_and_the_same_again(deployed: tuple[Any, str, str]) -> None:
    iam, name, policy = deployed
    state = refreshed(iam, name, policy)
    assert refreshed(iam, name, policy) == state
    tags = [{"Key": "managed-by", "Value": "terraform"}]
    assert state["aws_iam_role"] == {
        "arn": f"arn:aws:iam::{ACCOUNT}:role/tf/{name}",
        "assume_role_policy": TRUST,
        "create_date": state["aws_iam_role"]["create_date"],
        "description": "of Terraform",
        "max_session_duration": 43200,
        "name": name,
        "path": "/tf/",
        "permissions_boundary": policy,
        "unique_id": state["aws_iam_role"]["unique_id"],
        "tags": tags,
        "inline_policy": {"inline": POLICY},
        "managed_policy_arns": [policy, ADMINISTRATOR],
    }
    assert state["aws_iam_policy"] == {
        "arn": f"arn:aws:iam::{ACCOUNT}:policy/tf/{name}",
        "description": "of Terraform",
        "name": name,
        "path": "/tf/",
        "policy": POLICY,
        "policy_id": state["aws_iam_policy"]["policy_id"],
        "attachment_count": 1,
        "tags": tags,
    }


def test_terraform_destroys_what_it_made_in_its_order(deployed: tuple[Any, str, str]) -> None:
    iam, name, policy = deployed
    for one in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=one["PolicyArn"])
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    for one in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=one)
    iam.delete_role_permissions_boundary(RoleName=name)
    iam.delete_role(RoleName=name)
    for version in iam.list_policy_versions(PolicyArn=policy)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=policy)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=name)


def test_terraform_reads_a_provider_back(iam: Any, name: str) -> None:
    url = f"https://{name}.example.com/id/EXAMPLE"
    arn = iam.create_open_id_connect_provider(
        Url=url,
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"],
    )["OpenIDConnectProviderArn"]
    shown = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert shown["Url"] == url.removeprefix("https://")
    assert shown["ClientIDList"] == ["sts.amazonaws.com"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
