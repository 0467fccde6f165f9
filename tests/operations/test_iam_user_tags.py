"""Tags of IAM users: keys without case, kept as they were written."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.road import Refusal, Road


def iam(road: Road, operation: str, **members: Any) -> Any:
    return road.call_query("iam", operation, **members)


def refusal(road: Road, operation: str, **members: Any) -> tuple[str, str | None, int]:
    with pytest.raises(Refusal) as caught:
        iam(road, operation, **members)
    return caught.value.code, caught.value.message, caught.value.status


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def listed(road: Road, name: str) -> dict[str, str]:
    found = iam(road, "ListUserTags", UserName=name)["Tags"]
    assert [tag["Key"] for tag in found] == sorted(
        (tag["Key"] for tag in found), key=lambda key: (len(key), key)
    )
    return {tag["Key"]: tag["Value"] for tag in found}


def test_tags_are_added_replaced_and_removed_whatever_their_case(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u", Tags=tags(Department="finance", b="1"))
    assert iam(own_road, "TagUser", UserName="u", Tags=tags(department="hr", a="2")) == {}
    assert own_road.last_record["requestParameters"] == {
        "userName": "u",
        "tags": [{"key": "department", "value": "hr"}, {"key": "a", "value": "2"}],
    }
    assert listed(own_road, "u") == {"department": "hr", "a": "2", "b": "1"}
    assert iam(own_road, "UntagUser", UserName="u", TagKeys=["DEPARTMENT", "none"]) == {}
    assert own_road.last_record["requestParameters"] == {"userName": "u", "tagKeys": ["DEPARTMENT", "none"]}
    assert listed(own_road, "u") == {"a": "2", "b": "1"}


def test_tags_are_listed_in_pages(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u", Tags=tags(c="", a="", b=""))
    first = iam(own_road, "ListUserTags", UserName="u", MaxItems=2)
    assert [tag["Key"] for tag in first["Tags"]] == ["a", "b"]
    rest = iam(own_road, "ListUserTags", UserName="u", Marker=first["Marker"])
    assert ([tag["Key"] for tag in rest["Tags"]], rest["IsTruncated"]) == (["c"], False)
    iam(own_road, "CreateUser", UserName="other")
    invalid = ("ValidationError", "Invalid Marker.", 400)
    assert refusal(own_road, "ListUserTags", UserName="other", Marker=first["Marker"]) == invalid


@pytest.mark.parametrize("operation", ["CreateUser", "TagUser"])
def test_same_key_twice_is_refused_before_the_user_is_looked_up(road: Road, operation: str) -> None:
    assert refusal(road, operation, UserName="nobody-tagged", Tags=tags(Key="1", kEY="2")) == (
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        400,
    )


@pytest.mark.parametrize("operation", ["CreateUser", "TagUser"])
@pytest.mark.parametrize("key", ["aws:x", "AWS:x"], ids=["lower", "upper"])
def test_keys_of_aws_are_refused(road: Road, operation: str, key: str) -> None:
    assert refusal(road, operation, UserName="nobody-tagged", Tags=tags(**{key: "1"}))[0] == "InvalidInput"


def test_fifty_tags_are_the_most(own_road: Road) -> None:
    many = {f"k{number}": "v" for number in range(50)}
    iam(own_road, "CreateUser", UserName="u", Tags=tags(**many))
    iam(own_road, "TagUser", UserName="u", Tags=tags(K0="again"))
    assert len(listed(own_road, "u")) == 50
    exceeded = ("LimitExceeded", "The number of tags has reached the maximum limit.", 409)
    assert refusal(own_road, "TagUser", UserName="u", Tags=tags(more="v")) == exceeded
    too_many = refusal(own_road, "TagUser", UserName="u", Tags=tags(more="v", **many))
    assert too_many[0] == "ValidationError"
    assert "less than or equal to 50" in (too_many[1] or "")
