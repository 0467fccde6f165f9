"""Rotation as clients of AWS use it: ask, poll until it is over, and decrypt what is old."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.raw_calls import control
from tests.support.server import Server

DAY_SECONDS = 86_400
POLL_SECONDS_MAX = 30.0
"""What LocalStack's tests, which run against AWS, wait for the end of a rotation."""


@pytest.fixture(scope="module")
def moving() -> Iterator[Server]:
    """A development server with two workers, whose time is this file's to change."""
    with Server("--workers", "2") as running:
        yield running


def rotate(kms: Any, key_id: str) -> float:
    """A whole rotation on demand, polled as AWS's clients do; the seconds it took."""
    begun_at = time.monotonic()
    kms.rotate_key_on_demand(KeyId=key_id)
    while "OnDemandRotationStartDate" in kms.get_key_rotation_status(KeyId=key_id):
        assert time.monotonic() - begun_at < POLL_SECONDS_MAX
        time.sleep(0.05)
    return time.monotonic() - begun_at


def advance(server: Server, seconds: float) -> None:
    assert control(server, "clock", advance_seconds=seconds).status == 200


def test_rotate_key_on_demand_is_over_when_polled_and_old_ciphertext_opens(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]
    before = kms.get_key_rotation_status(KeyId=key["KeyId"])
    blobs = []
    for _ in range(3):
        blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"old")["CiphertextBlob"]
        blobs.append((blob, kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]))
        rotate(kms, key["KeyId"])
    after = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert after["NextRotationDate"] == before["NextRotationDate"]
    assert after["KeyId"] == key["Arn"]
    assert len({material for _, material in blobs}) == 3
    for blob, material in blobs:
        opened = kms.decrypt(CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"old", material)
    listed = kms.list_key_rotations(KeyId=key["KeyId"])
    assert [entry["RotationType"] for entry in listed["Rotations"]] == ["ON_DEMAND"] * 3
    assert [entry["KeyMaterialState"] for entry in listed["Rotations"]] == [
        "NON_CURRENT",
        "NON_CURRENT",
        "CURRENT",
    ]
    pages = list(kms.get_paginator("list_key_rotations").paginate(KeyId=key["KeyId"], Limit=2))
    assert [entry for page in pages for entry in page["Rotations"]] == listed["Rotations"]


def test_enable_and_disable_key_rotation_as_tools_do(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key_rotation(KeyId=key_id)
    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key_id)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)


def test_time_that_moves_rotates_what_is_due_before_it_answers(moving: Server) -> None:
    kms = moving.client()
    key = kms.create_key()["KeyMetadata"]
    disabled = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=disabled["KeyId"])
    advance(moving, 366 * DAY_SECONDS)
    for _ in range(10):  # every worker knows
        now = moving.client().describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]
        assert now != key["CurrentKeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    (entry,) = kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"]
    assert (entry["RotationType"], entry["KeyMaterialId"]) == ("AUTOMATIC", now)
    assert kms.list_key_rotations(KeyId=disabled["KeyId"])["Rotations"] == []
    kms.enable_key(KeyId=disabled["KeyId"])
    give_up_at = time.monotonic() + POLL_SECONDS_MAX
    while not kms.list_key_rotations(KeyId=disabled["KeyId"])["Rotations"]:  # overdue: at once
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_rotation_under_way_is_completed_after_a_kill(tmp_path: Path) -> None:
    server = Server(data_dir=tmp_path / "data")
    with server:
        kms = server.client()
        key = kms.create_key()["KeyMetadata"]
        blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
        server.kill()
        server.start()
        kms = server.client()
        give_up_at = time.monotonic() + POLL_SECONDS_MAX
        while "OnDemandRotationStartDate" in kms.get_key_rotation_status(KeyId=key["KeyId"]):
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        (entry,) = kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"]
        assert entry["KeyMaterialState"] == "CURRENT"
        assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_new_keys_do_not_rotate_where_the_operator_wants_aws_default() -> None:
    with Server(environment={"STRONGROOM_ROTATE_NEW_KEYS": "false"}) as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is False
