"""The default key policy and the lockout check."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.policy_facts import GivenValues
from tests.unit.authorization.policies import (
    ADMIN_ID,
    ALICE_ID,
    KEY_ARN,
    OTHER,
    OWNER,
    answer,
    policy,
    root,
    root_arn,
    session,
    statement,
    user,
)

from strongroom.authorization.key_policy import (
    LockoutCheck,
    compile_key_policy,
    default_key_policy,
    parse_policy,
    try_lockout,
)
from strongroom.identity.principal import AuthenticatedPrincipal

ALICE = f"arn:aws:iam::{OWNER}:user/alice"


def check(
    text: str,
    caller: AuthenticatedPrincipal | None = None,
    bound: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> LockoutCheck:
    given = GivenValues(values)
    compiled = compile_key_policy(parse_policy(text), bound or {})
    answer(given.prepare(compiled.condition_keys))
    return try_lockout(caller or root(), compiled, KEY_ARN, OWNER, given)


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
def test_try_lockout_caller_who_can_put_the_next_policy_passes(text: str) -> None:
    assert check(text).passed


@pytest.mark.parametrize(
    "statements",
    [
        [statement(Action="kms:Encrypt")],
        [statement(Principal={"AWS": root_arn(OTHER)})],
        [statement(Principal={"AWS": ALICE})],
        [statement(), statement("Deny", Action="kms:Put*")],
        [statement(), statement("Deny", Principal={"AWS": OWNER})],
        [statement(Resource="arn:aws:dynamodb:*:*:table/x")],
        [statement(NotAction="kms:PutKeyPolicy")],
        [statement(Condition={"StringEquals": {"kms:CallerAccount": OWNER}})],
        [statement("Deny", Action="kms:Encrypt")],
    ],
    ids=repr,
)
def test_try_lockout_caller_who_could_not_put_the_next_policy_fails(statements: list[dict[str, Any]]) -> None:
    assert not check(policy(*statements)).passed


@pytest.mark.parametrize(
    ("principal", "caller", "passes"),
    [
        pytest.param({"AWS": ALICE}, user(), True, id="user-itself"),
        pytest.param({"AWS": root_arn(OWNER)}, user(), True, id="account-of-the-user"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:role/admin"}, user(), False, id="another-role"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:role/admin"}, session(), True, id="role-of-the-session"),
        pytest.param({"AWS": OTHER}, user(), False, id="another-account"),
        pytest.param("*", user(OTHER), False, id="caller-of-another-account"),
        pytest.param("*", root(OTHER), False, id="root-of-another-account"),
    ],
)
def test_try_lockout_users_and_sessions(principal: Any, caller: AuthenticatedPrincipal, passes: bool) -> None:
    """Source: PutKeyPolicy, Policy: "must allow the calling principal to make a subsequent PutKeyPolicy"."""
    bound = {ALICE: ALICE_ID, f"arn:aws:iam::{OWNER}:role/admin": ADMIN_ID}
    assert check(policy(statement(Principal=principal)), caller, bound).passed is passes


def test_try_lockout_name_that_was_not_bound_does_not_help() -> None:
    assert not check(policy(statement(Principal={"AWS": ALICE})), user()).passed


def test_try_lockout_condition_is_judged_by_the_request() -> None:
    text = policy(statement(Condition={"StringEquals": {"kms:CallerAccount": OWNER}}))
    assert check(text, values={"kms:CallerAccount": OWNER}).passed
    assert not check(text, values={"kms:CallerAccount": OTHER}).passed


def test_try_lockout_tells_the_operator_what_was_tried() -> None:
    made = check(
        policy(
            statement(Sid="names", Principal={"AWS": OTHER}),
            statement(Sid="asks", Action="kms:Encrypt"),
            statement(Sid="if", Condition={"Bool": {"aws:SecureTransport": "true"}}),
            statement("Deny", Sid="no"),
            statement(Sid="yes"),
        )
    )
    assert (made.passed, made.principal_arn) == (False, root_arn(OWNER))
    assert [(one.index, one.sid, why.split(",")[0]) for one, why in made.tried] == [
        (0, "names", "does not name the caller"),
        (1, "asks", "is not about kms:PutKeyPolicy on this key"),
        (2, "if", "has the condition Bool aws:SecureTransport"),
        (3, "no", "denies it"),
        (4, "yes", "allows it"),
    ]
