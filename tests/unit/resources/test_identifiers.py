"""Key ids and ARNs: what is one, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.resources.identifiers import (
    AccountId,
    KmsArn,
    Region,
    alias_arn,
    is_key_id,
    key_arn,
    new_key_id,
    parse_kms_arn,
    partition_of,
)

ACCOUNT = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY_ID, True),
        ("mrk-1234abcd12ab34cd56ef1234567890ab", True),
        (KEY_ID.upper(), True),
        ("mrk-" + "1234ABCD" * 4, False),
        (KEY_ID.replace("-", ""), False),
        (KEY_ID + "\n", False),
        (" " + KEY_ID, False),
        ("mrk-fake-key-id", False),
        ("key_id", False),
        ("", False),
        (KEY_ID.replace("1", "１"), False),
    ],
)
def test_is_key_id_forms(text: str, expected: bool) -> None:
    """Source: LocalStack's recordings of AWS's `Invalid keyId` answers."""
    assert is_key_id(text) is expected


def test_new_key_id_is_fresh_and_well_formed() -> None:
    ids = {new_key_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(map(is_key_id, ids))


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-east-1", "aws"),
    ],
)
def test_arn_of_every_partition_is_parsed_back(region: str, partition: str) -> None:
    assert partition_of(region) == partition
    assert parse_kms_arn(key_arn(region, ACCOUNT, KEY_ID)) == KmsArn(
        partition, Region(region), AccountId(ACCOUNT), f"key/{KEY_ID}"
    )
    parsed = parse_kms_arn(alias_arn(region, ACCOUNT, "alias/a/b"))
    assert parsed is not None
    assert parsed.resource == "alias/a/b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arn",
        "arn:aws:kms:eu-central-1:111122223333",
        "arn:aws:s3:eu-central-1:111122223333:key/x",
        "arn:aws:kms::111122223333:key/x",
        "arn:aws:kms:eu-central-1:11112222333:key/x",
        "arn:aws:kms:eu-central-1:１１１１２２２２３３３３:key/x",
        "arn:aws:kms:eu-central-1:111122223333\n:key/x",
        "ARN:aws:kms:eu-central-1:111122223333:key/x",
    ],
)
def test_parse_kms_arn_text_that_is_none_gives_none(text: str) -> None:
    assert parse_kms_arn(text) is None


@given(st.text(max_size=60))
def test_parse_kms_arn_any_text_never_raises(text: str) -> None:
    parse_kms_arn(text)
    parse_kms_arn("arn:aws:kms:" + text)
