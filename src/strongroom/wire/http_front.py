"""The HTTP front of one worker: listens, serves, sweeps deadlines, stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn

from strongroom.wire.fast_lane import FastLane, connections_of
from strongroom.wire.front_desk import FrontDesk, Service, Special
from strongroom.wire.limits import Limits
from strongroom.wire.tls import AlertingTlsContext, TlsFiles, build_tls_context

logger = logging.getLogger("strongroom.wire")

TLS_SHUTDOWN_SECONDS_MAX = 1.0


class HttpFront(uvicorn.Server):
    """Serves HTTP on sockets that are bound already, inside a running event loop, until `stop`.

    `service` answers `POST /`; `app` (wire/app.py) everything else. `on_ready` is called once
    connections are accepted. Signals are left alone: whoever runs the process decides what they mean.
    Raises: OSError or ssl.SSLError, from the constructor, for unusable TLS files.
    Concurrency: one event loop; `stop` is called in it.
    """

    def __init__(
        self,
        service: Service,
        app: Callable[..., Any],
        limits: Limits,
        *,
        tls: TlsFiles | None = None,
        on_ready: Callable[[], None] | None = None,
        special: Special | None = None,
    ) -> None:
        self._limits = limits
        self._desk = FrontDesk(service, limits, special)
        self._on_ready = on_ready
        self._stopped = asyncio.Event()
        self._sweep_timer: asyncio.TimerHandle | None = None
        protocol = functools.partial(FastLane, desk=self._desk)
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", protocol),
            ws="none",
            interface="asgi3",
            lifespan="off",
            workers=1,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=None if tls is None else lambda _config, _default: build_tls_context(tls),
            timeout_graceful_shutdown=math.ceil(limits.stop_seconds_max),
        )
        config.load()
        super().__init__(config)
        if config.ssl is not None:
            cast("AlertingTlsContext", config.ssl).has_room = self._has_room_for_handshake

    def _has_room_for_handshake(self) -> bool:
        handshakes = cast("AlertingTlsContext", self.config.ssl).handshakes
        has_room = len(self.server_state.connections) + len(handshakes) < self._limits.connections_max
        self._desk.turned_away += not has_room
        return has_room

    def renew_tls(self, tls: TlsFiles) -> None:
        """Speak TLS by these files from now on; connections that there are stay as they are.

        Of a front that was made with TLS. Raises: OSError or ssl.SSLError when the files are unusable;
        nothing has changed then.
        """
        cast("AlertingTlsContext", self.config.ssl).be_followed_by(build_tls_context(tls))

    def stop(self) -> None:
        """Begin a graceful stop: no new connections; requests under way are answered; `serve` returns."""
        self.should_exit = True
        self._stopped.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the worker, not to its front."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections. uvicorn's own, with a bound on TLS handshakes and the sweep started."""
        if not sockets:
            raise ValueError("the front serves sockets that are bound already")
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self._sweep()
        make_protocol = functools.partial(
            FastLane, self.config, self.server_state, self.lifespan.state, loop, desk=self._desk
        )
        handshake = None if self.config.ssl is None else self._limits.tls_handshake_seconds_max
        # A client that is idle does not answer TLS's close: a stop would wait for each of them.
        shutdown = None if self.config.ssl is None else TLS_SHUTDOWN_SECONDS_MAX
        self.servers = [
            await loop.create_server(
                make_protocol,
                sock=sock,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
            for sock in sockets
        ]
        self.started = True
        if self._on_ready is not None:
            self._on_ready()

    async def main_loop(self) -> None:
        """Nothing to do but wait: the sweep keeps the time."""
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop gracefully, then end whatever outlived the bound."""
        await super().shutdown(sockets)
        self._abort_connections()

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super()._serve(sockets)
        finally:
            for server in getattr(self, "servers", []):
                server.close()
            self._abort_connections()
            if self._sweep_timer is not None:
                self._sweep_timer.cancel()

    def _abort_connections(self) -> None:
        for connection in connections_of(self.server_state):
            connection.transport.abort()

    def _sweep(self) -> None:
        """Keep the time for all connections: one timer for all, not two for every request."""
        desk = self._desk
        desk.read_clocks()
        self.server_state.default_headers = [(b"date", desk.date_line[6:-2])]
        for connection in connections_of(self.server_state):
            connection.enforce_deadline()
        if desk.turned_away:
            logger.warning("Turned away %d connections: too many are open.", desk.turned_away)
            desk.turned_away = 0
        self._sweep_timer = asyncio.get_running_loop().call_later(self._limits.sweep_seconds, self._sweep)
