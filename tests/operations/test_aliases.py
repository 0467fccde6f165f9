"""CreateAlias, UpdateAlias, DeleteAlias and ListAliases."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    TEXT,
    alias_arn,
    answering,
    at_once,
    denied,
    disabled_key,
    error_code,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import Road

from strongroom.operations.kms.aliases import ALIASES_PER_KEY_MAX

PREFIX = (
    "ValidationException",
    'Alias must start with the prefix "alias/". '
    "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
)
PATTERN = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"


def new_name() -> str:
    return f"alias/test/{uuid4()}"


def not_found(name: str) -> tuple[str, str]:
    return ("NotFoundException", f"Alias {alias_arn(name)} is not found.")


def target_of(road: Road, name: str) -> str:
    return str(road.call("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"])


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


# ---------------------------------------------------------------- what works


def test_alias_is_created_listed_moved_and_deleted(road: Road, key: dict[str, Any]) -> None:
    other, name = road.create_key(), new_name()
    assert road.call("CreateAlias", AliasName=name, TargetKeyId=key["Arn"]) == {}
    (created,) = road.call("ListAliases", KeyId=key["KeyId"])["Aliases"]
    assert created == {
        "AliasName": name,
        "AliasArn": alias_arn(name),
        "TargetKeyId": key["KeyId"],
        "CreationDate": pytest.approx(road.clock.epoch_seconds(), abs=5),
        "LastUpdatedDate": created["CreationDate"],
    }
    assert road.call("UpdateAlias", AliasName=name, TargetKeyId=other["KeyId"]) == {}
    assert road.call("ListAliases", KeyId=key["KeyId"])["Aliases"] == []
    (moved,) = road.call("ListAliases", KeyId=other["Arn"])["Aliases"]
    assert moved == {
        **created,
        "TargetKeyId": other["KeyId"],
        "LastUpdatedDate": moved["LastUpdatedDate"],
    }
    assert moved["LastUpdatedDate"] >= created["LastUpdatedDate"]
    assert target_of(road, name) == other["KeyId"]
    assert road.call("DeleteAlias", AliasName=name) == {}
    assert refused(road, "DescribeKey", KeyId=name) == not_found(name)
    assert refused(road, "DescribeKey", KeyId=alias_arn(name)) == not_found(name)


def test_update_alias_to_the_key_it_has_is_allowed(road: Road, key: dict[str, Any]) -> None:
    name = new_name()
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    road.call("UpdateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    assert target_of(road, name) == key["KeyId"]


def external_key(road: Road, spec: str, usage: str) -> str:
    """A key of that kind that waits for its material: enough for an alias."""
    return str(road.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)["KeyId"])


SIGN, MAC, ENCRYPT, AGREE = "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"


@pytest.mark.parametrize(
    ("current", "target", "allowed"),
    [
        (("RSA_2048", SIGN), ("RSA_4096", SIGN), True),
        (("RSA_2048", SIGN), ("ECC_NIST_P256", SIGN), True),
        (("HMAC_256", MAC), ("HMAC_512", MAC), True),
        (("RSA_2048", SIGN), ("RSA_2048", ENCRYPT), False),
        (("ECC_NIST_P256", SIGN), ("ECC_NIST_P256", AGREE), False),
        (("RSA_2048", ENCRYPT), ("SYMMETRIC_DEFAULT", ENCRYPT), False),
        (("SYMMETRIC_DEFAULT", ENCRYPT), ("RSA_2048", ENCRYPT), False),
        (("HMAC_256", MAC), ("SYMMETRIC_DEFAULT", ENCRYPT), False),
    ],
)
def test_update_alias_needs_the_same_type_and_usage_but_not_the_same_spec(
    road: Road, current: tuple[str, str], target: tuple[str, str], allowed: bool
) -> None:
    """Source: UpdateAlias API reference."""
    name = new_name()
    before, after = external_key(road, *current), external_key(road, *target)
    road.call("CreateAlias", AliasName=name, TargetKeyId=before)
    if allowed:
        road.call("UpdateAlias", AliasName=name, TargetKeyId=after)
    else:
        assert refused(road, "UpdateAlias", AliasName=name, TargetKeyId=after) == (
            "ValidationException",
            "The current and new KMS key must be the same type and must have the same key usage.",
        )
    assert target_of(road, name) == (after if allowed else before)


def test_alias_names_are_told_apart_by_case_account_and_region(road: Road) -> None:
    name = new_name()
    places = [{}, {"account": STRANGER}, {"region": OTHER_REGION}]
    keys = [road.create_key(**place) for place in places]
    for key, place in zip(keys, places, strict=True):
        road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"], **place)
    upper = road.create_key()
    road.call("CreateAlias", AliasName=name.replace("test", "TEST"), TargetKeyId=upper["KeyId"])
    for key, place in zip(keys, places, strict=True):
        described = road.call("DescribeKey", KeyId=name, **place)
        assert described["KeyMetadata"]["Arn"] == key["Arn"]
    road.call("DeleteAlias", AliasName=name)
    assert road.call("DescribeKey", KeyId=name, account=STRANGER)["KeyMetadata"]["Arn"] == keys[1]["Arn"]


@pytest.mark.parametrize("characters", [1, 250])
def test_alias_name_of_every_allowed_length_and_character_works(
    road: Road, key: dict[str, Any], characters: int
) -> None:
    unique = f"{uuid4().hex}:/_-Az09"
    name = "alias/" + (unique * 10)[:characters] if characters > 1 else f"alias/{uuid4().hex[:1]}"
    assert len(name) <= 256
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    assert target_of(road, name) == key["KeyId"]
    road.call("DeleteAlias", AliasName=name)


def test_alias_of_a_disabled_key_is_allowed(road: Road) -> None:
    key, name = disabled_key(road), new_name()
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    road.call("UpdateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    assert refused(road, "Encrypt", KeyId=name, Plaintext=TEXT)[0] == "DisabledException"


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name", PREFIX),
        ("alias/", PREFIX),
        ("Alias/x", PREFIX),
        ("xalias/x", PREFIX),
        ("alias/aws/s3", ("NotAuthorizedException", None)),
        ("alias/aws/", ("NotAuthorizedException", None)),
        ("alias/a b", invalid("aliasName", PATTERN, " 'alias/a b'")),
        ("alias/a\n", invalid("aliasName", PATTERN, " 'alias/a\n'")),
        ("alias/ä", invalid("aliasName", PATTERN, " 'alias/ä'")),
        ("alias/a.b", invalid("aliasName", PATTERN, " 'alias/a.b'")),
        (
            "alias/" + "a" * 251,
            invalid(
                "aliasName",
                "Member must have length less than or equal to 256",
                f" 'alias/{'a' * 251}'",
            ),
        ),
        (None, invalid("aliasName", "Member must not be null", " null")),
    ],
)
def test_alias_name_that_cannot_be_is_refused_before_any_lookup(
    road: Road, operation: str, name: str | None, expected: tuple[str, str | None]
) -> None:
    members = {} if operation == "DeleteAlias" else {"TargetKeyId": ABSENT_KEY_ID}
    assert refused(road, operation, AliasName=name, **members) == expected


def test_create_alias_whose_name_is_taken_is_refused(road: Road, key: dict[str, Any]) -> None:
    name = new_name()
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    for target in (key, road.create_key()):
        assert refused(road, "CreateAlias", AliasName=name, TargetKeyId=target["KeyId"]) == (
            "AlreadyExistsException",
            f"An alias with the name {alias_arn(name)} already exists",
        )
    assert target_of(road, name) == key["KeyId"]


def test_update_and_delete_of_a_missing_alias_are_not_found(road: Road, key: dict[str, Any]) -> None:
    name = new_name()
    assert refused(road, "UpdateAlias", AliasName=name, TargetKeyId=key["KeyId"]) == not_found(name)
    assert refused(road, "UpdateAlias", AliasName=name, TargetKeyId=ABSENT_KEY_ID) == not_found(name)
    assert refused(road, "DeleteAlias", AliasName=name) == not_found(name)
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    road.call("DeleteAlias", AliasName=name)
    assert refused(road, "DeleteAlias", AliasName=name) == not_found(name)


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
def test_alias_target_that_cannot_be_is_refused(road: Road, key: dict[str, Any], operation: str) -> None:
    name = new_name()
    if operation == "UpdateAlias":
        road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    foreign = road.create_key(account=STRANGER, Policy=policy_for("kms:*", "*"))
    for target, expected in (
        (ABSENT_KEY_ID, ("NotFoundException", f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist")),
        ("nonsense", ("NotFoundException", "Invalid keyId 'nonsense'")),
        (
            "alias/other",
            ("InvalidArnException", "Key Aliases are not supported for this operation."),
        ),
        (
            alias_arn("alias/other"),
            ("InvalidArnException", "Key Aliases are not supported for this operation."),
        ),
        (
            key_arn(key["KeyId"], region=OTHER_REGION),
            ("NotFoundException", f"Invalid arn {OTHER_REGION}"),
        ),
        (foreign["Arn"], denied(f"kms:{operation}", foreign["Arn"])),
        (None, invalid("targetKeyId", "Member must not be null", " null")),
    ):
        assert refused(road, operation, AliasName=name, TargetKeyId=target) == expected, target
    if operation == "UpdateAlias":
        assert target_of(road, name) == key["KeyId"]
    else:
        assert refused(road, "DescribeKey", KeyId=name) == not_found(name)


def test_alias_changes_need_the_right_on_the_key_itself(road: Road) -> None:
    open_key, closed_key = road.create_key(), road.create_key()
    name, other = new_name(), new_name()
    road.call("CreateAlias", AliasName=name, TargetKeyId=closed_key["KeyId"])
    road.call("CreateAlias", AliasName=other, TargetKeyId=open_key["KeyId"])
    road.call("PutKeyPolicy", KeyId=closed_key["KeyId"], Policy=policy_for("kms:PutKeyPolicy"))
    for operation, members in (
        ("CreateAlias", {"AliasName": new_name(), "TargetKeyId": closed_key["KeyId"]}),
        ("UpdateAlias", {"AliasName": name, "TargetKeyId": open_key["KeyId"]}),  # away from it
        ("UpdateAlias", {"AliasName": other, "TargetKeyId": closed_key["KeyId"]}),  # to it
        ("DeleteAlias", {"AliasName": name}),
    ):
        assert refused(road, operation, **members) == denied(f"kms:{operation}", closed_key["Arn"])
    assert target_of(road, other) == open_key["KeyId"]


# ---------------------------------------------------------------- limits


def test_key_has_fifty_aliases_and_no_more(road: Road) -> None:
    key, other = road.create_key(), road.create_key()
    names = [new_name() for _ in range(ALIASES_PER_KEY_MAX)]
    for name in names:
        road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    full = (
        "LimitExceededException",
        f"The limit of aliases has been reached for the KMS key {key['Arn']}.",
    )
    assert refused(road, "CreateAlias", AliasName=new_name(), TargetKeyId=key["KeyId"]) == full
    elsewhere = new_name()
    road.call("CreateAlias", AliasName=elsewhere, TargetKeyId=other["KeyId"])
    assert refused(road, "UpdateAlias", AliasName=elsewhere, TargetKeyId=key["KeyId"]) == full
    assert target_of(road, elsewhere) == other["KeyId"]
    road.call("UpdateAlias", AliasName=names[0], TargetKeyId=key["KeyId"])  # it is there already
    road.call("DeleteAlias", AliasName=names[1])
    road.call("UpdateAlias", AliasName=elsewhere, TargetKeyId=key["KeyId"])
    listed = road.call("ListAliases", KeyId=key["KeyId"], Limit=100)["Aliases"]
    assert sorted(alias["AliasName"] for alias in listed) == sorted([names[0], *names[2:], elsewhere])


# ---------------------------------------------------------------- ListAliases


@pytest.mark.parametrize("form", ["id", "arn"])
def test_list_aliases_of_a_key_gives_no_others(road: Road, key: dict[str, Any], form: str) -> None:
    road.call("CreateAlias", AliasName=new_name(), TargetKeyId=road.create_key()["KeyId"])
    mine = sorted(new_name() for _ in range(3))
    for name in mine:
        road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    answer = road.call("ListAliases", KeyId=key["KeyId"] if form == "id" else key["Arn"])
    assert [alias["AliasName"] for alias in answer["Aliases"]] == mine
    assert answer["Truncated"] is False
    assert "NextMarker" not in answer


def test_list_aliases_of_a_key_that_is_not_the_callers_is_refused(road: Road, key: dict[str, Any]) -> None:
    assert refused(road, "ListAliases", KeyId=ABSENT_KEY_ID) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )
    assert refused(road, "ListAliases", KeyId="alias/x") == (
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
    )
    assert refused(road, "ListAliases", account=STRANGER, KeyId=key["Arn"]) == denied(
        "kms:ListAliases", key["Arn"], STRANGER
    )
    absent = key_arn(ABSENT_KEY_ID)
    assert refused(road, "ListAliases", account=STRANGER, KeyId=absent) == denied(
        "kms:ListAliases", absent, STRANGER
    )


# ---------------------------------------------------------------- several at once


def test_create_alias_at_once_gives_the_name_to_one(road: Road) -> None:
    keys, name = [road.create_key() for _ in range(4)], new_name()
    answers = at_once(
        road, *(answering(road, "CreateAlias", AliasName=name, TargetKeyId=key["KeyId"]) for key in keys)
    )
    codes = [error_code(answer) for answer in answers]
    assert sorted(map(str, codes)) == ["AlreadyExistsException"] * 3 + ["None"]
    assert target_of(road, name) == keys[codes.index(None)]["KeyId"]


def test_delete_alias_at_once_happens_once(road: Road, key: dict[str, Any]) -> None:
    name = new_name()
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    answers = at_once(road, *(answering(road, "DeleteAlias", AliasName=name) for _ in range(3)))
    assert sorted(str(error_code(answer)) for answer in answers) == ["None"] + ["NotFoundException"] * 2
