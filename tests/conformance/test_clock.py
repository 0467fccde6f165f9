"""The movable clock of a development server, and that nothing of it is in a production one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conformance.raw_calls import call, control, send
from tests.support.server import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Server, strict_environment

DAY_SECONDS = 86_400
FRESH_CONNECTIONS = 50


@pytest.fixture(scope="module")
def moving() -> Iterator[Server]:
    """A development server with two workers, whose time and keys are this file's to change."""
    with Server("--workers", "2") as running:
        yield running


def advance(server: Server, seconds: float) -> float:
    answer = control(server, "clock", advance_seconds=seconds)
    assert answer.status == 200, answer
    return float(answer.content["epoch_seconds"])


def service_seconds(server: Server) -> float:
    """The service's time, as a new key shows it."""
    return float(call(server, "CreateKey").content["KeyMetadata"]["CreationDate"])


def describe(server: Server, key: dict[str, Any]) -> str | None:
    """The error of a DescribeKey over a fresh connection, or None."""
    return call(server, "DescribeKey", KeyId=key["KeyId"]).error


def test_clock_moves_for_every_worker_at_once(moving: Server) -> None:
    before = service_seconds(moving)
    answered = advance(moving, 10 * DAY_SECONDS)
    assert answered - before == pytest.approx(10 * DAY_SECONDS, abs=10)
    for _ in range(FRESH_CONNECTIONS):
        assert service_seconds(moving) == pytest.approx(answered, abs=20)


def test_clock_runs_what_is_due_before_it_answers(moving: Server) -> None:
    kms = moving.client()
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{key['KeyId']}", TargetKeyId=key["KeyId"])
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    advance(moving, 7 * DAY_SECONDS - 60)
    assert [describe(moving, key) for _ in range(FRESH_CONNECTIONS)] == [None] * FRESH_CONNECTIONS
    advance(moving, 61)
    assert {describe(moving, key) for _ in range(FRESH_CONNECTIONS)} == {"NotFoundException"}
    with pytest.raises(ClientError, match="refers to a customer master key that does not exist"):
        kms.decrypt(CiphertextBlob=blob)
    with pytest.raises(ClientError, match=r"Alias .* is not found"):
        kms.describe_key(KeyId=f"alias/{key['KeyId']}")


def test_many_keys_due_at_once_are_all_gone_when_the_clock_answers(moving: Server) -> None:
    keys = [call(moving, "CreateKey").content["KeyMetadata"] for _ in range(120)]
    for key in keys:
        assert call(moving, "ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7).status == 200
    advance(moving, 8 * DAY_SECONDS)
    assert {describe(moving, key) for key in keys} == {"NotFoundException"}


@pytest.mark.parametrize("members", [{"advance_seconds": -1}, {"advance_seconds": 1e12}, {}, {"seconds": 1}])
def test_clock_that_cannot_be_moved_so_says_why(moving: Server, members: dict[str, Any]) -> None:
    before = service_seconds(moving)
    answer = control(moving, "clock", **members)
    assert answer.status == 400
    assert answer.content["message"]
    assert service_seconds(moving) == pytest.approx(before, abs=10)


def test_controls_refuse_a_web_page(moving: Server) -> None:
    for name in ("clock", "reset"):
        page = {"Origin": "https://example.com"}
        answer = send(moving, "POST", f"/_strongroom/{name}", b'{"advance_seconds": 1}', page)
        assert answer.status == 403


def test_reset_forgets_every_key_on_every_worker(moving: Server) -> None:
    kms = moving.client()
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/reset", TargetKeyId=key["KeyId"])
    assert describe(moving, key) is None
    assert control(moving, "reset").status == 200
    for _ in range(FRESH_CONNECTIONS):
        assert describe(moving, key) == "NotFoundException"
    assert kms.list_keys()["Keys"] == []
    assert kms.list_aliases()["Aliases"] == []
    new = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/reset", TargetKeyId=new["KeyId"])
    assert kms.encrypt(KeyId="alias/reset", Plaintext=b"x")["KeyId"] == new["Arn"]


def test_moved_clock_survives_a_restart_and_kill_with_its_data(tmp_path: Path) -> None:
    server = Server(data_dir=tmp_path / "data")
    with server:
        key = server.client().create_key()["KeyMetadata"]
        moved = advance(server, 30 * DAY_SECONDS)
        assert server.stop() == 0
        server.start()
        assert service_seconds(server) == pytest.approx(moved, abs=60)
        moved = advance(server, 15 * DAY_SECONDS)
        server.client().schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
        server.kill()
        server.start()
        assert service_seconds(server) == pytest.approx(moved, abs=60)
        assert service_seconds(server) - time.time() == pytest.approx(45 * DAY_SECONDS, abs=60)
        assert describe(server, key) is None
        advance(server, 7 * DAY_SECONDS)
        assert describe(server, key) == "NotFoundException"


def test_signatures_are_judged_by_the_host_clock_after_time_was_moved() -> None:
    """Whoever moves the service's time for a test still signs with today's date."""
    with Server("--auth", "strict", environment=strict_environment()) as server:
        credentials: dict[str, Any] = {
            "access_key_id": ROOT_ACCESS_KEY_ID,
            "secret_access_key": ROOT_SECRET_ACCESS_KEY,
        }
        kms = server.client(**credentials)
        key = kms.create_key()["KeyMetadata"]
        advance(server, 30 * DAY_SECONDS)
        assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyId"] == key["KeyId"]
        assert server.client(**credentials).create_key()["KeyMetadata"][
            "CreationDate"
        ].timestamp() == pytest.approx(time.time() + 30 * DAY_SECONDS, abs=60)
        assert server.client("sts", **credentials).get_caller_identity()["Account"] == "000000000000"
