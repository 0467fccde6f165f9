"""Simulations that are refused, their pages, and who may simulate."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.iam_scene import ADMINISTRATOR, Iam, allowing, document, trusting_service
from tests.operations.simulations import (
    ALICE,
    BUCKET,
    EVERYTHING,
    KEY,
    context,
    custom,
    key_policy,
    level,
)
from tests.support.road import ACCOUNT, REGION, Refusal, Road


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


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


def test_record_of_a_simulation_has_no_policies(iam: Iam) -> None:
    custom(iam, EVERYTHING, ResourceArns=[KEY], ContextEntries=[context("kms:X", "tell nobody")])
    shown = iam.road.last_record["requestParameters"]
    assert shown == {"actionNames": ["kms:Decrypt"], "resourceArns": [KEY]}


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
