"""The worker's end, against a writer that the test plays by hand over a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable

import pytest

from strongroom.audit.client import AuditClient
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.audit.messages import (
    ANSWER,
    CHAIN_END,
    DURABLE,
    END,
    END_ASKED,
    FAILED,
    GREETING,
    WRITTEN,
    Frame,
    parse_frames,
)
from strongroom.reply import Reply

RECORD = b'{"eventVersion":"1.11","n":%d}'


class PlayedWriter:
    """The other end of the channel."""

    def __init__(self, client: AuditClient) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.socket = ours
        self.received = bytearray()
        self.waiting: list[Frame] = []
        client.attach(theirs)

    async def next(self) -> Frame:
        while not self.waiting:
            chunk = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 1 << 20), 5)
            assert chunk, "the client closed the channel"
            self.received += chunk
            self.waiting = parse_frames(self.received)
        return self.waiting.pop(0)

    def answer(self, batch_id: int, status: int = WRITTEN) -> None:
        self.socket.send(ANSWER.pack(batch_id, status))


async def attached(durable: bool = False, **options: float) -> tuple[AuditClient, PlayedWriter]:
    client = AuditClient(asyncio.get_running_loop(), durable, **options)  # type: ignore[arg-type]
    writer = PlayedWriter(client)
    assert (await writer.next()).flags == GREETING
    return client, writer


async def fails(reply: Awaitable[None]) -> str:
    with pytest.raises(AuditUnavailable) as caught:
        await reply
    return str(caught.value)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.002)


def test_client_is_an_audit_trail() -> None:
    loop = asyncio.new_event_loop()
    trail: AuditTrail = AuditClient(loop, True)
    assert trail.durable
    loop.close()


def test_soon_detached_raises_at_once() -> None:
    """INVARIANT A1: what is not accepted is refused aloud."""

    async def run() -> None:
        client = AuditClient(asyncio.get_running_loop(), False)
        assert not client.is_accepting()
        with pytest.raises(AuditUnavailable):
            client.soon(RECORD % 1)
        assert "not there" in await fails(client.durably(RECORD % 1))

    asyncio.run(run())


def test_soon_several_records_travel_in_one_batch_within_5_ms() -> None:
    async def run() -> None:
        client, writer = await attached()
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(3):
            client.soon(RECORD % number)
        frame = await writer.next()
        assert loop.time() - start < 1  # 4 ms, on a machine that may be busy
        assert (frame.batch_id, frame.count, frame.flags) == (1, 3, 0)
        assert frame.body == b"\n".join(RECORD % number for number in range(3))

    asyncio.run(run())


def test_durably_waits_for_the_answer_and_asks_for_a_sync() -> None:
    async def run() -> None:
        client, writer = await attached()
        client.soon(RECORD % 1)
        reply = client.durably(RECORD % 2)
        other = client.durably(RECORD % 3)
        frame = await writer.next()
        assert (frame.count, frame.flags) == (3, DURABLE)
        assert not reply.done()
        writer.answer(frame.batch_id)
        await reply
        await other

    asyncio.run(run())


def test_durably_requests_on_the_road_share_a_sync() -> None:
    async def run() -> None:
        client, writer = await attached(durable=True)
        client.expected = 3
        replies = []
        for number in range(3):
            client.expected -= 1
            replies.append(client.durably(RECORD % number))
            await asyncio.sleep(0)
        frame = await writer.next()
        assert (frame.count, frame.flags) == (3, DURABLE)
        writer.answer(frame.batch_id)
        for reply in replies:
            await reply

    asyncio.run(run())


def test_durably_request_that_takes_long_holds_up_no_other() -> None:
    async def run() -> None:
        client, writer = await attached(durable=True)
        client.expected = 1  # and stays on the road
        client.soon(RECORD % 1)
        reply = client.durably(RECORD % 2)
        frame = await writer.next()
        assert (frame.count, frame.flags) == (2, DURABLE)
        writer.answer(frame.batch_id)
        await reply

    asyncio.run(run())


def test_soon_much_at_once_is_flushed_by_size_and_every_waiter_answered() -> None:
    async def run() -> None:
        client, writer = await attached()
        filler = b'{"eventVersion":"1.11","x":"' + b"x" * 100_000 + b'"}'
        replies: list[Reply[None]] = [client.durably(filler) for _ in range(7)]
        count = 0
        while count < 7:
            frame = await writer.next()
            count += frame.count
            writer.answer(frame.batch_id)
        await asyncio.gather(*[asyncio.ensure_future(_wait(reply)) for reply in replies])

    asyncio.run(run())


async def _wait(reply: Reply[None]) -> None:
    await reply


def test_writer_gone_waiting_fail_and_batches_go_again_under_their_numbers() -> None:
    """INVARIANT A1: an unconfirmed batch is held and sent again to the next writer."""

    async def run() -> None:
        client, writer = await attached()
        client.soon(RECORD % 1)
        first = await writer.next()
        reply = client.durably(RECORD % 2)
        second = await writer.next()
        writer.socket.close()
        assert "not there" in await fails(reply)
        assert not client.is_accepting()
        follower = PlayedWriter(client)
        greeting = await follower.next()
        assert (greeting.flags, greeting.batch_id) == (GREETING, 1)
        assert client.is_accepting()
        again = [await follower.next(), await follower.next()]
        assert [(frame.batch_id, frame.body) for frame in again] == [(1, first.body), (2, second.body)]
        client.soon(RECORD % 3)
        third = await follower.next()
        assert third.batch_id == 3
        for number in (1, 2, 3):
            follower.answer(number)
        await client.close()

    asyncio.run(run())


def test_writer_gone_gathered_records_go_to_the_next_writer() -> None:
    async def run() -> None:
        client, writer = await attached()
        client.soon(RECORD % 1)  # accepted, and still in the worker when the writer dies
        writer.socket.close()
        await settle()
        follower = PlayedWriter(client)
        assert (await follower.next()).flags == GREETING
        assert (await follower.next()).body == RECORD % 1

    asyncio.run(run())


def test_failed_answer_refuses_until_a_probe_is_written_and_keeps_order() -> None:
    async def run() -> None:
        client, writer = await attached(probe_seconds=0.02)
        replies = [client.durably(RECORD % 1)]
        await writer.next()
        replies.append(client.durably(RECORD % 2))
        await writer.next()
        writer.answer(1, FAILED)
        await settle()
        assert "cannot be written" in await fails(replies[0])
        assert not client.is_accepting()
        with pytest.raises(AuditUnavailable):
            client.soon(RECORD % 9)
        writer.answer(2, FAILED)
        assert "cannot be written" in await fails(replies[1])
        for _ in range(2):
            probe = await writer.next()
            assert probe.batch_id == 1, "the oldest alone"
            assert not writer.waiting
            writer.answer(1, FAILED)
        assert (await writer.next()).batch_id == 1
        writer.answer(1)
        assert (await writer.next()).batch_id == 2
        assert client.is_accepting()
        client.soon(RECORD % 3)
        assert (await writer.next()).batch_id == 3
        writer.answer(2)
        writer.answer(3)
        await client.close()

    asyncio.run(run())


def test_writer_silent_memory_is_bounded_and_recovers() -> None:
    async def run() -> None:
        client, writer = await attached(held_bytes_max=1 << 20)
        filler = b'{"eventVersion":"1.11","x":"' + b"x" * 50_000 + b'"}'
        taken = 0
        while client.is_accepting():
            client.soon(filler)
            taken += 1
        with pytest.raises(AuditUnavailable, match="does not keep up"):
            client.soon(filler)
        assert taken * 50_000 < (1 << 20) + 2 * (256 << 10)
        count = 0
        while count < taken:
            frame = await writer.next()
            count += frame.count
            writer.answer(frame.batch_id)
            await asyncio.sleep(0)
        await settle()
        assert client.is_accepting()
        await client.close()
        assert count == taken

    asyncio.run(run())


@pytest.mark.parametrize(
    "record",
    [
        b'{"eventVersion":"1.11"}\n{"chain":1}',
        b'{"chain":1,"block":1}',
        b"",
        b'{"eventVersion":"' + b"x" * (1 << 20) + b'"}',
    ],
)
def test_record_that_is_not_one_line_of_the_form_is_refused(record: bytes) -> None:
    """INVARIANT A4: no record can be taken for two, or for a chain line."""

    async def run() -> None:
        client, _ = await attached()
        with pytest.raises(AuditUnavailable):
            client.soon(record)
        await fails(client.durably(record))
        assert client.is_accepting()

    asyncio.run(run())


@pytest.mark.parametrize("answer", [ANSWER.pack(9, WRITTEN), ANSWER.pack(2, WRITTEN), ANSWER.pack(0, FAILED)])
def test_answer_to_nothing_sent_ends_the_channel(answer: bytes) -> None:
    async def run() -> None:
        client, writer = await attached()
        reply = client.durably(RECORD % 1)
        await writer.next()
        writer.socket.send(answer)
        await fails(reply)
        assert not client.is_accepting()

    asyncio.run(run())


def test_answers_split_anywhere_are_understood() -> None:
    async def run() -> None:
        client, writer = await attached()
        for number in (1, 2):
            client.soon(RECORD % number)
            await writer.next()
        for byte in ANSWER.pack(1, WRITTEN) + ANSWER.pack(2, WRITTEN):
            writer.socket.send(bytes([byte]))
            await asyncio.sleep(0.001)
        await client.close(0.5)

    asyncio.run(run())


def test_close_unconfirmed_raises_and_refuses_afterwards() -> None:
    async def run() -> None:
        client, writer = await attached()
        client.soon(RECORD % 1)
        with pytest.raises(AuditUnavailable, match="1 batches"):
            await client.close(0.05)
        assert (await writer.next()).body == RECORD % 1
        assert not client.is_accepting()
        with pytest.raises(AuditUnavailable, match="closed"):
            client.soon(RECORD % 2)

    asyncio.run(run())


def test_end_of_the_chain_is_the_writers_word_among_answers_to_batches() -> None:
    async def run() -> None:
        client, writer = await attached()
        written = client.durably(RECORD % 1)
        first = await writer.next()
        asked = [client.find_end(), client.find_end()]
        for _ in asked:
            assert (await writer.next()).flags == END_ASKED
        ends = [CHAIN_END.pack(7, 21, bytes([number]) * 32) for number in (1, 2)]
        told = (
            ANSWER.pack(1, END)
            + ends[0]
            + ANSWER.pack(first.batch_id, WRITTEN)
            + ANSWER.pack(1, END)
            + ends[1]
        )
        for position in range(len(told)):  # in whatever pieces it comes
            writer.socket.send(told[position : position + 1])
            await asyncio.sleep(0)
        assert await asyncio.wait_for(asked[0], 5) == (7, 21, bytes([1]) * 32)
        assert await asyncio.wait_for(asked[1], 5) == (7, 21, bytes([2]) * 32)
        await asyncio.wait_for(written, 5)
        assert client.is_accepting()

    asyncio.run(run())


def test_end_of_the_chain_is_not_told_by_a_writer_that_is_gone() -> None:
    async def run() -> None:
        client, writer = await attached()
        asked = client.find_end()
        await writer.next()
        writer.socket.close()
        with pytest.raises(AuditUnavailable):
            await asyncio.wait_for(asked, 5)
        with pytest.raises(AuditUnavailable):
            await client.find_end()

    asyncio.run(run())


def test_end_that_nobody_asked_for_ends_the_channel() -> None:
    async def run() -> None:
        client, writer = await attached()
        writer.socket.send(ANSWER.pack(1, END) + CHAIN_END.pack(1, 1, bytes(32)))
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(writer.socket, 1), 5) == b""
        assert not client.is_accepting()

    asyncio.run(run())
