"""Control packets and the client's side of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.processes.channel import ControlChannel
from strongroom.processes.control import (
    FILES_MAX,
    PACKET_BYTES_MAX,
    FilesLost,
    PacketRefused,
    control_pair,
    receive_packet,
    send_packet,
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = control_pair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_packet_with_files_arrives_whole_and_not_inheritable(pair: Pair) -> None:
    reading, writing = os.pipe()
    send_packet(pair[0], b"I", b"record", [reading, writing])
    packet = receive_packet(pair[1])
    assert packet is not None
    assert (packet.letter, packet.payload, len(packet.files)) == (b"I", b"record", 2)
    assert not any(os.get_inheritable(fd) for fd in packet.files)
    os.write(packet.files[1], b"x")
    assert os.read(reading, 1) == b"x"
    packet.close_files()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(packet.files[0])
    os.close(reading)
    os.close(writing)


def test_packets_in_a_row_are_kept_apart(pair: Pair) -> None:
    send_packet(pair[1], b"R")
    send_packet(pair[1], b"E", b"no")
    first, second = receive_packet(pair[0]), receive_packet(pair[0])
    assert first is not None
    assert second is not None
    assert (first.letter, first.payload, second.letter, second.payload) == (b"R", b"", b"E", b"no")


def test_receive_with_nothing_there_does_not_block_the_supervisor(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        receive_packet(pair[0])


def test_receive_after_the_other_side_went_gives_none(pair: Pair) -> None:
    pair[1].close()
    assert receive_packet(pair[0]) is None


def test_last_words_of_a_side_that_went_without_reading_are_received(pair: Pair) -> None:
    """As of a boundary whose self-test fails before it has read what to begin with."""
    send_packet(pair[0], b"I", b"never read")
    send_packet(pair[1], b"E", b"The self-test failed.")
    pair[1].close()
    packet = receive_packet(pair[0])
    assert packet is not None
    assert (packet.letter, packet.payload) == (b"E", b"The self-test failed.")
    assert receive_packet(pair[0]) is None


def test_end_of_a_side_that_went_without_reading_or_a_word_gives_none(pair: Pair) -> None:
    send_packet(pair[0], b"I", b"never read")
    pair[1].close()
    assert receive_packet(pair[0]) is None


def test_packet_that_is_too_long_is_refused(pair: Pair) -> None:
    pair[1].sendmsg([b"R" * (PACKET_BYTES_MAX + 1)])
    with pytest.raises(PacketRefused):
        receive_packet(pair[0])


def test_packet_with_too_many_files_is_refused_and_leaves_none_open(pair: Pair) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with open(os.devnull, "rb") as nothing:
        send_packet(pair[1], b"C", b"x", [nothing.fileno()] * (FILES_MAX + 3))
    with pytest.raises(PacketRefused):
        receive_packet(pair[0])
    assert set(os.listdir("/proc/self/fd")) == before


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """This process can open none meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_files_for_which_there_is_no_descriptor_are_lost_and_said_to_be(pair: Pair) -> None:
    with open(os.devnull, "rb") as nothing:
        send_packet(pair[1], b"F", b"0", [nothing.fileno()])
        with no_more_files(), pytest.raises(FilesLost) as lost:
            receive_packet(pair[0])
    assert lost.value.packet == (b"F", b"0", ())
    send_packet(pair[1], b"R")
    packet = receive_packet(pair[0])
    assert packet is not None
    assert packet.letter == b"R"


def test_file_for_which_a_client_has_no_descriptor_is_its_error_and_not_its_end(pair: Pair) -> None:
    """Or whoever opens connections until there is no file left would end a worker."""
    ended: list[bool] = []

    async def run() -> None:
        control = ControlChannel(pair[1], lambda _, stream: stream.close(), lambda: ended.append(True))
        control.start()
        for is_full in (True, False):
            asking = asyncio.create_task(control.open_file(Path("/any")))
            await asyncio.sleep(0)
            question = receive_packet(pair[0])
            assert question is not None
            with open(os.devnull, "rb") as nothing:
                send_packet(pair[0], b"F", b"0", [nothing.fileno()])
                if is_full:
                    with no_more_files(), pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                        await asking
                else:
                    os.close(await asking)
        control.close()

    asyncio.run(asyncio.wait_for(run(), 5))
    assert ended == []


def test_channel_that_is_lost_for_want_of_a_descriptor_ends_the_client(pair: Pair) -> None:
    """It is not given again until the service is."""
    received: list[str] = []

    async def run() -> None:
        ended = asyncio.Event()
        ControlChannel(pair[1], lambda name, _: received.append(name), ended.set).start()
        with open(os.devnull, "rb") as nothing, no_more_files():
            send_packet(pair[0], b"C", b"boundary", [nothing.fileno()])
            await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(run())
    assert received == []


def test_channel_packet_gives_a_connected_stream(pair: Pair) -> None:
    received: list[tuple[str, socket.socket]] = []

    async def run() -> None:
        control = ControlChannel(pair[1], lambda name, stream: received.append((name, stream)))
        control.start()
        mine, given = socket.socketpair()
        send_packet(pair[0], b"C", b"boundary", [given.fileno()])
        given.close()
        while not received:
            await asyncio.sleep(0.001)
        name, stream = received[0]
        assert name == "boundary"
        with mine, stream:
            assert stream.getblocking() is False
            mine.send(b"hello")
            assert await asyncio.get_running_loop().sock_recv(stream, 9) == b"hello"
        control.close()

    asyncio.run(asyncio.wait_for(run(), 5))


@pytest.mark.parametrize("packet", [b"C", b"Cboundary", b"X", b"Cboundary" + b"x" * PACKET_BYTES_MAX])
def test_channel_packet_without_its_file_gives_no_channel(pair: Pair, packet: bytes) -> None:
    """Neither a nameless, nor a fileless, nor an unknown packet; an overlong one ends the process."""
    received: list[str] = []
    ended: list[bool] = []

    async def run() -> None:
        control = ControlChannel(pair[1], lambda name, _: received.append(name), lambda: ended.append(True))
        control.start()
        pair[0].sendmsg([packet])
        await asyncio.sleep(0.02)
        control.close()

    asyncio.run(run())
    assert received == []
    assert ended == ([True] if len(packet) > PACKET_BYTES_MAX else [])


def test_control_ends_when_the_supervisor_is_gone(pair: Pair) -> None:
    async def run() -> None:
        ended = asyncio.Event()
        ControlChannel(pair[1], lambda _, stream: stream.close(), ended.set).start()
        pair[0].close()
        await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(run())


def test_ready_is_sent_to_the_supervisor(pair: Pair) -> None:
    ControlChannel(pair[1], lambda _, stream: stream.close()).send_ready()
    packet = receive_packet(pair[0])
    assert packet is not None
    assert packet.letter == b"R"
