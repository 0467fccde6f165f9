"""RetireGrant: named by token or by ids; allowed by the grant itself."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    denied,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, Road

OWNER = "900000002001"
THIRD = "900000002002"
ROOT_OF = {account: f"arn:aws:iam::{account}:root" for account in (ACCOUNT, OWNER, STRANGER, THIRD)}
WHICH = ("ValidationException", "Grant token OR (grant ID, key ID) must be specified")
CLOSED = policy_for(["kms:CreateGrant", "kms:ListGrants"], ROOT_OF[OWNER])
"""A key policy that allows nobody to retire or revoke."""


def new_closed_grant(road: Road, **members: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A key whose policy says nothing of retiring, and a grant of it."""
    key = road.create_key(account=OWNER, Policy=CLOSED, BypassPolicyLockoutSafetyCheck=True)
    given = {"GranteePrincipal": ROOT_OF[STRANGER], "Operations": ["Decrypt"], **members}
    return key, road.call("CreateGrant", account=OWNER, KeyId=key["KeyId"], **given)


def remaining(road: Road, key: dict[str, Any]) -> int:
    return len(road.call("ListGrants", account=OWNER, KeyId=key["KeyId"])["Grants"])


def test_retire_grant_by_its_token_or_ids_removes_it(road: Road) -> None:
    for by in ("token", "key id", "key ARN"):
        key, made = new_closed_grant(road)
        named = {
            "token": {"GrantToken": made["GrantToken"]},
            "key id": {"KeyId": key["KeyId"], "GrantId": made["GrantId"]},
            "key ARN": {"KeyId": key["Arn"], "GrantId": made["GrantId"]},
        }[by]
        assert road.call("RetireGrant", account=OWNER, **named) == {}
        assert remaining(road, key) == 0
        assert refused(road, "RetireGrant", account=OWNER, **named) == (
            "NotFoundException",
            f"Grant {made['GrantId']} is not found.",
        )


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"KeyId": ABSENT_KEY_ID},
        {"GrantId": "0" * 64},
        {"GrantToken": "t", "KeyId": ABSENT_KEY_ID},
        {"GrantToken": "t", "GrantId": "0" * 64},
        {"GrantToken": "t", "GrantId": "0" * 64, "KeyId": ABSENT_KEY_ID},
        {"DryRun": True},
    ],
)
def test_retire_grant_takes_a_token_or_both_ids(road: Road, members: dict[str, Any]) -> None:
    assert refused(road, "RetireGrant", **members) == WHICH


@pytest.mark.parametrize("by_token", [True, False])
def test_retire_grant_by_the_retiring_principal_needs_no_policy(road: Road, by_token: bool) -> None:
    key, made = new_closed_grant(road, RetiringPrincipal=ROOT_OF[THIRD])
    ids = {"KeyId": key["Arn"], "GrantId": made["GrantId"]}
    named = {"GrantToken": made["GrantToken"]} if by_token else ids
    expected = denied("kms:RetireGrant", key["Arn"], STRANGER)
    assert refused(road, "RetireGrant", account=STRANGER, **named) == expected  # the grantee: not allowed to
    assert remaining(road, key) == 1
    road.call("RetireGrant", account=THIRD, **named)
    assert remaining(road, key) == 0


def test_retire_grant_by_the_grantee_needs_retire_grant_among_the_operations(road: Road) -> None:
    key, made = new_closed_grant(road, Operations=["Decrypt", "RetireGrant"])
    named = {"GrantToken": made["GrantToken"]}
    expected = denied("kms:RetireGrant", key["Arn"], THIRD)
    assert refused(road, "RetireGrant", account=THIRD, **named) == expected
    road.call("RetireGrant", account=STRANGER, **named)
    assert remaining(road, key) == 0


def test_retire_grant_by_the_account_that_made_it_on_another_accounts_key(road: Road) -> None:
    key = road.create_key(account=OWNER, Policy=policy_for("kms:*", "*"))
    given: dict[str, Any] = {"GranteePrincipal": ROOT_OF[STRANGER], "Operations": ["Decrypt"]}
    for retires in (THIRD, OWNER):
        made = road.call("CreateGrant", account=THIRD, KeyId=key["Arn"], **given)
        road.call("RetireGrant", account=retires, KeyId=key["Arn"], GrantId=made["GrantId"])
        assert remaining(road, key) == 0


def test_retire_grant_tells_a_stranger_nothing_of_keys_and_grants(road: Road) -> None:
    """Key and grant there, only the key there, and neither: one answer."""
    key, made = new_closed_grant(road)
    for arn, grant_id in (
        (key["Arn"], made["GrantId"]),
        (key["Arn"], "0" * 64),
        (key_arn(ABSENT_KEY_ID, account=OWNER), "0" * 64),
    ):
        expected = denied("kms:RetireGrant", arn, THIRD)
        assert refused(road, "RetireGrant", account=THIRD, KeyId=arn, GrantId=grant_id) == expected


def test_retire_grant_with_an_alias_is_refused(road: Road) -> None:
    for alias in ("alias/x", f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/x"):
        assert refused(road, "RetireGrant", KeyId=alias, GrantId="0" * 64) == (
            "InvalidArnException",
            "Key Aliases are not supported for this operation.",
        )


def test_retire_grant_under_another_key_is_not_found(road: Road) -> None:
    key, made = new_closed_grant(road)
    other = road.create_key(account=OWNER)
    members = {"KeyId": other["KeyId"], "GrantId": made["GrantId"]}
    assert refused(road, "RetireGrant", account=OWNER, **members)[0] == "NotFoundException"
    assert remaining(road, key) == 1


def test_retire_grant_with_a_token_of_another_region_is_refused(road: Road) -> None:
    key, made = new_closed_grant(road)
    code, _ = refused(road, "RetireGrant", account=OWNER, region=OTHER_REGION, GrantToken=made["GrantToken"])
    assert code == "InvalidGrantTokenException"
    assert remaining(road, key) == 1


def test_retire_grant_is_recorded_with_the_key_also_when_denied(road: Road) -> None:
    key, made = new_closed_grant(road)
    refused(road, "RetireGrant", account=THIRD, KeyId=key["Arn"], GrantId=made["GrantId"])
    record = road.last_record
    assert record["errorCode"].startswith("AccessDenied")
    assert [resource["ARN"] for resource in record["resources"]] == [key["Arn"]]
    assert record["requestParameters"] == {"keyId": key["Arn"], "grantId": made["GrantId"]}
