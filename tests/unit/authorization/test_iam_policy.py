"""Identity-based and trust policies: what is one, and IAM's words for what is not.

Sources: [moto] tests/test_iam/test_iam_policies.py, taken from AWS; [VGW] versity/versitygw's tests; [GH]
issues.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.authorization.policies import OWNER, policy, root_arn

from strongroom.authorization.iam_policy import (
    parse_identity_policy,
    parse_managed_policy,
    parse_trust_policy,
)
from strongroom.authorization.policy_document import Condition, Effect
from strongroom.authorization.statements import compile_policy
from strongroom.aws.errors import ApiError
from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES

PARSERS = {"identity": parse_identity_policy, "managed": parse_managed_policy, "trust": parse_trust_policy}
SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
NO_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
STS_ONLY = "AssumeRole policy may only specify STS AssumeRole actions."


def statement(**elements: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | elements
    return {name: value for name, value in made.items() if value is not None}


def trust(**elements: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "sts:AssumeRole"} | elements
    return {name: value for name, value in made.items() if value is not None}


def refused(text: str, kind: str) -> str | None:
    with pytest.raises(ApiError) as caught:
        PARSERS[kind](text)
    assert (caught.value.code, caught.value.status) == ("MalformedPolicyDocument", 400)
    return caught.value.message


def test_identity_policy_every_element_is_kept() -> None:
    document = parse_identity_policy(
        policy(
            statement(
                Sid="Sid1",
                Effect="Deny",
                Action=None,
                NotAction=["kms:*", "iam: any thing"],
                Resource=None,
                NotResource="arn:aws:s3:::b/${aws:username}",
                Condition={"StringEquals": {"aws:x": ["a", 1, True]}},
            ),
            Id="x",
        )
    )
    (only,) = document.statements
    assert (only.sid, only.effect, only.principal) == ("Sid1", Effect.DENY, None)
    assert (only.action.patterns, only.action.negated) == (("kms:*", "iam: any thing"), True)
    assert only.resource is not None
    assert (only.resource.patterns, only.resource.negated) == (("arn:aws:s3:::b/${aws:username}",), True)
    assert only.conditions == (Condition("StringEquals", "aws:x", ("a", "1", "true")),)


@pytest.mark.parametrize("arn", sorted(AWS_MANAGED_POLICIES))
def test_aws_managed_policy_is_read_and_compiled(arn: str) -> None:
    assert compile_policy(parse_managed_policy(AWS_MANAGED_POLICIES[arn])).statements


@pytest.mark.parametrize(
    "elements",
    [
        {"Action": "*"},
        {"Action": "*:*"},
        {"Action": "s3-object-lambda:Get*"},
        {"Resource": "arn:aws:s3:::b/*"},
        {"Resource": "arn:aws-cn:s3:::b"},
        {"Resource": "arn:*:iam::*:role/x"},
        {"Resource": "arn:aws:kms:*"},
        {"Resource": ["*", "arn:aws:iam::*:user/${aws:username}"]},
        {"Sid": ""},
        {"Condition": {}},
        {"Condition": {"Null": {"aws:TokenIssueTime": "true"}}},
        {"Condition": {"StringEquals": {"aws:ResourceTag/x": "y", "kms:ResourceAliases": "alias/x"}}},
    ],
    ids=str,
)
def test_identity_policy_form_that_iam_takes_is_read(elements: dict[str, Any]) -> None:
    assert parse_managed_policy(policy(statement(**elements))).statements


def test_inline_policy_may_be_of_an_older_version_and_a_managed_one_not() -> None:
    """[moto] "Policy document must be version 2012-10-17 or greater."."""
    for text in (policy(statement(), Version="2008-10-17"), json.dumps({"Statement": statement()})):
        assert parse_identity_policy(text).version == "2008-10-17"
        assert refused(text, "managed") == "Policy document must be version 2012-10-17 or greater."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{not valid json", SYNTAX, id="VGW-no-json"),
        pytest.param("{}", SYNTAX, id="VGW-empty-object"),
        pytest.param('"x"', SYNTAX, id="moto-no-object"),
        pytest.param(policy(statement(), Version="2020-01-01"), SYNTAX, id="VGW-version"),
        pytest.param('{"Version": "2012-10-17"}', SYNTAX, id="VGW-no-statement"),
        pytest.param('{"Version": "2012-10-17", "Statement": null}', SYNTAX, id="VGW-null-statement"),
        pytest.param(policy(), SYNTAX, id="VGW-no-statements"),
        pytest.param('{"Version": "2012-10-17", "Statement": "hello"}', SYNTAX, id="VGW-statement-is-text"),
        pytest.param(policy(statement(Effect=None)), SYNTAX, id="VGW-no-effect"),
        pytest.param(policy(statement(Effect="Maybe")), SYNTAX, id="VGW-effect"),
        pytest.param(policy(statement(NotAction="s3:PutObject")), SYNTAX, id="VGW-action-and-not-action"),
        pytest.param(policy(statement(NotResource="foo")), SYNTAX, id="VGW-resource-and-not-resource"),
        pytest.param(policy(statement(Action=123)), SYNTAX, id="VGW-action-is-a-number"),
        pytest.param(policy(statement(Unknown="x")), SYNTAX, id="moto-unknown-element"),
        pytest.param(policy(statement(), Unknown="x"), SYNTAX, id="moto-unknown-member"),
        pytest.param(policy(statement(Condition={"x": {"aws:x": "y"}})), SYNTAX, id="moto-unknown-operator"),
        pytest.param(
            policy(statement()).replace('"Effect"', '"Effect": "Deny", "Effect"'), SYNTAX, id="Z4-twice"
        ),
        pytest.param(policy(statement(Action="s3:\u0100")), SYNTAX, id="character"),
        pytest.param(policy(statement(Action="s3:\u00e9")), LEGACY, id="action-is-not-ASCII"),
        pytest.param(
            policy(statement(Action=None)), "Policy statement must contain actions.", id="VGW-no-action"
        ),
        pytest.param(
            policy(statement(Action=[])), "Policy statement must contain actions.", id="moto-actions"
        ),
        pytest.param(
            policy(statement(Resource=None)), "Policy statement must contain resources.", id="VGW-no-resource"
        ),
        pytest.param(
            policy(statement(Resource=[])), "Policy statement must contain resources.", id="VGW-resources"
        ),
        pytest.param(policy(statement(Action="")), NO_VENDOR, id="VGW-empty-action"),
        pytest.param(policy(statement(Action="GetObject")), NO_VENDOR, id="VGW-no-vendor"),
        pytest.param(policy(statement(Action=None, NotAction="GetObject")), NO_VENDOR, id="VGW-not-action"),
        pytest.param(policy(statement(Condition={"Bool": {"x": "true"}})), NO_VENDOR, id="condition-key"),
        pytest.param(policy(statement(Action=":GetObject")), "Vendor  is not valid", id="VGW-empty-vendor"),
        pytest.param(policy(statement(Action="iam :Get")), "Vendor iam  is not valid", id="VGW-vendor"),
        pytest.param(
            policy(statement(Action="a:b:c")),
            "Actions/Condition can contain only one colon.",
            id="moto-colons",
        ),
        pytest.param(
            policy(statement(Resource="invalid")),
            'Resource invalid must be in ARN format or "*".',
            id="VGW-resource-without-colon",
        ),
        pytest.param(
            policy(statement(Resource="s3::example-bucket/*")),
            'Partition "" is not valid for resource "arn::example-bucket/*:*:*:*".',
            id="VGW-no-partition",
        ),
        pytest.param(
            policy(statement(Resource="arn:aws2:s3:::example-bucket/*")),
            'Partition "aws2" is not valid for resource "arn:aws2:s3:::example-bucket/*".',
            id="VGW-partition",
        ),
        pytest.param(
            policy(statement(Resource="arn:aws")),
            "Resource vendor must be fully qualified and cannot contain regexes.",
            id="moto-arn-ends-before-vendor",
        ),
        pytest.param(
            policy(statement(Resource="arn:aws:s3::example_bucket")), LEGACY, id="moto-arn-too-short"
        ),
        pytest.param(
            policy(statement(Resource="arn:aws:iam::${aws:PrincipalAccount}:role/x")),
            LEGACY,
            id="GH-variable",
        ),
        pytest.param(policy(statement(Condition={"DateEquals": {"aws:x": "never"}})), LEGACY, id="moto-date"),
        pytest.param(
            policy(statement(Principal="*")),
            "Policy document should not specify a principal.",
            id="VGW-principal",
        ),
        pytest.param(
            policy(statement(NotPrincipal={"AWS": OWNER})),
            "Policy document should not specify a principal.",
            id="not-principal",
        ),
        pytest.param(
            policy(statement(Sid="Dup"), statement(Sid="Dup")),
            "Statement IDs (SID) in a single policy must be unique.",
            id="VGW-sids",
        ),
        pytest.param(
            policy(statement(Sid="with spaces")),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
            "expression [0-9A-Za-z]*",
            id="GH-sid",
        ),
    ],
)
def test_identity_policy_that_is_none_is_refused_in_iams_words(text: str, message: str) -> None:
    assert refused(text, "identity") == message
    assert refused(text, "managed") == message


@pytest.mark.parametrize(
    "elements",
    [
        {"Principal": {"Service": "ec2.amazonaws.com"}},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": [root_arn(OWNER), f"arn:aws:iam::{OWNER}:role/x"]}},
        {
            "Principal": {
                "Federated": f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com"
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:a/b:*"}},
        },
        {"Action": ["sts:AssumeRole", "sts:TagSession", "STS:SetSourceIdentity"]},
        {"Effect": "Deny", "Action": None, "NotAction": "sts:TagSession"},
        {"Sid": "with spaces"},
    ],
    ids=str,
)
def test_trust_policy_form_that_iam_takes_is_read(elements: dict[str, Any]) -> None:
    (only,) = parse_trust_policy(policy(trust(**elements))).statements
    assert only.resource is None
    assert only.principal is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "This policy contains invalid Json", id="GH-no-json"),
        pytest.param("{}", "Syntax error in policy.", id="empty-object"),
        pytest.param(
            policy(trust(), Version="2020-01-01"),
            "The policy must contain a valid version string",
            id="VGW-version",
        ),
        pytest.param(
            policy(trust(Principal=None)), "Missing required field Principal", id="VGW-no-principal"
        ),
        pytest.param(
            policy(trust(Principal="*")), "Principal must be a JSON object.", id="aws-cdk-5746-star"
        ),
        pytest.param(
            policy(trust(Principal={"AWS": "arn:aws:iam::1:role/x"})),
            'Invalid principal in policy: "AWS":"arn:aws:iam::1:role/x"',
            id="GH-principal",
        ),
        pytest.param(
            policy(trust(Principal={"Unknown": "x"})),
            'Invalid principal in policy: "Unknown":"x"',
            id="VGW-kind",
        ),
        pytest.param(
            policy(trust(Principal={"CanonicalUser": "x"})),
            'Invalid principal in policy: "CanonicalUser":"x"',
            id="canonical-user",
        ),
        pytest.param(
            policy(trust(Effect="Deny", Principal=None, NotPrincipal={"AWS": OWNER})),
            "AssumeRole policy must not contain NotPrincipal field.",
            id="VGW-not-principal",
        ),
        pytest.param(policy(trust(Resource="*")), "Has prohibited field Resource", id="GH-resource"),
        pytest.param(policy(trust(Action=None)), "Missing required field Action", id="VGW-no-action"),
        pytest.param(policy(trust(Action="*")), STS_ONLY, id="VGW-every-action"),
        pytest.param(policy(trust(Action="s3:GetObject")), STS_ONLY, id="GH-action-of-another-service"),
        pytest.param(
            policy(trust(Sid="a"), trust(Sid="a")),
            "The Statement Ids in the policy are not unique",
            id="VGW-sids",
        ),
        pytest.param(
            policy(trust(Condition={"StringEqual": {"aws:x": "y"}})),
            "Syntax error in policy.",
            id="Z4-operator",
        ),
    ],
)
def test_trust_policy_that_is_none_is_refused_in_iams_words(text: str, message: str) -> None:
    assert refused(text, "trust") == message
