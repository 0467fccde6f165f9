"""The default key policy and the lockout check."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.authorization.policies import KEY_ARN, OTHER, OWNER, policy, root, root_arn, statement, user

from strongroom.authorization.key_policy import check_lockout, default_key_policy, parse_policy
from strongroom.aws.errors import ApiError
from strongroom.resources.identifiers import AccountId

LOCKOUT = "The new key policy will not allow you to update the key policy in the future."


def test_default_key_policy_is_the_one_that_aws_sets() -> None:
    """Source: KMS Developer Guide, Default key policy; recorded in LocalStack's snapshots."""
    assert json.loads(default_key_policy(OWNER, "aws")) == {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_default_key_policy_of_every_partition_is_a_key_policy(partition: str) -> None:
    (only,) = parse_policy(default_key_policy(OWNER, partition)).statements
    assert only.principal is not None
    assert only.principal.names[0][1] == f"arn:{partition}:iam::{OWNER}:root"


@pytest.mark.parametrize(
    "text",
    [
        default_key_policy(OWNER, "aws"),
        policy(statement(Action="kms:Put*")),
        policy(statement(Action=["kms:PutKeyPolicy"], Resource=KEY_ARN)),
        policy(statement(Principal={"AWS": OWNER}), statement("Deny", Action="kms:ScheduleKeyDeletion")),
    ],
)
def test_check_lockout_caller_who_can_put_the_next_policy_passes(text: str) -> None:
    check_lockout(root(), text, KEY_ARN, OWNER)


@pytest.mark.parametrize(
    "statements",
    [
        [statement(Action="kms:Encrypt")],
        [statement(Principal={"AWS": root_arn(OTHER)})],
        [statement(Principal={"AWS": f"arn:aws:iam::{OWNER}:user/alice"})],
        [statement(), statement("Deny", Action="kms:Put*")],
        [statement(), statement("Deny", Principal={"AWS": OWNER})],
        [statement(Resource="arn:aws:dynamodb:*:*:table/x")],
        [statement(NotAction="kms:PutKeyPolicy")],
        [statement(Condition={"StringEquals": {"kms:CallerAccount": OWNER}})],
        [statement("Deny", Action="kms:Encrypt")],
    ],
    ids=repr,
)
def test_check_lockout_caller_who_could_not_put_the_next_policy_is_refused(
    statements: list[dict[str, Any]],
) -> None:
    """Source: the sentence as quoted from AWS, e.g. terraform-aws-modules/terraform-aws-eks#1950."""
    with pytest.raises(ApiError) as caught:
        check_lockout(root(), policy(*statements), KEY_ARN, OWNER)
    assert (caught.value.code, caught.value.message) == ("MalformedPolicyDocumentException", LOCKOUT)


@pytest.mark.parametrize("caller", [root(OTHER), user()], ids=["other-account", "user"])
def test_check_lockout_caller_without_the_operation_is_refused_whatever_the_policy(caller: Any) -> None:
    with pytest.raises(ApiError, match="will not allow you"):
        check_lockout(caller, policy(statement()), KEY_ARN, AccountId(OWNER))


def test_check_lockout_text_that_is_no_policy_is_refused() -> None:
    with pytest.raises(ApiError, match="Malformed"):
        check_lockout(root(), "{}", KEY_ARN, OWNER)
