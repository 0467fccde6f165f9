"""The operator's desk, with the real store and boundary and an audit trail that takes its time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.support.road import ListedTrail, Road

from strongroom.administration.commands import carry_out
from strongroom.administration.desk import Desk
from strongroom.administration.messages import (
    SOCKET_NAME,
    CreateAccount,
    NewAccessKey,
    ReplaceRootAccessKey,
    Reply,
)
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import AccessKeyId, AccountId

SECONDS_MAX = 0.2


REPLACE = ReplaceRootAccessKey("700000000008")


class _DeletingBoundary:
    """While it makes a secret, somebody deletes an access key."""

    def __init__(self, road: Road, access_key_id: str) -> None:
        self._road = road
        self._access_key_id = AccessKeyId(access_key_id)

    async def create_access_key_secret(self, access_key_id: str, account_id: str) -> tuple[str, bytes]:
        await self._road.store.delete_access_key(self._access_key_id)
        return await self._road.boundary.create_access_key_secret(access_key_id, account_id)


class SlowTrail(ListedTrail):
    async def durably(self, record: bytes) -> None:
        await asyncio.sleep(3 * SECONDS_MAX)
        await super().durably(record)


@pytest.fixture
def desk_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the socket is, and the working directory: the path of a socket must be short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_desk_command_whose_record_takes_long_is_recorded_and_answered(
    road: Road, desk_directory: Path
) -> None:
    """INVARIANT D2: a change that was made is never without its record."""
    trail = SlowTrail()
    desk = Desk(road.rooms, trail, RequestIds(), SECONDS_MAX)

    async def asking() -> bytes:
        server = await desk.open(desk_directory)
        async with server:
            reader, writer = await asyncio.open_unix_connection(SOCKET_NAME)
            writer.write(msgspec.json.encode(CreateAccount("Slow", "700000000007")) + b"\n")
            answer = await reader.read()
            writer.close()
            return answer

    answer = msgspec.json.decode(road.wait(asking()), type=Reply)
    assert isinstance(answer, NewAccessKey)
    assert [record["eventName"] for record in trail.records] == ["CreateAccount"]
    assert answer.secret_access_key not in repr(trail.records)


def test_desk_whoever_says_nothing_holds_nobody_up(road: Road, desk_directory: Path) -> None:
    desk = Desk(road.rooms, ListedTrail(), RequestIds(), SECONDS_MAX)

    async def asking() -> tuple[bytes, bytes]:
        server = await desk.open(desk_directory)
        async with server:
            silent, _silent_writer = await asyncio.open_unix_connection(SOCKET_NAME)
            reader, writer = await asyncio.open_unix_connection(SOCKET_NAME)
            writer.write(b'{"type":"ListServices"}\n')
            answer = await reader.read()
            writer.close()
            return answer, await silent.read()

    answer, silence = road.wait(asking())
    assert answer == b'{"type":"Services","services":[]}\n'
    assert silence == b""


def test_replaced_root_access_key_that_was_deleted_meanwhile_does_not_come_back(road: Road) -> None:
    account = CreateAccount("Rotating", "700000000008")
    first, second = (road.wait(carry_out(road.rooms, command)) for command in (account, REPLACE))
    assert isinstance(first, NewAccessKey)
    assert isinstance(second, NewAccessKey)
    kept = road.wait(road.store.find_access_key(AccessKeyId(first.access_key_id)))
    assert kept is not None
    assert not kept.active
    deleting = replace(road.rooms, boundary=cast(Any, _DeletingBoundary(road, second.access_key_id)))
    third = road.wait(carry_out(deleting, REPLACE))
    assert isinstance(third, NewAccessKey)
    left = road.wait(road.store.list_access_keys(AccountId("700000000008"), "700000000008"))
    assert {key.access_key_id: key.active for key in left} == {
        first.access_key_id: False,
        third.access_key_id: True,
    }
