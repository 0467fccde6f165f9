"""SimulatePrincipalPolicy and SimulateCustomPolicy: what they say, and that it is what the road does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.operations.iam_scene import ADMINISTRATOR, Iam, allowing, document, trusting_service
from tests.support.road import ACCOUNT, REGION, Refusal, Road

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET = "arn:aws:s3:::bucket"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
EVERYTHING = allowing("*")


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


def custom(iam: Iam, *policies: str, **members: Any) -> Any:
    given = {"ActionNames": ["kms:Decrypt"]} | members
    return iam.call("SimulateCustomPolicy", PolicyInputList=list(policies), **given)["EvaluationResults"]


def decision(iam: Iam, *policies: str, **members: Any) -> str:
    (result,) = custom(iam, *policies, **members)
    text: str = result["EvalDecision"]
    return text


def sources(result: Any) -> list[str]:
    return [one["SourcePolicyId"] for one in result["MatchedStatements"]]


def context(name: str, *values: str, kind: str = "string") -> dict[str, Any]:
    return {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": kind}


# ---------------------------------------------------------------- principals


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_principal_is_simulated_as_aws_answered(iam: Iam, kind: str) -> None:
    """Source: localstack/localstack, test_simulate_principle_policy, an answer of AWS recorded in 2026; since
    then EvalResourceName is a template, and the model says what stands in ResourceSpecificResults."""
    statement = {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    arn = iam.new_policy(
        "some-policy", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    make: dict[str, Callable[[str], object]] = {
        "user": iam.new_user,
        "group": iam.new_group,
        "role": iam.new_role,
    }
    make[kind]("app")
    name = kind.capitalize()
    iam.call(f"Attach{name}Policy", **{f"{name}Name": "app"}, PolicyArn=arn)
    answer = iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:{kind}/app",
        ActionNames=["s3:PutObject", "s3:GetObjectVersion"],
        ResourceArns=[BUCKET],
    )
    matched = {
        "SourcePolicyId": "some-policy",
        "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 1, "Column": 41},
        "EndPosition": {"Line": 1, "Column": 113},
    }

    def result(action: str, decided: str, statements: list[Any]) -> dict[str, Any]:
        of_both = {"MatchedStatements": statements, "MissingContextValues": []}
        return of_both | {
            "EvalActionName": action,
            "EvalResourceName": "*",
            "EvalDecision": decided,
            "EvalDecisionDetails": {},
            "ResourceSpecificResults": [
                of_both | {"EvalResourceName": BUCKET, "EvalResourceDecision": decided}
            ],
        }

    assert answer == {
        "EvaluationResults": [
            result("s3:PutObject", "allowed", [matched]),
            result("s3:GetObjectVersion", "implicitDeny", []),
        ],
        "IsTruncated": False,
    }
    assert iam.road.last_record["requestParameters"]["actionNames"] == ["s3:PutObject", "s3:GetObjectVersion"]


def test_user_has_the_policies_of_its_groups_and_more_can_be_tried(iam: Iam) -> None:
    group = iam.new_group("staff")
    iam.new_user("alice", groups=(group.unique_id,))
    iam.call("PutGroupPolicy", GroupName="staff", PolicyName="Use", PolicyDocument=allowing("kms:Decrypt"))
    iam.call("PutUserPolicy", UserName="alice", PolicyName="See", PolicyDocument=allowing("kms:List*"))
    denying = document({"Effect": "Deny", "Action": "kms:ListKeys", "Resource": "*"})
    answer = iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=ALICE,
        ActionNames=["kms:Decrypt", "kms:ListAliases", "kms:ListKeys", "kms:Encrypt"],
        PolicyInputList=[allowing("kms:Encrypt"), denying],
    )["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalDecision"], sources(one)) for one in answer] == [
        ("kms:Decrypt", "allowed", ["group_staff_Use"]),
        ("kms:ListAliases", "allowed", ["user_alice_See"]),
        ("kms:ListKeys", "explicitDeny", ["PolicyInputList.2"]),
        ("kms:Encrypt", "allowed", ["PolicyInputList.1"]),
    ]
    assert "ResourceSpecificResults" not in answer[0]
    assert "EvalDecisionDetails" not in answer[0]


def test_boundary_that_is_in_force_counts_unless_another_is_given(iam: Iam) -> None:
    boundary = iam.new_policy("limit", PolicyDocument=allowing("kms:ListKeys"))
    iam.new_user("alice", attached_policies=(ADMINISTRATOR,), permissions_boundary=boundary)

    def simulate(**members: Any) -> list[tuple[str, bool]]:
        answer = iam.call(
            "SimulatePrincipalPolicy",
            PolicySourceArn=ALICE,
            ActionNames=["kms:ListKeys", "kms:ListAliases"],
            **members,
        )["EvaluationResults"]
        return [
            (
                one["EvalDecision"],
                one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"],
            )
            for one in answer
        ]

    assert simulate() == [("allowed", True), ("implicitDeny", False)]
    given = {"PermissionsBoundaryPolicyInputList": [allowing("kms:ListAliases")]}
    assert simulate(**given) == [("implicitDeny", False), ("allowed", True)]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        ({"PolicyType": "inline"}, {"managed", "AdministratorAccess"}),
        ({"PolicyType": "aws-managed"}, {"managed", "user_alice_p"}),
        ({"PolicyType": "user-managed"}, {"AdministratorAccess", "user_alice_p"}),
        ({"PolicyType": "scp"}, {"managed", "AdministratorAccess", "user_alice_p"}),
        ({"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/man?g*"}, {"AdministratorAccess", "user_alice_p"}),
        (
            {
                "InlinePolicyIdentifier": {
                    "PolicyName": "p",
                    "AttachmentType": "user",
                    "AttachmentName": "alice",
                }
            },
            {"managed", "AdministratorAccess"},
        ),
    ],
    ids=["inline", "of AWS", "of the account", "scp", "ARN with wildcards", "one inline policy"],
)
def test_policies_can_be_left_out(iam: Iam, excluded: dict[str, Any], left: set[str]) -> None:
    managed = iam.new_policy("managed", PolicyDocument=EVERYTHING)
    iam.new_user("alice", attached_policies=(managed, ADMINISTRATOR), inline_policies={"p": EVERYTHING + " "})
    (result,) = iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=ALICE,
        ActionNames=["kms:Decrypt"],
        PolicyExclusionList=[excluded],
    )["EvaluationResults"]
    assert set(sources(result)) == left


def test_boundary_can_be_left_out(iam: Iam) -> None:
    boundary = iam.new_policy(PolicyDocument=allowing("kms:ListKeys"))
    iam.new_user("alice", attached_policies=(ADMINISTRATOR,), permissions_boundary=boundary)
    (result,) = iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=ALICE,
        ActionNames=["kms:Decrypt"],
        PolicyExclusionList=[{"PolicyType": "permission-boundary"}],
    )["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in result


def test_principal_that_is_not_there_is_refused(iam: Iam) -> None:
    iam.new_user("alice", path="/x/")
    theirs = ALICE.replace(ACCOUNT, "111122223333")
    for arn, name in ((ALICE, "alice"), (theirs, "alice")):
        assert iam.refused("SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=["kms:Decrypt"]) == (
            "NoSuchEntity",
            f"The user with name {name} cannot be found.",
            404,
        )
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert iam.refused("SimulatePrincipalPolicy", PolicySourceArn=root, ActionNames=["kms:Decrypt"]) == (
        "InvalidInput",
        f"ARN {root} is not valid.",
        400,
    )


def test_simulation_is_what_the_road_does(iam: Iam) -> None:
    statements = (
        {"Effect": "Allow", "Action": "kms:List*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:ListKeys", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "kms:GenerateRandom",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
    key = iam.new_user("alice", inline_policies={"p": document(*statements)})
    bodies: dict[str, dict[str, Any]] = {
        "ListAliases": {},
        "ListKeys": {},
        "GenerateRandom": {"NumberOfBytes": 8},
        "CreateKey": {},
    }
    answer = iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=ALICE,
        ActionNames=[f"kms:{name}" for name in bodies],
        ContextEntries=[context("aws:SecureTransport", "false", kind="boolean")],
    )["EvaluationResults"]
    simulated = {one["EvalActionName"]: one["EvalDecision"] for one in answer}
    for name, members in bodies.items():
        try:
            iam.road.call(name, account=key, **members)
            happened = "allowed"
        except Refusal as refusal:
            explicit = "with an explicit deny" in (refusal.message or "")
            happened = "explicitDeny" if explicit else f"implicitDeny by {refusal.code}"
        assert simulated[f"kms:{name}"] == happened.removesuffix(" by AccessDeniedException"), name


# ---------------------------------------------------------------- custom policies


def test_every_action_is_judged_on_every_resource_and_the_worst_counts(iam: Iam) -> None:
    other = KEY.replace("1234abcd", "5678abcd")
    policy = document(
        {"Effect": "Allow", "Action": "kms:*", "Resource": [KEY, other]},
        {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": other},
    )
    encrypt, decrypt = custom(
        iam, policy, ActionNames=["kms:Encrypt", "kms:Decrypt"], ResourceArns=[KEY, other]
    )
    assert (encrypt["EvalDecision"], decrypt["EvalDecision"]) == ("allowed", "explicitDeny")
    assert encrypt["EvalResourceName"] == "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"
    assert [
        (one["EvalResourceName"], one["EvalResourceDecision"]) for one in decrypt["ResourceSpecificResults"]
    ] == [(KEY, "allowed"), (other, "explicitDeny")]
    # of all together only what led to the worst
    assert decrypt["MatchedStatements"] == decrypt["ResourceSpecificResults"][1]["MatchedStatements"]


def test_positions_are_lines_and_columns(iam: Iam) -> None:
    policy = (
        '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Effect": "Allow", "Action": "kms:X", '
        '"Resource": "*"},\n    {\n      "Effect": "Allow",\n      "Action": "kms:Decrypt",\n'
        '      "Resource": "*"\n    }\n  ]\n}'
    )
    (result,) = custom(iam, policy)
    (matched,) = result["MatchedStatements"]
    assert (matched["StartPosition"], matched["EndPosition"]) == (
        {"Line": 5, "Column": 6},
        {"Line": 9, "Column": 6},
    )


def test_two_policies_of_one_name_are_told_apart(iam: Iam) -> None:
    own = iam.new_policy(
        "AdministratorAccess",
        PolicyDocument=document(
            {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"},
        ),
    )
    iam.new_user("alice", attached_policies=(own, ADMINISTRATOR))
    (result,) = iam.call("SimulatePrincipalPolicy", PolicySourceArn=ALICE, ActionNames=["kms:Decrypt"])[
        "EvaluationResults"
    ]
    starts = [one["StartPosition"] for one in result["MatchedStatements"]]
    assert (len(starts), starts[0] == starts[1]) == (2, False)


@pytest.mark.parametrize(
    ("condition", "entries", "decided"),
    [
        ({"StringEquals": {"kms:ViaService": "s3"}}, [context("KMS:viaservice", "s3")], "allowed"),
        ({"StringEquals": {"kms:ViaService": "s3"}}, [context("kms:ViaService", "ec2")], "implicitDeny"),
        ({"StringEquals": {"kms:ViaService": "s3"}}, [], "implicitDeny"),
        ({"NumericLessThan": {"kms:X": "5"}}, [context("kms:X", "4.5", kind="numeric")], "allowed"),
        ({"Bool": {"kms:X": "true"}}, [context("kms:X", "True", kind="boolean")], "allowed"),
        (
            {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
            [context("aws:SourceIp", "10.1.2.3", kind="ip")],
            "allowed",
        ),
        (
            {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
            [context("aws:CurrentTime", "2025-12-31T23:59:59Z", kind="date")],
            "allowed",
        ),
        ({"BinaryEquals": {"kms:X": "QQ=="}}, [context("kms:X", "QQ==", kind="binary")], "allowed"),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}},
            [context("aws:TagKeys", "a", "b", kind="stringList")],
            "allowed",
        ),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}},
            [context("aws:TagKeys", "a", "c", kind="stringList")],
            "implicitDeny",
        ),
    ],
    ids=[
        "string",
        "other string",
        "absent",
        "number",
        "boolean",
        "address",
        "date",
        "bytes",
        "list",
        "other list",
    ],
)
def test_context_entries_are_what_conditions_compare(
    iam: Iam, condition: Any, entries: list[Any], decided: str
) -> None:
    assert decision(iam, allowing("kms:Decrypt", Condition=condition), ContextEntries=entries) == decided


def test_keys_that_were_not_given_are_told_as_the_policy_spells_them(iam: Iam) -> None:
    policy = document(
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": "arn:aws:kms:*:*:key/${aws:username}",
            "Condition": {"StringEquals": {"kms:ViaService": "s3", "aws:SourceVpc": "v"}},
        },
        {
            "Effect": "Allow",
            "Action": "kms:Encrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceVpce": "v"}},
        },
    )
    (result,) = custom(iam, policy, ContextEntries=[context("aws:SourceVpc", "v")])
    assert result["MissingContextValues"] == ["aws:username", "kms:ViaService"]
    (result,) = custom(iam, policy, ResourceArns=[KEY])
    assert set(result["ResourceSpecificResults"][0]["MissingContextValues"]) == {
        "aws:username",
        "kms:ViaService",
        "aws:SourceVpc",
    }


def test_variables_take_the_given_values(iam: Iam) -> None:
    policy = allowing("kms:Decrypt", Resource="arn:aws:kms:*:*:key/${aws:PrincipalTag/key}")
    given = [context("aws:PrincipalTag/key", "1234abcd-12ab-34cd-56ef-1234567890ab")]
    assert decision(iam, policy, ResourceArns=[KEY], ContextEntries=given) == "allowed"
    assert decision(iam, policy, ResourceArns=[KEY]) == "implicitDeny"


# ---------------------------------------------------------------- resource policies


def key_policy(principal: Any, effect: str = "Allow") -> str:
    return document({"Effect": effect, "Principal": principal, "Action": "kms:*", "Resource": "*"})


@pytest.mark.parametrize(
    ("identity", "resource", "decided"),
    [
        (EVERYTHING, key_policy({"AWS": ACCOUNT}), "allowed"),
        (EVERYTHING, key_policy({"AWS": "111122223333"}), "implicitDeny"),
        (allowing("s3:*"), key_policy({"AWS": ACCOUNT}), "implicitDeny"),
        (allowing("s3:*"), key_policy({"AWS": ALICE}), "allowed"),
        (EVERYTHING, key_policy({"AWS": ALICE}, "Deny"), "explicitDeny"),
        (EVERYTHING, key_policy({"AWS": f"{ALICE}x"}), "implicitDeny"),
    ],
    ids=[
        "account trusted",
        "other account trusted",
        "not allowed by identity",
        "user named",
        "user denied",
        "other user named",
    ],
)
@pytest.mark.parametrize("exists", [True, False], ids=["there", "not there"])
def test_key_policy_must_let_the_caller_in(
    iam: Iam, exists: bool, identity: str, resource: str, decided: str
) -> None:
    if exists:
        iam.new_user("alice")
    members = {"ResourceArns": [KEY], "ResourcePolicy": resource, "CallerArn": ALICE}
    assert decision(iam, identity, **members) == decided


def test_policy_of_another_resource_is_enough_beside_that_of_the_caller(iam: Iam) -> None:
    members = {"ActionNames": ["s3:GetObject"], "ResourceArns": [BUCKET], "CallerArn": ALICE}
    bucket_policy = document(
        {"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "s3:*", "Resource": f"{BUCKET}*"}
    )
    strangers = bucket_policy.replace(ALICE, "111122223333")
    assert decision(iam, allowing("s3:*"), ResourcePolicy=strangers, **members) == "allowed"
    assert decision(iam, allowing("kms:*"), ResourcePolicy=bucket_policy, **members) == "allowed"
    assert decision(iam, allowing("kms:*"), ResourcePolicy=strangers, **members) == "implicitDeny"


def test_across_accounts_both_sides_must_allow_and_are_told(iam: Iam) -> None:
    key = KEY.replace(ACCOUNT, "111122223333")
    members = {"ResourceArns": [key], "CallerArn": ALICE}
    trusting = key_policy({"AWS": ACCOUNT})
    (result,) = custom(iam, EVERYTHING, ResourcePolicy=trusting, **members)
    assert result["EvalDecision"] == "allowed"
    assert result["EvalDecisionDetails"] == {"IAM Policy": "allowed", "Resource Policy": "allowed"}
    (result,) = custom(iam, allowing("s3:*"), ResourcePolicy=trusting, **members)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["ResourceSpecificResults"][0]["EvalDecisionDetails"] == {
        "IAM Policy": "implicitDeny",
        "Resource Policy": "allowed",
    }
    bucket = {"ResourceArns": [BUCKET], "ResourceOwner": "arn:aws:iam::111122223333:root", "CallerArn": ALICE}
    s3 = {"ActionNames": ["s3:GetObject"]} | bucket
    assert (
        decision(iam, EVERYTHING, ResourcePolicy=key_policy({"AWS": "444455556666"}), **s3) == "implicitDeny"
    )


def test_caller_of_a_principal_simulation_is_the_principal_unless_another_is_given(iam: Iam) -> None:
    iam.new_role("app")
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    iam.new_user("bob")
    bob = f"arn:aws:iam::{ACCOUNT}:user/bob"
    asked = {
        "PolicySourceArn": role,
        "ActionNames": ["kms:Decrypt"],
        "ResourceArns": [KEY],
        "ResourcePolicy": key_policy({"AWS": role}),
    }
    (result,) = iam.call("SimulatePrincipalPolicy", **asked)["EvaluationResults"]
    assert (result["EvalDecision"], sources(result)) == ("allowed", ["ResourcePolicy"])
    (result,) = iam.call("SimulatePrincipalPolicy", CallerArn=bob, **asked)["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"


# ---------------------------------------------------------------- organizations


def level(*policies: str) -> dict[str, Any]:
    return {"ServiceControlPolicyInputList": list(policies)}


def test_every_level_of_an_organization_must_allow(iam: Iam) -> None:
    def simulate(*levels: dict[str, Any]) -> tuple[str, bool, list[str]]:
        (result,) = custom(iam, EVERYTHING, OrderedOrganizationPolicyInputList=list(levels))
        within = result["OrganizationsDecisionDetail"]["AllowedByOrganizations"]
        return result["EvalDecision"], within, sources(result)

    denying = document({"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"})
    assert simulate(level(EVERYTHING), level(allowing())) == ("allowed", True, ["PolicyInputList.1"])
    assert simulate(level(EVERYTHING), level(allowing("s3:*"))) == ("implicitDeny", False, [])
    assert simulate(level(EVERYTHING, denying), level(EVERYTHING)) == ("explicitDeny", False, [])


# ---------------------------------------------------------------- pages and refusals


def test_pages_hold_each_action_once(iam: Iam) -> None:
    actions = [f"kms:A{number}" for number in range(5)]
    asked = {"PolicyInputList": [allowing("kms:A*")], "ActionNames": actions}
    first = iam.call("SimulateCustomPolicy", MaxItems=2, **asked)
    assert (len(first["EvaluationResults"]), first["IsTruncated"]) == (2, True)
    rest = iam.call("SimulateCustomPolicy", Marker=first["Marker"], **asked)
    both = first["EvaluationResults"] + rest["EvaluationResults"]
    assert [one["EvalActionName"] for one in both] == actions
    other = asked | {"ActionNames": actions[1:]}
    assert iam.refused("SimulateCustomPolicy", Marker=first["Marker"], **other) == (
        "ValidationError",
        "Invalid Marker.",
        400,
    )


def test_page_is_shorter_where_much_is_compared(iam: Iam) -> None:
    policy = document(*({"Effect": "Allow", "Action": f"kms:A{n}", "Resource": "*"} for n in range(500)))
    resources = [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{number}" for number in range(30)]
    asked = {"PolicyInputList": [policy], "ResourceArns": resources}
    page = iam.call("SimulateCustomPolicy", ActionNames=[f"kms:A{n}" for n in range(8)], **asked)
    assert (len(page["EvaluationResults"]), page["IsTruncated"]) == (1, True)
    too_many = asked | {"ResourceArns": resources * 4 + [f"{BUCKET}{n}" for n in range(80)]}
    assert iam.refused("SimulateCustomPolicy", ActionNames=["kms:A1"], **too_many) == (
        "InvalidInput",
        "Invalid input: too many statements for so many resources",
        400,
    )


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"ActionNames": ["kms:*"]}, "kms:* is not the name of an action"),
        ({"ActionNames": ["Decrypt"]}, "Decrypt is not the name of an action"),
        ({"PolicyInputList": [EVERYTHING, "{"]}, "PolicyInputList.2: Syntax errors in policy."),
        (
            {"PermissionsBoundaryPolicyInputList": [EVERYTHING, EVERYTHING]},
            "more than one permissions boundary",
        ),
        (
            {"OrderedOrganizationPolicyInputList": [level("x")]},
            "OrderedOrganizationPolicyInputList.1.1: Syntax errors in policy.",
        ),
        ({"ResourcePolicy": key_policy({"AWS": ACCOUNT})}, "a ResourcePolicy needs a CallerArn"),
        ({"ResourcePolicy": "x", "CallerArn": ALICE}, "ResourcePolicy: Syntax errors in policy."),
        ({"ResourceHandlingOption": "EC2-VPC-EBS"}, "ResourceHandlingOption is for Amazon EC2"),
        ({"ContextEntries": [context("kms:X", "a", kind="numeric")]}, "kms:X has a value that is no numeric"),
        (
            {"ContextEntries": [context("kms:X", "a", kind="booleanList")]},
            "kms:X has a value that is no booleanList",
        ),
        ({"ContextEntries": [context("kms:X", "a", kind="ip")]}, "kms:X has a value that is no ip"),
        ({"ContextEntries": [context("kms:X", "a", kind="date")]}, "kms:X has a value that is no date"),
        ({"ContextEntries": [context("kms:X", "a", kind="binary")]}, "kms:X has a value that is no binary"),
        ({"ContextEntries": [context("kms:X", "a", "b")]}, "kms:X of type string must have one value"),
        ({"ContextEntries": [context("kms:X", "a"), context("KMS:x", "b")]}, "KMS:x is given twice"),
        ({"ContextEntries": [{"ContextKeyValues": ["a"]}]}, "a context entry has no ContextKeyName"),
    ],
    ids=[
        "wildcard in an action",
        "action without a service",
        "policy that is none",
        "two boundaries",
        "service control policy that is none",
        "resource policy without a caller",
        "resource policy that is none",
        "EC2 scenario",
        "no number",
        "no boolean",
        "no address",
        "no date",
        "no bytes",
        "two values of one",
        "key given twice",
        "entry without a name",
    ],
)
def test_simulation_that_makes_no_sense_is_refused(iam: Iam, members: dict[str, Any], sentence: str) -> None:
    asked = {"PolicyInputList": [EVERYTHING], "ActionNames": ["kms:Decrypt"]} | members
    assert iam.refused("SimulateCustomPolicy", **asked) == ("InvalidInput", f"Invalid input: {sentence}", 400)


@pytest.mark.parametrize(
    ("member", "arn"),
    [
        ("CallerArn", f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s"),
        ("CallerArn", f"arn:aws:iam::{ACCOUNT}:root"),
        ("ResourceOwner", "arn:aws:iam::me:root"),
    ],
    ids=["session", "root", "owner"],
)
def test_arn_of_the_wrong_kind_is_refused(iam: Iam, member: str, arn: str) -> None:
    asked = {"PolicyInputList": [EVERYTHING], "ActionNames": ["kms:Decrypt"], member: arn}
    assert iam.refused("SimulateCustomPolicy", **asked)[:2] == ("InvalidInput", f"ARN {arn} is not valid.")


def test_exclusions_that_are_none_are_refused(iam: Iam) -> None:
    iam.new_user("alice")
    for excluded in (
        {"PolicyType": "inline", "PolicyArn": ADMINISTRATOR},
        {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/a*b*"},
        {"PolicyArn": f"arn:aws:iam::*:policy/{'a' * 5}"},
    ):
        code = iam.refused(
            "SimulatePrincipalPolicy",
            PolicySourceArn=ALICE,
            ActionNames=["kms:Decrypt"],
            PolicyExclusionList=[excluded],
        )[0]
        assert code == "InvalidInput"


def test_simulating_somebody_needs_the_permission(iam: Iam) -> None:
    only_self = allowing("iam:SimulatePrincipalPolicy", Resource=ALICE)
    key = iam.new_user("alice", inline_policies={"p": only_self})
    iam.new_role("app")
    asked = {"ActionNames": ["kms:Decrypt"]}
    iam.road.call_query("iam", "SimulatePrincipalPolicy", account=key, PolicySourceArn=ALICE, **asked)
    for name, members in (
        ("SimulatePrincipalPolicy", {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/app"}),
        ("SimulateCustomPolicy", {"PolicyInputList": [EVERYTHING]}),
    ):
        with pytest.raises(Refusal) as caught:
            iam.road.call_query("iam", name, account=key, **members, **asked)
        assert caught.value.code == "AccessDenied"


def test_role_is_not_changed_by_being_simulated(iam: Iam) -> None:
    iam.call("CreateRole", RoleName="app", AssumeRolePolicyDocument=trusting_service())
    before = iam.call("GetRole", RoleName="app")
    iam.call(
        "SimulatePrincipalPolicy",
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/app",
        ActionNames=["kms:Decrypt"],
        PolicyInputList=[EVERYTHING],
    )
    assert iam.call("GetRole", RoleName="app") == before
