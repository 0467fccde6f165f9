"""One HTTPS request within its time: no redirect followed, no name asked twice, no answer without bound.

httptools reads the answers. Connections that stay open are kept for the next request to the same endpoint.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import httptools

from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.external_key_store.addresses import resolve
from strongroom.operations.key_store_backend import ProxyFailed

RESPONSE_BYTES_MAX: Final = 65_536
"""Head and body. The largest answer of the specification, a ciphertext of 4300 bytes, is below 7 KB."""
CONNECTIONS_MAX: Final = 128
"""Of one process to one endpoint, look-ups included."""
IDLE_MAX: Final = 16
IDLE_SECONDS_MAX: Final = 30.0
_READ_BYTES: Final = 16_384


class Resolver(Protocol):
    """Finds the addresses of a host, as `addresses.resolve` does."""

    def __call__(self, host: str, port: int, *, private_allowed: bool) -> Awaitable[Sequence[str]]:
        """Raises OSError, UnicodeError."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a proxy listens."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


class _CountingReader(asyncio.StreamReader):
    """Knows how much has come in, read or not."""

    arrived = 0

    def feed_data(self, data: Any) -> None:
        """Shape: bytes; typeshed says more."""
        self.arrived += len(data)
        super().feed_data(data)


@dataclass(slots=True)
class _Connection:
    reader: _CountingReader
    writer: asyncio.StreamWriter
    tls: ssl.SSLContext
    read: int = 0
    """Bytes of the answers so far."""
    idle_since: float = 0.0

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come but the answers: what has would be taken for the next one."""
        return self.read == self.reader.arrived and not self.reader.at_eof()


class _ClosedEarly(Exception):
    """The connection ended before the first byte of an answer."""


class _Answer:
    """What httptools tells of a response."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_json = False
        self.is_complete = False
        self.messages = 0
        self.stays_open = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.messages += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.is_json = value.split(b";", 1)[0].strip().lower() == b"application/json"

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.stays_open = self.parser.should_keep_alive()


class HttpsClient:
    """Sends POST requests with a body in JSON. Concurrency: one event loop.

    Callers need no asyncio task of their own (strongroom.reply): each request runs in one made here.
    """

    def __init__(
        self,
        build_tls: Callable[[], ssl.SSLContext],
        *,
        timeout_seconds: float,
        private_addresses: bool,
        resolve: Resolver = resolve,
    ) -> None:
        """`timeout_seconds` is for all of a request: name, connection, handshake, answer.

        `build_tls` is called once, before the first: certificates take memory, and few servers have proxies.
        """
        self._build_tls: Callable[[], ssl.SSLContext] = cache(build_tls)
        self._timeout_seconds = timeout_seconds
        self._private_addresses = private_addresses
        self._resolve = resolve
        self._lookups: dict[Endpoint, asyncio.Future[Sequence[str]]] = {}
        self._idle: dict[Endpoint, list[_Connection]] = {}
        self._open: dict[Endpoint, int] = {}

    async def post(self, endpoint: Endpoint, head: bytes, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer in JSON. `head` ends with its empty line. Raises: ProxyFailed."""
        return await asyncio.get_running_loop().create_task(self._post(endpoint, head + body))

    def renew_tls(self, context: ssl.SSLContext) -> None:
        """Make connections by this one from now on. Others are closed when nobody uses them."""
        self._build_tls = lambda: context
        self.close()

    def forget(self, endpoint: Endpoint) -> None:
        """Close the connections to it that nobody uses."""
        for connection in self._idle.pop(endpoint, ()):
            connection.writer.transport.abort()

    def close(self) -> None:
        for endpoint in list(self._idle):
            self.forget(endpoint)

    async def _post(self, endpoint: Endpoint, request: bytes) -> tuple[int, bytes]:
        if self._open.get(endpoint, 0) >= CONNECTIONS_MAX:
            raise ProxyFailed(ProxyFailure.THROTTLED)
        self._open[endpoint] = self._open.get(endpoint, 0) + 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(endpoint, request)
        except TimeoutError:
            raise ProxyFailed(ProxyFailure.TIMED_OUT) from None
        finally:
            self._open[endpoint] -= 1
            if not self._open[endpoint]:
                del self._open[endpoint]

    async def _exchange(self, endpoint: Endpoint, request: bytes) -> tuple[int, bytes]:
        kept = self._take_idle(endpoint)
        if kept is not None:
            try:
                return await self._send(endpoint, kept, request)
            except _ClosedEarly:  # while it was idle; asking twice does no harm
                self.forget(endpoint)
        try:
            return await self._send(endpoint, await self._connect(endpoint), request)
        except _ClosedEarly:
            raise ProxyFailed(ProxyFailure.INVALID_RESPONSE) from None

    async def _send(self, endpoint: Endpoint, connection: _Connection, request: bytes) -> tuple[int, bytes]:
        is_reusable = False
        try:
            connection.writer.write(request)
            answer = await _read(connection)
            status = answer.parser.get_status_code()
            # More than one answer to one request: the next request would be given the rest.
            is_reusable = answer.stays_open and answer.is_json and answer.messages == 1
            is_reusable = is_reusable and connection.is_quiet and connection.tls is self._build_tls()
        finally:
            if is_reusable:
                self._keep(endpoint, connection)
            else:
                connection.writer.transport.abort()
        if not answer.is_json or answer.messages != 1:
            raise ProxyFailed(ProxyFailure.INVALID_RESPONSE)
        return status, bytes(answer.body)

    async def _connect(self, endpoint: Endpoint) -> _Connection:
        try:
            addresses = await self._addresses_of(endpoint)
        except (OSError, UnicodeError):
            raise ProxyFailed(ProxyFailure.UNREACHABLE) from None
        for address in addresses:
            try:
                return await self._open_at(endpoint, address)
            except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError):
                raise ProxyFailed(ProxyFailure.TLS) from None
            except OSError:
                continue
        raise ProxyFailed(ProxyFailure.UNREACHABLE)

    async def _addresses_of(self, endpoint: Endpoint) -> Sequence[str]:
        """One look-up at a time for each endpoint: a thread stays with a DNS that hangs, long after the
        request has ended, and there are few. Who asks meanwhile is given the same answer."""
        lookup = self._lookups.get(endpoint)
        if lookup is None:
            looking = self._resolve(endpoint.host, endpoint.port, private_allowed=self._private_addresses)
            lookup = self._lookups[endpoint] = asyncio.ensure_future(looking)
            lookup.add_done_callback(lambda ended: self._end_lookup(endpoint, ended))
        return await asyncio.shield(lookup)

    def _end_lookup(self, endpoint: Endpoint, ended: asyncio.Future[Sequence[str]]) -> None:
        del self._lookups[endpoint]
        if not ended.cancelled():
            ended.exception()  # perhaps nobody waits any more

    async def _open_at(self, endpoint: Endpoint, address: str) -> _Connection:
        loop = asyncio.get_running_loop()
        reader = _CountingReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        tls = self._build_tls()
        transport, _ = await loop.create_connection(
            lambda: protocol, address, endpoint.port, ssl=tls, server_hostname=endpoint.host
        )
        return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop), tls)

    def _take_idle(self, endpoint: Endpoint) -> _Connection | None:
        idle = self._idle.get(endpoint, [])
        while idle:
            connection = idle.pop()
            is_fresh = time.monotonic() - connection.idle_since < IDLE_SECONDS_MAX
            if is_fresh and connection.is_quiet and not connection.writer.is_closing():
                return connection
            connection.writer.transport.abort()
        return None

    def _keep(self, endpoint: Endpoint, connection: _Connection) -> None:
        idle = self._idle.setdefault(endpoint, [])
        connection.idle_since = time.monotonic()
        idle.append(connection)
        if len(idle) > IDLE_MAX:
            idle.pop(0).writer.transport.abort()


async def _read(connection: _Connection) -> _Answer:
    """One whole answer. Raises: ProxyFailed, _ClosedEarly."""
    answer = _Answer()
    received = 0
    try:
        while not answer.is_complete:
            data = await connection.reader.read(_READ_BYTES)
            connection.read += len(data)
            if not data:
                if not received:
                    raise _ClosedEarly
                raise ProxyFailed(ProxyFailure.INVALID_RESPONSE)
            received += len(data)
            if received > RESPONSE_BYTES_MAX:
                raise ProxyFailed(ProxyFailure.INVALID_RESPONSE)
            answer.parser.feed_data(data)
    except httptools.HttpParserError:
        raise ProxyFailed(ProxyFailure.INVALID_RESPONSE) from None
    except OSError:
        if not received:
            raise _ClosedEarly from None
        raise ProxyFailed(ProxyFailure.INVALID_RESPONSE) from None
    return answer
