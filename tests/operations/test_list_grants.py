"""ListGrants, ListRetirableGrants: filters, pages and markers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import OTHER_REGION, STRANGER, policy_for, refused
from tests.support.road import ACCOUNT, Road

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:role/path/of/bob"
SERVICE = "s3.example.amazonaws.com"
TO_ALICE: dict[str, Any] = {"GranteePrincipal": ALICE, "Operations": ["Decrypt"]}
INVALID_MARKER = ("InvalidMarkerException", "Could not deserialize marker")
INVALID_GRANT_ID = (
    "InvalidGrantIdException",
    "The request was rejected because the specified GrantId is not valid.",
)


@pytest.fixture
def key_id(road: Road) -> str:
    return str(road.create_key()["KeyId"])


def grants_of(road: Road, key_id: str, **members: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = road.call("ListGrants", KeyId=key_id, **members)["Grants"]
    return listed


def test_list_grants_in_pages_gives_all_in_order(road: Road, key_id: str) -> None:
    for number in range(7):
        grantee = ALICE if number % 2 else BOB
        road.call("CreateGrant", KeyId=key_id, GranteePrincipal=grantee, Operations=["Decrypt"])
    everything = grants_of(road, key_id)
    assert [grant["GrantId"] for grant in everything] == sorted(grant["GrantId"] for grant in everything)
    for filters, expected in (
        ({}, everything),
        ({"GranteePrincipal": ALICE}, [g for g in everything if g["GranteePrincipal"] == ALICE]),
    ):
        found: list[dict[str, Any]] = []
        marker: dict[str, str] = {}
        while True:
            page = road.call("ListGrants", KeyId=key_id, Limit=2, **filters, **marker)
            found += page["Grants"]
            assert page["Truncated"] is ("NextMarker" in page)
            if not page["Truncated"]:
                break
            assert len(page["Grants"]) == 2
            marker = {"Marker": page["NextMarker"]}
        assert found == expected


def test_list_grants_markers_of_another_key_filter_listing_or_account_are_refused(road: Road) -> None:
    policy = policy_for("kms:*", "*")
    one, other = (road.create_key(Policy=policy)["Arn"] for _ in range(2))
    for key in (one, other):
        for _ in range(3):
            road.call("CreateGrant", KeyId=key, RetiringPrincipal=ROOT, **TO_ALICE)
    marker = road.call("ListGrants", KeyId=one, Limit=1)["NextMarker"]
    assert refused(road, "ListGrants", KeyId=other, Marker=marker) == INVALID_MARKER
    assert refused(road, "ListGrants", KeyId=one, GranteePrincipal=ALICE, Marker=marker) == INVALID_MARKER
    assert refused(road, "ListGrants", KeyId=one, account=STRANGER, Marker=marker) == INVALID_MARKER
    assert refused(road, "ListRetirableGrants", RetiringPrincipal=ROOT, Marker=marker) == INVALID_MARKER
    assert refused(road, "ListResourceTags", KeyId=one, Marker=marker) == INVALID_MARKER
    retirable = road.call("ListRetirableGrants", RetiringPrincipal=ROOT, Limit=1)["NextMarker"]
    assert refused(road, "ListGrants", KeyId=one, Marker=retirable) == INVALID_MARKER
    assert refused(road, "ListRetirableGrants", RetiringPrincipal=ALICE, Marker=retirable) == INVALID_MARKER
    assert road.call("ListGrants", KeyId=one, Marker=marker)["Truncated"] is False


def test_list_grants_holds_fifty_by_default_and_a_hundred_at_most(road: Road, key_id: str) -> None:
    for _ in range(101):
        road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
    assert len(grants_of(road, key_id)) == 50
    assert len(grants_of(road, key_id, Limit=100)) == 100
    assert len(grants_of(road, key_id, Limit=1000)) == 100
    assert len(grants_of(road, key_id, Limit=1)) == 1
    assert refused(road, "ListGrants", KeyId=key_id, Limit=0)[0] == "ValidationException"
    assert refused(road, "ListGrants", KeyId=key_id, Limit=1001)[0] == "ValidationException"


def test_list_grants_by_grant_id(road: Road, key_id: str) -> None:
    made = [road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantId"] for _ in range(2)]
    assert [grant["GrantId"] for grant in grants_of(road, key_id, GrantId=made[0])] == [made[0]]
    assert grants_of(road, key_id, GrantId="0" * 64) == []
    assert grants_of(road, key_id, GrantId=made[0], GranteePrincipal=BOB) == []
    other = road.create_key()["KeyId"]
    assert grants_of(road, other, GrantId=made[0]) == []


@pytest.mark.parametrize(
    "grant_id", ["x", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "\n", "../" * 20, "٠" * 64]
)
def test_grant_id_that_cannot_be_one_is_refused(road: Road, key_id: str, grant_id: str) -> None:
    for operation in ("ListGrants", "RevokeGrant", "RetireGrant"):
        assert refused(road, operation, KeyId=key_id, GrantId=grant_id) == INVALID_GRANT_ID


def test_list_grants_filters_that_do_not_go_together_are_refused(road: Road, key_id: str) -> None:
    both = {"GranteePrincipal": ALICE, "GranteeServicePrincipal": SERVICE}
    code, message = refused(road, "ListGrants", KeyId=key_id, **both)
    assert (code, message) == (
        "ValidationException",
        "You can specify either GranteePrincipal or GranteeServicePrincipal, but not both.",
    )
    assert refused(road, "ListGrants", KeyId=key_id, GranteeServicePrincipal=SERVICE) == (
        "ValidationException",
        "The GranteeServicePrincipal filter is only usable by callers in a service principal.",
    )
    assert refused(road, "ListGrants", KeyId=key_id, GranteePrincipal="x")[0] == "InvalidArnException"


def test_list_retirable_grants_spans_keys_and_accounts_but_not_regions(road: Road) -> None:
    mine, other = "900000001001", "900000001002"
    root = f"arn:aws:iam::{mine}:root"
    made = []
    for account in (mine, other, mine):
        key = road.create_key(account=account)
        grant = road.call(
            "CreateGrant", KeyId=key["KeyId"], RetiringPrincipal=root, account=account, **TO_ALICE
        )
        made.append((grant["GrantId"], key["Arn"]))
    elsewhere = road.create_key(account=mine, region=OTHER_REGION)["KeyId"]
    road.call(
        "CreateGrant", KeyId=elsewhere, RetiringPrincipal=root, account=mine, region=OTHER_REGION, **TO_ALICE
    )
    listed = road.call("ListRetirableGrants", RetiringPrincipal=root, account=mine)
    assert [(grant["GrantId"], grant["KeyId"]) for grant in listed["Grants"]] == sorted(made)
    assert listed["Truncated"] is False
    page = road.call("ListRetirableGrants", RetiringPrincipal=root, account=mine, Limit=2)
    rest = road.call(
        "ListRetirableGrants", RetiringPrincipal=root, account=mine, Limit=2, Marker=page["NextMarker"]
    )
    assert page["Grants"] + rest["Grants"] == listed["Grants"]
    for unrelated in (f"arn:aws:iam::{mine}:user/nobody",):
        empty = road.call("ListRetirableGrants", RetiringPrincipal=unrelated, account=mine)
        assert empty == {"Grants": [], "Truncated": False}


def test_list_retirable_grants_of_another_accounts_principal_is_denied(road: Road) -> None:
    principal = f"arn:aws:iam::{STRANGER}:root"
    assert refused(road, "ListRetirableGrants", RetiringPrincipal=principal) == (
        "AccessDeniedException",
        f"User: {ROOT} is not authorized to perform: kms:ListRetirableGrants on resource: {principal} "
        "because no identity-based policy allows the kms:ListRetirableGrants action",
    )


def test_list_retirable_grants_takes_exactly_one_principal(road: Road) -> None:
    sentence = "You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both."
    both = {"RetiringPrincipal": ROOT, "RetiringServicePrincipal": SERVICE}
    for members in ({}, both):
        assert refused(road, "ListRetirableGrants", **members) == ("ValidationException", sentence)
    assert refused(road, "ListRetirableGrants", RetiringServicePrincipal=SERVICE) == (
        "ValidationException",
        "The RetiringServicePrincipal filter is only usable by callers in a service principal.",
    )
    for principal in ("x", f"arn:aws-cn:iam::{ACCOUNT}:root", ACCOUNT):
        code, _ = refused(road, "ListRetirableGrants", RetiringPrincipal=principal)
        assert code == "InvalidArnException"
