"""The sockets that requests come in by: one for each worker, on one port."""

from __future__ import annotations

import errno
import socket

from strongroom.processes.errors import StartRefused

BACKLOG = 1024
_REMEDIES = {
    errno.EADDRINUSE: " Stop what listens there, or name another port (--port N; 0 takes any free one).",
    errno.EACCES: " Name a port from 1024 on, or give the server the capability CAP_NET_BIND_SERVICE.",
    errno.EADDRNOTAVAIL: " Name an address of this host (--host ADDRESS).",
}


def open_listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Bind `count` sockets to the same port; the kernel spreads connections over them.

    Port 0 takes any free port. Raises: StartRefused when the address cannot be had.
    """
    sockets: list[socket.socket] = []
    try:
        family, address = _resolve(host, port)
        for index in range(count):
            listening = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listening)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if index == 0:
                # The first one binds alone, so that a second server on this port is refused instead
                # of being given every other connection; only then may the others join it.
                listening.bind(address)
                address = listening.getsockname()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if index > 0:
                listening.bind(address)
            listening.listen(BACKLOG)
            listening.setblocking(False)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no resolver takes
        for listening in sockets:
            listening.close()
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        remedy = _REMEDIES.get(error.errno or 0, "") if isinstance(error, OSError) else ""
        raise StartRefused(f"Cannot listen on {host} port {port}: {reason}.{remedy}") from None
    return sockets


def _resolve(host: str, port: int) -> tuple[int, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # "localhost" has two addresses; clients that are told 127.0.0.1 must find us.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, address  # type: ignore[return-value]  # IPv6 adds two members, which bind takes


def render_url(listening: socket.socket, secure: bool) -> str:
    """What a client on this machine calls the server by."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
