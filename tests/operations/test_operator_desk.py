"""The operator's desk, with the real store and boundary and an audit trail that takes its time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.support.road import ListedTrail, Road

from strongroom.administration.desk import Desk
from strongroom.administration.messages import SOCKET_NAME, CreateAccount, NewAccessKey, Reply
from strongroom.request_ids import RequestIds

SECONDS_MAX = 0.2


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
