"""TagResource, UntagResource and ListResourceTags."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    answering,
    at_once,
    denied,
    error_code,
    invalid,
    key_arn,
    pending_key,
    policy_for,
    refused,
)
from tests.support.road import Road

TOO_MANY = ("TagException", "Too many tags")
DUPLICATE = ("TagException", "Duplicate tag keys")
RESERVED = ("TagException", "Tags beginning with aws: are reserved")


def tag(key: str, value: str = "") -> dict[str, str]:
    return {"TagKey": key, "TagValue": value}


def numbered(first: int, last: int) -> list[dict[str, str]]:
    return [tag(f"key-{number:03}", str(number)) for number in range(first, last + 1)]


def tags_of(road: Road, key: dict[str, Any]) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = road.call("ListResourceTags", KeyId=key["KeyId"])["Tags"]
    return tags


def test_tags_are_put_replaced_listed_and_removed(road: Road) -> None:
    key = road.create_key(Tags=[tag("a", "1")])
    assert road.call("TagResource", KeyId=key["Arn"], Tags=[tag("a", "2"), tag("b")]) == {}
    assert road.call("ListResourceTags", KeyId=key["Arn"]) == {
        "Tags": [tag("a", "2"), tag("b")],
        "Truncated": False,
    }
    assert road.call("UntagResource", KeyId=key["KeyId"], TagKeys=["a", "absent", "a"]) == {}
    assert tags_of(road, key) == [tag("b")]


def test_tags_twice_the_same_are_as_once(road: Road) -> None:
    key = road.create_key()
    for _ in range(2):
        road.call("TagResource", KeyId=key["KeyId"], Tags=[tag("a", "1")])
        assert tags_of(road, key) == [tag("a", "1")]
    for _ in range(2):
        road.call("UntagResource", KeyId=key["KeyId"], TagKeys=["a"])
        assert tags_of(road, key) == []
    road.call("TagResource", KeyId=key["KeyId"], Tags=[])
    road.call("UntagResource", KeyId=key["KeyId"], TagKeys=[])
    assert tags_of(road, key) == []


def test_tag_keys_are_told_apart_by_case(road: Road) -> None:
    key = road.create_key(Tags=[tag("Name", "1"), tag("name", "2"), tag("NAME", "3")])
    road.call("UntagResource", KeyId=key["KeyId"], TagKeys=["Name"])
    assert tags_of(road, key) == [tag("NAME", "3"), tag("name", "2")]


@pytest.mark.parametrize(
    "text", [" ", "\0", "\n", "ß", "🔑", "a:b/c=d+e-f@g", "xaws:", "a" * 128, "🔑" * 128]
)
def test_tag_of_any_text_comes_back_as_it_was(road: Road, text: str) -> None:
    key = road.create_key(Tags=[tag(text, (text * 256)[:256])])
    assert tags_of(road, key) == [tag(text, (text * 256)[:256])]


def test_key_has_fifty_tags_and_no_more(road: Road) -> None:
    key = road.create_key(Tags=numbered(1, 50))
    named = {"KeyId": key["KeyId"]}
    assert tags_of(road, key) == numbered(1, 50)
    assert refused(road, "TagResource", Tags=numbered(51, 51), **named) == TOO_MANY
    assert refused(road, "TagResource", Tags=numbered(50, 51), **named) == TOO_MANY
    road.call("TagResource", Tags=[tag("key-050", "new")], **named)
    road.call("UntagResource", TagKeys=["key-001"], **named)
    road.call("TagResource", Tags=numbered(51, 51), **named)
    assert tags_of(road, key) == [*numbered(2, 49), tag("key-050", "new"), *numbered(51, 51)]


def test_fifty_one_tags_in_one_request_are_too_many(road: Road) -> None:
    assert refused(road, "CreateKey", Tags=numbered(1, 51)) == TOO_MANY
    key = road.create_key()
    assert refused(road, "TagResource", KeyId=key["KeyId"], Tags=numbered(1, 51)) == TOO_MANY
    assert tags_of(road, key) == []


def test_tag_key_twice_in_one_request_is_refused(road: Road) -> None:
    twice = [tag("a", "1"), tag("a", "2")]
    assert refused(road, "CreateKey", Tags=twice) == DUPLICATE
    key = road.create_key()
    assert refused(road, "TagResource", KeyId=key["KeyId"], Tags=twice) == DUPLICATE


@pytest.mark.parametrize("name", ["aws:x", "AWS:x", "Aws:", "aWs:cloudformation:stack-name"])
def test_reserved_tag_keys_are_refused(road: Road, name: str) -> None:
    key = road.create_key()
    assert refused(road, "CreateKey", Tags=[tag(name)]) == RESERVED
    assert refused(road, "TagResource", KeyId=key["KeyId"], Tags=[tag(name)]) == RESERVED
    assert refused(road, "UntagResource", KeyId=key["KeyId"], TagKeys=[name]) == RESERVED


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (
            [tag("a" * 129)],
            invalid(
                "tags.1.member.tagKey",
                "Member must have length less than or equal to 128",
                f" '{'a' * 129}'",
            ),
        ),
        (
            [tag("ok"), tag("a", "b" * 257)],
            invalid(
                "tags.2.member.tagValue",
                "Member must have length less than or equal to 256",
                f" '{'b' * 257}'",
            ),
        ),
        (
            [tag("")],
            invalid("tags.1.member.tagKey", "Member must have length greater than or equal to 1", " ''"),
        ),
        (
            [{"TagKey": "a"}],
            invalid("tags.1.member.tagValue", "Member must not be null", " null"),
        ),
    ],
)
def test_tag_out_of_bounds_gets_aws_sentence(
    road: Road, tags: list[dict[str, str]], expected: tuple[str, str]
) -> None:
    assert refused(road, "TagResource", KeyId=ABSENT_KEY_ID, Tags=tags) == expected
    assert refused(road, "CreateKey", Tags=tags) == expected


REQUESTS: dict[str, dict[str, Any]] = {
    "TagResource": {"Tags": [tag("a")]},
    "UntagResource": {"TagKeys": ["a"]},
    "ListResourceTags": {},
}


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_tag_operations_refusals_for_the_key(road: Road, operation: str) -> None:
    members = REQUESTS[operation]
    assert refused(road, operation, KeyId=ABSENT_KEY_ID, **members) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )
    assert refused(road, operation, KeyId="alias/x", **members) == (
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
    )
    foreign = road.create_key(Policy=policy_for("kms:*", "*"))
    assert refused(road, operation, account=STRANGER, KeyId=foreign["Arn"], **members) == denied(
        f"kms:{operation}", foreign["Arn"], STRANGER
    )


def test_tags_of_a_key_pending_deletion_can_be_read_but_not_changed(road: Road) -> None:
    key = pending_key(road)
    for operation in ("TagResource", "UntagResource"):
        assert refused(road, operation, KeyId=key["KeyId"], **REQUESTS[operation]) == (
            "KMSInvalidStateException",
            f"{key['Arn']} is pending deletion.",
        )
    assert tags_of(road, key) == []


def test_tags_put_at_once_are_all_there(road: Road) -> None:
    key = road.create_key()
    answers = at_once(
        road, *(answering(road, "TagResource", KeyId=key["KeyId"], Tags=[tag(str(n))]) for n in range(8))
    )
    assert [error_code(answer) for answer in answers] == [None] * 8
    assert tags_of(road, key) == [tag(str(number)) for number in range(8)]


def test_last_free_tag_at_once_goes_to_one(road: Road) -> None:
    key = road.create_key(Tags=numbered(1, 49))
    answers = at_once(
        road,
        *(answering(road, "TagResource", KeyId=key["KeyId"], Tags=[tag(name)]) for name in ("x", "y", "z")),
    )
    assert sorted(str(error_code(answer)) for answer in answers) == ["None", "TagException", "TagException"]
    assert len(tags_of(road, key)) == 50
