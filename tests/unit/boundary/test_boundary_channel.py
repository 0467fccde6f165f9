"""The worker's end of a channel, against a far end that the test plays itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from strongroom.boundary.channel import CALLS_MAX, Call, PipelinedChannel
from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.boundary.messages import HEAD, render_frame

Test = Callable[[PipelinedChannel, socket.socket], Coroutine[Any, Any, None]]
RUNNERS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]


def refuse(call: Call, status: int, body: bytes) -> None:
    call.fail(RuntimeError(f"{status} {body!r}"))


def run_with_channel(
    test: Test, timeout_seconds: float = 5.0, runner: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
) -> None:
    """Run a test with a channel and its far end, a non-blocking socket."""

    async def body() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        channel = PipelinedChannel(asyncio.get_running_loop(), timeout_seconds, refuse)
        channel.attach(ours)
        await asyncio.sleep(0.005)
        try:
            await asyncio.wait_for(test(channel, theirs), 20)
        finally:
            channel.detach()
            theirs.close()

    runner(body())


def call_of(body: bytes = b"", parse: Callable[[bytes], Any] | None = None) -> Call:
    return Call(asyncio.get_running_loop(), 3, body, parse)


async def receive(far: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = await asyncio.get_running_loop().sock_recv(far, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


@pytest.mark.parametrize("runner", RUNNERS)
def test_calls_of_one_turn_leave_in_one_write_and_resolve_by_call_id(runner: Any) -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        calls = [call_of(b"%d" % number) for number in range(10)]
        for call in calls:
            channel.send(call)
        expected = b"".join(render_frame(number + 1, 3, b"%d" % number) for number in range(10))
        await asyncio.sleep(0.01)
        assert far.recv(65536) == expected
        replies = [render_frame(number + 1, 0, b"reply %d" % number) for number in range(10)]
        far.sendall(b"".join(reversed(replies)))
        assert [await call for call in calls] == [b"reply %d" % number for number in range(10)]

    run_with_channel(test, runner=runner)


def test_reply_that_arrives_byte_by_byte_resolves_once_whole() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        call = call_of()
        channel.send(call)
        reply = render_frame(1, 0, b"whole")
        for position in range(len(reply)):
            assert not call.done()
            far.send(reply[position : position + 1])
            await asyncio.sleep(0.002)
        assert await call == b"whole"

    run_with_channel(test)


@pytest.mark.parametrize("runner", RUNNERS)
def test_calls_beyond_the_socket_buffer_are_all_sent_in_order(runner: Any) -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        calls = [call_of(bytes([number]) * 50_000) for number in range(100)]
        expected = b"".join(render_frame(number + 1, 3, call.body) for number, call in enumerate(calls))
        for position in range(0, 100, 10):  # several turns, the later ones while the socket is full
            for call in calls[position : position + 10]:
                channel.send(call)
            await asyncio.sleep(0)
        assert await receive(far, len(expected)) == expected
        far.sendall(render_frame(100, 0, b"last"))
        assert await calls[99] == b"last"
        again = call_of(b"after the jam")
        channel.send(again)
        assert await receive(far, 9 + 13) == render_frame(101, 3, b"after the jam")

    run_with_channel(test, runner=runner)


def test_end_of_the_channel_fails_all_unanswered_calls_at_once() -> None:
    """A last reply and unread requests: a reader of uvloop's would see the reply and then nothing more."""

    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        calls = [call_of() for _ in range(20)]
        for call in calls:
            channel.send(call)
        await asyncio.sleep(0.01)
        far.sendall(render_frame(1, 0, b"answered"))
        far.close()
        assert await calls[0] == b"answered"
        for call in calls[1:]:
            with pytest.raises(BoundaryUnavailable, match="gone"):
                await call

    run_with_channel(test)


@pytest.mark.parametrize("runner", RUNNERS)
def test_end_of_a_channel_whose_requests_were_not_read_fails_all_calls_at_once(runner: Any) -> None:
    """The far end dies with requests unread: the kernel then says ECONNRESET, not end of file."""

    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        calls = [call_of() for _ in range(20)]
        for call in calls:
            channel.send(call)
        await asyncio.sleep(0.01)
        far.close()
        for call in calls:
            with pytest.raises(BoundaryUnavailable, match="gone"):
                await call

    run_with_channel(test, runner=runner)


def test_calls_made_before_the_socket_is_in_use_are_sent_when_it_is() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        channel.attach(ours)
        call = call_of(b"early")
        channel.send(call)
        assert await receive(theirs, 14) == render_frame(1, 3, b"early")
        theirs.sendall(render_frame(1, 0, b"yes"))
        assert await call == b"yes"
        theirs.close()

    run_with_channel(test)


def test_attach_twice_in_one_turn_uses_the_second_socket_and_closes_the_first() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        first, far_of_first = socket.socketpair()
        second, far_of_second = socket.socketpair()
        far_of_first.setblocking(False)
        far_of_second.setblocking(False)
        channel.attach(first)
        channel.attach(second)
        channel.send(call_of(b"x"))
        assert await receive(far_of_second, 10) == render_frame(1, 3, b"x")
        with pytest.raises(EOFError):
            await receive(far_of_first, 1)
        far_of_first.close()
        far_of_second.close()

    run_with_channel(test)


def test_call_without_a_channel_fails_at_once() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        channel.detach()
        call = call_of()
        channel.send(call)
        assert call.done()
        with pytest.raises(BoundaryUnavailable):
            await call
        assert await asyncio.get_running_loop().sock_recv(far, 1) == b""

    run_with_channel(test)


def test_attach_of_a_new_channel_fails_the_old_calls_and_serves_new_ones() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        old = call_of()
        channel.send(old)
        ours, theirs = socket.socketpair()
        channel.attach(ours)
        with pytest.raises(BoundaryUnavailable):
            await old
        new = call_of(b"new")
        channel.send(new)
        await asyncio.sleep(0.01)
        assert theirs.recv(100) == render_frame(2, 3, b"new")
        theirs.sendall(render_frame(2, 0, b"yes"))
        assert await new == b"yes"
        theirs.close()
        with pytest.raises(EOFError):
            await receive(far, 100)

    run_with_channel(test)


def test_call_without_an_answer_fails_after_the_time_limit_and_the_channel_goes_on() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        lost = call_of()
        channel.send(lost)
        with pytest.raises(BoundaryUnavailable, match="did not answer"):
            await lost
        assert 0.5 <= loop.time() - started_at < 10
        answered = call_of()
        channel.send(answered)
        await asyncio.sleep(0.01)
        far.sendall(render_frame(1, 0, b"too late") + render_frame(2, 0, b"in time"))
        assert await answered == b"in time"

    run_with_channel(test, timeout_seconds=0.5)


def test_call_with_a_patience_of_its_own_outlives_the_time_limit_and_is_answered() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        patient = Call(asyncio.get_running_loop(), 3, b"slow", None, patience_seconds=10)
        channel.send(patient)
        for _ in range(5):
            channel.send(call_of(b"quick"))
            await asyncio.sleep(0.05)
        assert not patient.done()
        far.send(render_frame(1, 0, b"late"))
        assert await patient == b"late"

    run_with_channel(test, timeout_seconds=0.05)


def test_call_with_a_patience_of_its_own_fails_after_it_and_when_the_channel_ends() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        hasty, patient = Call(loop, 3, b"", None, 0.05), Call(loop, 3, b"", None, 60)
        channel.send(hasty)
        channel.send(patient)
        with pytest.raises(BoundaryUnavailable, match="did not answer"):
            await hasty
        assert not patient.done()
        far.close()
        with pytest.raises(BoundaryUnavailable, match="gone"):
            await patient

    run_with_channel(test)


def test_calls_answered_in_time_outlive_many_time_limits() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        for number in range(1, 60):
            call = call_of()
            channel.send(call)
            await asyncio.sleep(0.02)
            far.sendall(render_frame(number, 0, b"ok"))
            assert await call == b"ok"

    run_with_channel(test, timeout_seconds=0.5)


def test_calls_beyond_the_bound_fail_at_once() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        for _ in range(CALLS_MAX):
            channel.send(call_of())
        one_more = call_of()
        channel.send(one_more)
        with pytest.raises(BoundaryUnavailable, match="too many"):
            await one_more

    run_with_channel(test)


def test_frames_for_a_boundary_that_reads_nothing_stay_bounded() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        refused = 0
        for _ in range(20):  # each round times out and makes room for the next one's calls
            calls = [call_of(bytes(1000)) for _ in range(CALLS_MAX)]
            for call in calls:
                channel.send(call)
            await asyncio.sleep(0.06)
            refused += sum("too many" in str(call._error) for call in calls)
        assert refused > 10 * CALLS_MAX
        assert len(channel._out) <= 2 * CALLS_MAX

    run_with_channel(test, timeout_seconds=0.04)


def test_call_ids_wrap_around() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        channel._last_call_id = 0xFFFFFFFE
        calls = [call_of() for _ in range(4)]
        for call in calls:
            channel.send(call)
        await asyncio.sleep(0.01)
        data = far.recv(100)
        call_ids = [HEAD.unpack_from(data, position)[1] for position in range(0, 36, 9)]
        assert call_ids == [0xFFFFFFFF, 0, 1, 2]
        for call_id in call_ids[:3]:
            far.sendall(render_frame(call_id, 0, b"%d" % call_id))
        assert [await call for call in calls[:3]] == [b"%d" % call_id for call_id in call_ids[:3]]
        with pytest.raises(BoundaryUnavailable, match="did not answer"):
            await calls[3]

    run_with_channel(test, timeout_seconds=0.5)


def test_caller_that_fails_on_its_reply_costs_the_others_nothing() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

        def explode(_: Any) -> None:
            raise RuntimeError("a bug of a caller")

        first, second, third = call_of(), call_of(parse=lambda body: body[1]), call_of()
        first.add_done_callback(explode)
        for call in (first, second, third):
            channel.send(call)
        await asyncio.sleep(0.01)
        far.sendall(b"".join(render_frame(number, 0, b"") for number in (1, 2, 3)))
        assert await third == b""
        with pytest.raises(BoundaryUnavailable, match="could not be read"):
            await second
        assert len(reported) == 2

    run_with_channel(test)


def test_reply_of_an_impossible_length_ends_the_channel() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        call = call_of()
        channel.send(call)
        await asyncio.sleep(0.01)
        far.sendall(b"\xff" * 9)
        with pytest.raises(BoundaryUnavailable):
            await call

    run_with_channel(test)


def test_refusal_goes_to_the_handler_with_status_and_body() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        call = call_of()
        channel.send(call)
        await asyncio.sleep(0.01)
        far.sendall(render_frame(1, 4, b"id"))
        with pytest.raises(RuntimeError, match="4 b'id'"):
            await call

    run_with_channel(test)


def test_caller_that_calls_again_from_its_reply_is_served() -> None:
    async def test(channel: PipelinedChannel, far: socket.socket) -> None:
        second = call_of(b"second")
        first = call_of(b"first")
        first.add_done_callback(lambda _: channel.send(second))
        channel.send(first)
        await asyncio.sleep(0.01)
        assert far.recv(100) == render_frame(1, 3, b"first")
        far.sendall(render_frame(1, 0, b""))
        await asyncio.sleep(0.01)
        assert far.recv(100) == render_frame(2, 3, b"second")
        far.sendall(render_frame(2, 0, b"done"))
        assert await second == b"done"

    run_with_channel(test)
