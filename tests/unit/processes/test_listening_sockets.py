"""The port: shared by the workers of one server, refused to another."""

from __future__ import annotations

import contextlib
import socket

import pytest

from strongroom.processes.errors import StartRefused
from strongroom.processes.listening import open_listening_sockets, render_url


def test_open_three_on_any_port_share_one_port_and_the_connections() -> None:
    sockets = open_listening_sockets("127.0.0.1", 0, 3)
    with contextlib.ExitStack() as held:
        for one in sockets:
            held.enter_context(one)
        port = sockets[0].getsockname()[1]
        assert {one.getsockname()[1] for one in sockets} == {port}
        for _ in range(60):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        accepted = [0, 0, 0]
        for index, one in enumerate(sockets):
            with contextlib.suppress(BlockingIOError):
                while True:
                    held.enter_context(one.accept()[0])
                    accepted[index] += 1
        assert sum(accepted) == 60
        assert min(accepted) > 0


@pytest.mark.parametrize("count", [1, 2])
def test_open_a_port_of_another_server_is_refused(count: int) -> None:
    sockets = open_listening_sockets("127.0.0.1", 0, count)
    with contextlib.ExitStack() as held:
        for one in sockets:
            held.enter_context(one)
        port = sockets[0].getsockname()[1]
        with pytest.raises(StartRefused, match=f"Cannot listen on 127.0.0.1 port {port}: Address already"):
            open_listening_sockets("127.0.0.1", port, 2)


def test_open_on_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(StartRefused, match=r"Cannot listen on 192\.0\.2\.1 port 0"):
        open_listening_sockets("192.0.2.1", 0, 1)


def test_open_on_a_name_that_does_not_resolve_is_refused() -> None:
    with pytest.raises(StartRefused, match=r"Cannot listen on no\.\.such port 0: not a host name"):
        open_listening_sockets("no..such", 0, 1)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")],
)
def test_url_names_an_address_that_clients_here_can_reach(host: str, shown: str) -> None:
    [one] = open_listening_sockets(host, 0, 1)
    with one:
        port = one.getsockname()[1]
        assert render_url(one, secure=False) == f"http://{shown}:{port}"
        assert render_url(one, secure=True) == f"https://{shown}:{port}"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the host has no IPv6")
@pytest.mark.parametrize("host", ["::1", "::"])
def test_url_of_ipv6_has_brackets(host: str) -> None:
    [one] = open_listening_sockets(host, 0, 1)
    with one:
        assert render_url(one, secure=False) == f"http://[::1]:{one.getsockname()[1]}"
