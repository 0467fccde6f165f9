"""What a caller learns of another account's keys: the same refusal for absent and for forbidden."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.operations.road_requests import ABSENT_KEY_ID, STRANGER, TEXT, alias_arn, key_arn, refused
from tests.support.road import ACCOUNT, Road

OTHER_ABSENT_KEY_ID = "00000000-0000-4000-8000-000000000001"


def _statement(effect: str, who: dict[str, Any], action: str) -> dict[str, Any]:
    return {"Effect": effect, **who, "Action": action, "Resource": "*"}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize("operation", ["Encrypt", "DescribeKey"])
def test_alias_arn_of_a_stranger_forbidden_is_refused_as_absent(road: Road, operation: str) -> None:
    """The refusal must name what the caller wrote, never the key id behind another account's alias."""
    key = road.create_key()
    name = f"alias/review-{operation.lower()}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    beside = {"Plaintext": TEXT} if operation == "Encrypt" else {}
    there = refused(road, operation, account=STRANGER, KeyId=alias_arn(name), **beside)
    absent = refused(road, operation, account=STRANGER, KeyId=alias_arn(name + "-absent"), **beside)
    assert there[1] is not None
    assert absent[1] is not None
    assert key["KeyId"] not in there[1]
    assert there[1].replace(name, "") == absent[1].replace(name + "-absent", "")


def test_key_of_a_stranger_with_explicit_deny_is_refused_as_absent(road: Road) -> None:
    """Only the owner's account is told that a statement of the key's policy denies."""
    owner = f"arn:aws:iam::{ACCOUNT}:root"
    key = road.create_key(
        Policy=_policy(
            _statement("Allow", {"Principal": {"AWS": owner}}, "kms:*"),
            _statement("Deny", {"NotPrincipal": {"AWS": owner}}, "kms:*"),
        )
    )
    there = refused(road, "Encrypt", account=STRANGER, KeyId=key["Arn"], Plaintext=TEXT)
    absent = refused(road, "Encrypt", account=STRANGER, KeyId=key_arn(ABSENT_KEY_ID), Plaintext=TEXT)
    assert there[1] is not None
    assert absent[1] is not None
    assert there[1].replace(key["KeyId"], ABSENT_KEY_ID) == absent[1]


@pytest.mark.parametrize("by_ciphertext", [True, False])
def test_re_encrypt_from_a_stranger_with_absent_destination_is_refused_alike(
    road: Road, by_ciphertext: bool
) -> None:
    """A missing destination must not tell whether the forbidden source exists."""
    key = road.create_key()
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    request = {"CiphertextBlob": blob, "DestinationKeyId": OTHER_ABSENT_KEY_ID}
    if by_ciphertext:
        absent_request = {**request, "CiphertextBlob": _renamed(blob)}
        there = refused(road, "ReEncrypt", account=STRANGER, **request)
        absent = refused(road, "ReEncrypt", account=STRANGER, **absent_request)
        assert there == absent
        return
    there = refused(road, "ReEncrypt", account=STRANGER, SourceKeyId=key["Arn"], **request)
    absent = refused(road, "ReEncrypt", account=STRANGER, SourceKeyId=key_arn(ABSENT_KEY_ID), **request)
    assert there[0] == absent[0] == "AccessDeniedException"


def test_update_alias_to_a_key_of_a_stranger_is_refused_as_absent(road: Road) -> None:
    """The refusal for the alias's own key must come before the target is looked up."""
    root = f"arn:aws:iam::{STRANGER}:root"
    policy = _policy(
        _statement("Allow", {"Principal": {"AWS": root}}, "kms:CreateAlias"),
        _statement("Allow", {"Principal": {"AWS": root}}, "kms:PutKeyPolicy"),
    )
    mine = road.call("CreateKey", account=STRANGER, Policy=policy)["KeyMetadata"]
    name = "alias/review-update"
    road.call("CreateAlias", account=STRANGER, AliasName=name, TargetKeyId=mine["KeyId"])
    theirs = road.create_key()["Arn"]
    answers = {
        refused(road, "UpdateAlias", account=STRANGER, AliasName=name, TargetKeyId=target)
        for target in (theirs, key_arn(ABSENT_KEY_ID))
    }
    assert len(answers) == 1


def _renamed(blob: str) -> str:
    """The same ciphertext with another key id in its header."""
    raw = bytearray(base64.b64decode(blob))
    raw[19] ^= 1
    return base64.b64encode(bytes(raw)).decode()
