"""Pages of ListKeys, ListAliases and ListResourceTags."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.operations.road_requests import invalid, refused
from tests.support.road import Road

from strongroom.operations.tickets import parse_base64, render_base64

INVALID_MARKER = ("InvalidMarkerException", "Could not deserialize marker")
ACCOUNT_OF_PAGES = "900000000001"
ITEMS = 7


@pytest.fixture(scope="module")
def listings(road: Road) -> dict[str, tuple[str, list[str], dict[str, Any]]]:
    """Of each listing: the member that holds the items, the items in order, and what the request needs."""
    mine = {"account": ACCOUNT_OF_PAGES}
    keys = sorted(road.create_key(**mine)["KeyId"] for _ in range(ITEMS))
    names = [f"alias/page/{number}" for number in range(ITEMS)]
    for name in reversed(names):
        road.call("CreateAlias", AliasName=name, TargetKeyId=keys[0], **mine)
    tags = [f"tag {number}" for number in range(ITEMS)]
    tagged = [{"TagKey": tag, "TagValue": "ß"} for tag in reversed(tags)]
    road.call("TagResource", KeyId=keys[0], Tags=tagged, **mine)
    return {
        "ListKeys": ("Keys", keys, mine),
        "ListAliases": ("Aliases", names, mine),
        "ListAliases of a key": ("Aliases", names, {"KeyId": keys[0], **mine}),
        "ListResourceTags": ("Tags", tags, {"KeyId": keys[0], **mine}),
    }


LISTINGS = ["ListKeys", "ListAliases", "ListAliases of a key", "ListResourceTags"]
NAMED_BY = {"Keys": "KeyId", "Aliases": "AliasName", "Tags": "TagKey"}


def pages(road: Road, operation: str, member: str, limit: int, **members: Any) -> list[list[str]]:
    found: list[list[str]] = []
    marker: dict[str, str] = {}
    while True:
        answer = road.call(operation, Limit=limit, **marker, **members)
        found.append([item[NAMED_BY[member]] for item in answer[member]])
        assert answer["Truncated"] is ("NextMarker" in answer)
        if not answer["Truncated"]:
            return found
        assert len(answer["NextMarker"]) <= 1024
        marker = {"Marker": answer["NextMarker"]}
        assert len(found) <= ITEMS


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("limit", [1, 2, 3, ITEMS - 1, ITEMS, ITEMS + 1])
def test_pages_together_are_the_whole_in_order_and_none_is_empty(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]], listing: str, limit: int
) -> None:
    member, items, members = listings[listing]
    found = pages(road, listing.split(maxsplit=1)[0], member, limit, **members)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert len(found) == -(-ITEMS // limit)
    assert [item for page in found for item in page] == items


@pytest.mark.parametrize("listing", LISTINGS)
def test_listing_without_a_limit_gives_all_of_few(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]], listing: str
) -> None:
    member, items, members = listings[listing]
    answer = road.call(listing.split(maxsplit=1)[0], **members)
    assert [item[NAMED_BY[member]] for item in answer[member]] == items
    assert answer.keys() == {member, "Truncated"}


@pytest.mark.parametrize(
    ("operation", "limit_default"), [("ListKeys", 100), ("ListAliases", 50), ("ListResourceTags", 50)]
)
def test_default_limit_is_that_of_aws(road: Road, operation: str, limit_default: int) -> None:
    mine = {"account": "900000000002" if operation == "ListKeys" else "900000000003"}
    key = road.create_key(**mine)
    members: dict[str, Any] = dict(mine)
    if operation == "ListKeys":
        for _ in range(limit_default):
            road.create_key(**mine)
    elif operation == "ListAliases":
        for number in range(limit_default + 1):
            target = key if number < 50 else road.create_key(**mine)
            road.call("CreateAlias", AliasName=f"alias/{number}", TargetKeyId=target["KeyId"], **mine)
    else:
        tags = [{"TagKey": str(number), "TagValue": ""} for number in range(limit_default)]
        road.call("TagResource", KeyId=key["KeyId"], Tags=tags, **mine)
        members["KeyId"] = key["KeyId"]
    answer = road.call(operation, **members)
    listed = answer[
        "Keys" if operation == "ListKeys" else operation.removeprefix("List").removeprefix("Resource")
    ]
    assert len(listed) == limit_default
    assert answer["Truncated"] is (operation != "ListResourceTags")  # a key has no 51st tag


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize(
    "marker",
    [
        "x",
        "=",
        "====",
        "AAAA",
        "ÿÿÿÿ",
        "a" * 1024,
        base64.b64encode(b"1\nListKeys").decode(),
        base64.b64encode(b"\xff\xfe\n\n").decode(),
        base64.urlsafe_b64encode(b"1\nListKeys\nx").decode(),
        base64.urlsafe_b64encode(bytes(64)).decode(),
        base64.urlsafe_b64encode(b"\x01" + bytes(64)).decode(),
        "../../etc/passwd",
    ],
)
def test_marker_that_the_listing_did_not_give_is_refused(
    road: Road,
    listings: dict[str, tuple[str, list[str], dict[str, Any]]],
    listing: str,
    marker: str,
) -> None:
    _, _, members = listings[listing]
    assert refused(road, listing.split(maxsplit=1)[0], Marker=marker, **members) == INVALID_MARKER


def test_marker_of_another_listing_is_refused(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]]
) -> None:
    mine = {"account": ACCOUNT_OF_PAGES}
    marker = road.call("ListKeys", Limit=1, **mine)["NextMarker"]
    assert refused(road, "ListAliases", Marker=marker, **mine) == INVALID_MARKER
    key_id = listings["ListKeys"][1][0]
    for operation in ("ListResourceTags", "ListKeyPolicies"):
        assert refused(road, operation, KeyId=key_id, Marker=marker, **mine) == INVALID_MARKER


@pytest.mark.parametrize("elsewhere", [{"account": "900000000004"}, {"region": "us-west-2"}])
def test_marker_of_another_account_or_region_is_refused(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]], elsewhere: dict[str, str]
) -> None:
    mine = {"account": ACCOUNT_OF_PAGES}
    for listing in ("ListKeys", "ListAliases"):
        marker = road.call(listing, Limit=1, **mine)["NextMarker"]
        assert refused(road, listing, Marker=marker, **mine | elsewhere) == INVALID_MARKER


def test_marker_of_another_key_or_filter_is_refused(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]]
) -> None:
    mine = {"account": ACCOUNT_OF_PAGES}
    one, other = listings["ListKeys"][1][:2]
    road.call("TagResource", KeyId=other, Tags=[{"TagKey": "tag 1", "TagValue": ""}], **mine)
    for listing in ("ListResourceTags", "ListAliases"):
        marker = road.call(listing, KeyId=one, Limit=1, **mine)["NextMarker"]
        assert refused(road, listing, KeyId=other, Marker=marker, **mine) == INVALID_MARKER
    assert refused(road, "ListAliases", Marker=marker, **mine) == INVALID_MARKER
    marker = road.call("ListAliases", Limit=1, **mine)["NextMarker"]
    assert refused(road, "ListAliases", KeyId=one, Marker=marker, **mine) == INVALID_MARKER


@pytest.mark.parametrize("listing", LISTINGS)
def test_marker_with_any_bit_flipped_is_refused(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]], listing: str
) -> None:
    """Every bit of the ticket, and every other spelling of its base64."""
    _, _, members = listings[listing]
    operation = listing.split(maxsplit=1)[0]
    marker = road.call(operation, Limit=2, **members)["NextMarker"]
    ticket = parse_base64(marker, b"-_")
    for bit in range(len(ticket) * 8):
        flipped = bytearray(ticket)
        flipped[bit // 8] ^= 1 << bit % 8
        altered = render_base64(bytes(flipped), b"-_")
        assert refused(road, operation, Marker=altered, **members) == INVALID_MARKER
    for altered in (marker[:-1], marker + "=", marker + "A", " " + marker, marker.replace("=", "") + "==="):
        assert refused(road, operation, Marker=altered, **members) == INVALID_MARKER


def test_marker_tells_nothing_and_is_never_the_same(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]]
) -> None:
    _, names, members = listings["ListAliases"]
    markers = {road.call("ListAliases", Limit=1, **members)["NextMarker"] for _ in range(10)}
    assert len(markers) == 10
    for marker in markers:
        assert names[0].encode() not in parse_base64(marker, b"-_")


def test_marker_after_the_longest_names_fits_and_works(road: Road) -> None:
    mine = {"account": "900000000006"}
    key_id = road.create_key(**mine)["KeyId"]
    for letter in "ab":
        road.call("CreateAlias", AliasName="alias/" + letter * 250, TargetKeyId=key_id, **mine)
        tags = [{"TagKey": chr(0x1F600 + ord(letter)) * 128, "TagValue": ""}]
        road.call("TagResource", KeyId=key_id, Tags=tags, **mine)
    for listing, member in (("ListAliases", "Aliases"), ("ListResourceTags", "Tags")):
        first = road.call(listing, KeyId=key_id, Limit=1, **mine)
        assert len(first["NextMarker"]) <= 1024
        second = road.call(listing, KeyId=key_id, Marker=first["NextMarker"], **mine)
        assert len(second[member]) == 1
        assert second[member] != first[member]


def test_marker_works_after_a_restart_of_the_boundary(own_road: Road) -> None:
    for _ in range(3):
        own_road.create_key()
    marker = own_road.call("ListKeys", Limit=1)["NextMarker"]
    rest = own_road.call("ListKeys", Marker=marker)["Keys"]
    own_road.restart_boundary()
    assert own_road.call("ListKeys", Marker=marker)["Keys"] == rest


def test_page_goes_on_behind_an_item_that_was_removed(road: Road) -> None:
    mine = {"account": "900000000005"}
    key = road.create_key(**mine)
    for name in "abcd":
        road.call("CreateAlias", AliasName=f"alias/{name}", TargetKeyId=key["KeyId"], **mine)
    marker = road.call("ListAliases", Limit=2, **mine)["NextMarker"]
    road.call("DeleteAlias", AliasName="alias/b", **mine)
    road.call("CreateAlias", AliasName="alias/bb", TargetKeyId=key["KeyId"], **mine)
    rest = road.call("ListAliases", Marker=marker, **mine)["Aliases"]
    assert [alias["AliasName"] for alias in rest] == ["alias/bb", "alias/c", "alias/d"]


@pytest.mark.parametrize("listing", LISTINGS)
def test_limit_out_of_range_gets_aws_sentence(
    road: Road, listings: dict[str, tuple[str, list[str], dict[str, Any]]], listing: str
) -> None:
    _, _, members = listings[listing]
    for limit, rule in (
        (0, "Member must have value greater than or equal to 1"),
        (-1, "Member must have value greater than or equal to 1"),
        (1001, "Member must have value less than or equal to 1000"),
    ):
        expected = invalid("limit", rule, f" '{limit}'")
        assert refused(road, listing.split(maxsplit=1)[0], Limit=limit, **members) == expected
    assert road.call(listing.split(maxsplit=1)[0], Limit=1000, **members)["Truncated"] is False


def test_list_keys_of_other_owners_is_empty(road: Road) -> None:
    road.create_key()
    assert road.call("ListKeys", ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"]) == {
        "Keys": [],
        "Truncated": False,
    }
    assert road.call("ListKeys", ResourceOwners=["SELF", "OTHER_ACCOUNTS_VIA_RAM"])["Keys"]
