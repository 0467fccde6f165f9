"""INVARIANT H4: whatever one client does to its connection, the others are served as before."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
from tests.support.http_front import CONTENT_TYPE, HeldService, RawClient, RunningFront, render_request, reset

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer


def wait_until_finished(service: HeldService, body: bytes) -> None:
    deadline = time.monotonic() + 30
    while body not in service.finished:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("leave", [reset, lambda client: client.socket.close()], ids=["reset", "close"])
def test_client_leaves_while_its_request_runs_it_finishes_and_nobody_else_notices(
    leave: Callable[[RawClient], None],
) -> None:
    """INVARIANT H4."""
    service = HeldService()
    with RunningFront(service) as front, front.connect() as stays:
        stays.send(render_request(b"stays"))
        service.wait_for_request()
        leaver = front.connect()
        leaver.send(render_request(b"leaves"))
        service.wait_for_request()
        leave(leaver)
        time.sleep(0.1)
        service.release(b"leaves")
        wait_until_finished(service, b"leaves")
        service.release(b"stays")
        assert stays.receive().body == b"answer to stays"


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"PO",
        b"POST / HTTP/1.1\r\nHost",
        render_request(b"body")[:-1],
        b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_clients_leave_in_the_middle_of_requests_server_goes_on(part: bytes) -> None:
    """INVARIANT H4."""
    with RunningFront() as front, front.connect() as stays:
        for number in range(20):
            leaver = front.connect()
            leaver.send(part)
            if number % 2:
                reset(leaver)
            else:
                leaver.socket.close()
            assert stays.ask(render_request()).status == 200
        assert front.front is not None
        deadline = time.monotonic() + 30
        while len(front.front.server_state.connections) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert front.front._desk.buffered_bytes == 0


def test_client_that_closes_only_its_sending_half_gets_its_answers() -> None:
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one") + render_request(b"two"))
        service.wait_for_request()
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        service.release(b"one")
        assert client.receive().body == b"answer to one"
        service.wait_for_request()
        service.release(b"two")
        assert client.receive().body == b"answer to two"
        assert client.is_closed_by_server()


def test_client_resets_while_a_large_answer_is_written_nobody_else_notices() -> None:
    """INVARIANT H4."""

    async def large(request: HttpRequest) -> Answer:
        return Answer(200, CONTENT_TYPE, b"x" * 3_000_000, "large")

    with RunningFront(large) as front, front.connect() as stays:
        for _ in range(10):
            leaver = front.connect()
            leaver.send(render_request() * 5)
            leaver.socket.recv(1000)
            reset(leaver)
        assert len(stays.ask(render_request()).body) == 3_000_000


def test_client_leaves_during_an_app_request_server_goes_on() -> None:
    """INVARIANT H4."""

    async def is_ready() -> bool:
        await asyncio.sleep(0.1)
        return True

    with RunningFront(is_ready=is_ready) as front, front.connect() as stays:
        for _ in range(5):
            leaver = front.connect()
            leaver.send(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
            time.sleep(0.02)
            reset(leaver)
        time.sleep(0.3)
        assert stays.ask(render_request()).status == 200
