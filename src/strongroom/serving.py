"""What every process that answers requests needs; and the one that answers while the seal is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from strongroom.config import Settings
from strongroom.confinement.confined import ServerLimits, confine_server, forgo_rings, own_program
from strongroom.processes.channel import ControlChannel
from strongroom.processes.contexts import SealedContext
from strongroom.processes.operator_log import OperatorLog
from strongroom.trust_files import require_server_files
from strongroom.wire.tls import TlsFiles

if TYPE_CHECKING:
    from strongroom.wire.limits import Limits

# The wire is imported late: only processes that answer requests carry it.

DNS_PORT = 53
"""By TCP, for answers that are too long for UDP."""


def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's work to its end, with a log that stops nobody. Raises: ConfinementFailed."""
    forgo_rings()
    log = OperatorLog()
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    uvloop.run(main)


def on_stop_signals(stop: Callable[[], None]) -> None:
    """Have `stop` called in the running loop when the process is asked to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError):
            loop.add_signal_handler(number, stop)


def tls_files_of(settings: Settings) -> TlsFiles | None:
    """None: plain HTTP. Raises: StartRefused for files that cannot be used."""
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    require_server_files(settings)
    return TlsFiles(settings.tls_certificate_file, settings.tls_key_file)


def limits_of(settings: Settings) -> Limits:
    """What one connection, and all together, may take."""
    from strongroom.wire.limits import Limits

    return Limits(
        body_bytes_max=settings.body_bytes_max,
        header_bytes_max=settings.header_bytes_max,
        connections_max=settings.connections_max,
        request_seconds_max=settings.request_timeout_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )


def limits_to(files: Iterable[Path], reads: Iterable[Path], proxy_port: int) -> ServerLimits:
    """`files` to read and write, `reads` to read, and connections to external key store proxies."""
    return ServerLimits(
        files=tuple(map(str, files)),
        readable=(*_shared_files(), *map(str, reads)),
        ports=(proxy_port, DNS_PORT),
    )


def _shared_files() -> tuple[str, ...]:
    """What a process reads that connects to others: resolver, certificate authorities, late libraries.

    None of it is secret. A resolver's file that is replaced, not rewritten, is unknown until the next start.
    """
    import ssl

    authorities = ssl.get_default_verify_paths()
    resolver = os.path.dirname(os.path.realpath("/etc/resolv.conf"))
    return (
        *own_program(),
        *(path for path in (authorities.cafile, authorities.capath) if path is not None),
        *_SHARED_FILES,
        *([resolver] if resolver.startswith("/run/") else []),
    )


_SHARED_FILES = (
    *(f"/etc/{name}" for name in ("resolv.conf", "hosts", "host.conf", "gai.conf", "nsswitch.conf")),
    *(f"/etc/{name}" for name in ("services", "localtime", "ld.so.cache", "ssl/certs", "ssl/openssl.cnf")),
    *("/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted"),
    *("/usr/share/ca-certificates", "/usr/share/zoneinfo", "/lib", "/lib64", "/usr/lib", "/usr/lib64"),
)


async def refuse_while_sealed(context: SealedContext) -> None:
    """Answer that the server lives and is sealed, until it is told to stop."""
    from strongroom.wire.sealed_front import build_sealed_front

    control = ControlChannel(context.control, lambda _, stream: stream.close())
    control.start()
    settings = context.settings
    front = build_sealed_front(limits_of(settings), tls_files_of(settings), control.send_ready)
    confine_server(ServerLimits(files=(), readable=own_program(), ports=()))
    on_stop_signals(front.stop)
    await front.serve(sockets=list(context.listening))
