"""Connections whose TLS handshake is under way: bounded as all others are."""

from __future__ import annotations

import gc
import socket
import ssl
import time
from pathlib import Path
from typing import cast

import pytest
from tests.support.certificates import Authority
from tests.support.http_front import RawClient, RunningFront, render_request, reset

from strongroom.wire.limits import Limits
from strongroom.wire.tls import AlertingTlsContext, TlsFiles


def test_tls_handshakes_under_way_count_as_connections(tmp_path: Path) -> None:
    """INVARIANT H1."""
    server = Authority(tmp_path, "server")
    trust = ssl.create_default_context(cafile=server.ca_file)
    tls = TlsFiles(*server.issue("127.0.0.1"))
    with (
        RunningFront(tls=tls, limits=Limits(connections_max=3)) as front,
        front.connect(trust) as served,
        front.connect() as silent,
        front.connect() as begun,
    ):
        begun.send(b"\x16\x03\x01")
        assert served.ask(render_request()).status == 200
        assert begun.is_silent(0.2)
        with front.connect() as fourth:
            assert fourth.is_closed_by_server()
        with pytest.raises(OSError):
            front.connect(trust)
        silent.socket.close()
        with _connect_soon(front, trust) as fifth:
            assert fifth.ask(render_request()).status == served.ask(render_request()).status == 200


def test_tls_handshakes_that_ended_in_any_way_count_no_more(tmp_path: Path) -> None:
    """And nothing waits for Python's collector of cycles, which runs when it likes."""
    server, clients = Authority(tmp_path, "server"), Authority(tmp_path, "clients")
    trust = ssl.create_default_context(cafile=server.ca_file)
    tls = TlsFiles(*server.issue("localhost"), clients.ca_file)
    limits = Limits(connections_max=1, tls_handshake_seconds_max=0.2)
    gc.disable()
    try:
        with RunningFront(tls=tls, limits=limits) as front:
            assert front.front is not None
            handshakes = cast("AlertingTlsContext", front.front.config.ssl).handshakes
            for _ in range(3):
                for end in (_leave, _reset, _say_no_tls, _stay_silent, _show_no_certificate):
                    end(front, trust)
                    deadline = time.monotonic() + 5
                    while len(handshakes):
                        assert time.monotonic() < deadline, end
                        time.sleep(0.01)
            assert front.front._desk.turned_away == 0
    finally:
        gc.enable()


def test_connections_are_counted_once_after_a_renewal_too(tmp_path: Path) -> None:
    """INVARIANT H1."""
    server = Authority(tmp_path, "server")
    trust = ssl.create_default_context(cafile=server.ca_file)
    tls = TlsFiles(*server.issue("127.0.0.1"))
    with RunningFront(tls=tls, limits=Limits(connections_max=2)) as front:
        assert front.front is not None
        front.front.renew_tls(TlsFiles(*server.issue("127.0.0.1")))
        with front.connect(trust) as first, front.connect(trust) as second, front.connect() as third:
            assert third.is_closed_by_server()
            assert first.ask(render_request()).status == second.ask(render_request()).status == 200
        with _connect_soon(front, trust) as begun, front.connect() as other:
            other.send(b"\x16\x03\x01")
            assert other.is_silent(0.2)
            with front.connect() as third:
                assert third.is_closed_by_server()
            assert begun.ask(render_request()).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_of_an_authority_that_was_taken_away_is_refused_with_its_session_too(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    server, old, new = (Authority(tmp_path, name) for name in ("server", "old", "new"))
    files = server.issue("127.0.0.1")

    def shown_by(authority: Authority) -> ssl.SSLContext:
        trust = ssl.create_default_context(cafile=server.ca_file)
        trust.maximum_version = version
        trust.load_cert_chain(*authority.issue("client"))
        return trust

    knows_old, knows_new = shown_by(old), shown_by(new)
    with RunningFront(tls=TlsFiles(*files, old.ca_file)) as front:
        resumable, was_resumed = _ask(front, knows_old)
        assert not was_resumed
        assert _ask(front, knows_old, resumable)[1]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _ask(front, knows_new)
        assert front.front is not None
        front.front.renew_tls(TlsFiles(*files, new.ca_file))
        for session in (None, resumable):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                _ask(front, knows_old, session)
        _ask(front, knows_new)


def _ask(
    front: RunningFront, trust: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """One request over a connection of its own: its session, and whether that was another's."""
    with RawClient(front.port, trust, session) as client:
        assert client.ask(render_request()).status == 200
        assert isinstance(client.socket, ssl.SSLSocket)
        return client.socket.session, client.socket.session_reused


def _leave(front: RunningFront, _trust: ssl.SSLContext) -> None:
    with front.connect() as client:
        client.send(b"\x16")


def _reset(front: RunningFront, _trust: ssl.SSLContext) -> None:
    reset(front.connect())


def _say_no_tls(front: RunningFront, _trust: ssl.SSLContext) -> None:
    with front.connect() as client:
        client.send(render_request())
        assert client.is_closed_by_server()


def _stay_silent(front: RunningFront, _trust: ssl.SSLContext) -> None:
    with front.connect() as client:
        assert client.is_closed_by_server()


def _show_no_certificate(front: RunningFront, trust: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=5) as plain,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
    ):
        trust.wrap_socket(plain, server_hostname="localhost").recv(1)


def _connect_soon(front: RunningFront, trust: ssl.SSLContext) -> RawClient:
    """As soon as there is room."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return front.connect(trust)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
