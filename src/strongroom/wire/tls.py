"""TLS as the front speaks it: a bound on handshakes, an alert for who is refused, certificates renewed."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the server's certificate chain and its private key are (PEM)."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    """Whose certificates clients must have (PEM). None: they need none."""


class AlertingTls(ssl.SSLObject):
    """One connection's TLS that says why it refused a handshake (RFC 8446, 6.2: an alert, then the close).

    OpenSSL leaves its alert in the outgoing buffer and raises; asyncio and uvloop then close the connection
    with the alert unsent, and a client with an expired certificate sees an empty reply. So a failure with
    an alert to send asks for more data first, upon which the event loop sends what is there, and is raised
    when the client has said anything more, its close included. One that says nothing meets the limit of
    handshakes (`Limits.tls_handshake_seconds_max`).
    """

    outgoing: ssl.MemoryBIO
    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Raises: ssl.SSLWantReadError (more data is needed), ssl.SSLError (the handshake has failed)."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
            cast("AlertingTlsContext", self.context).handshakes.discard(self)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as failure:
            if not self.outgoing.pending:
                raise
            self._failure = failure.with_traceback(None)  # or it would hold this frame, and that holds us
            raise ssl.SSLWantReadError from None


class AlertingTlsContext(ssl.SSLContext):
    """Makes connections with `AlertingTls`, and none where there is no room."""

    sslobject_class = AlertingTls

    def __init__(self, _protocol: int) -> None:
        super().__init__()
        self.handshakes: weakref.WeakSet[AlertingTls] = weakref.WeakSet()
        """Those under way, whose connections the front does not know yet. What has ended is dropped."""
        self.has_room: Callable[[], bool] = lambda: True
        self._follower: AlertingTlsContext | None = None

    def be_followed_by(self, context: AlertingTlsContext) -> None:
        """Make connections of `context` from now on: its certificate, and its authorities for clients.

        Sessions of clients that were known by the authorities before cannot be resumed: their tickets are
        of the context that made them.
        """
        context.handshakes = self.handshakes
        self._follower = context

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **named: Any
    ) -> AlertingTls:
        """As `ssl.SSLContext.wrap_bio`, by which asyncio and uvloop make a connection's TLS.

        Raises: ssl.SSLError, upon which they close the connection, where there is no room for one more.
        """
        if not self.has_room():
            raise ssl.SSLError("too many connections")
        context = self._follower or self
        tls = cast(
            "AlertingTls",
            super(AlertingTlsContext, context).wrap_bio(incoming, outgoing, *arguments, **named),
        )
        tls.outgoing = outgoing
        self.handshakes.add(tls)
        return tls


def build_tls_context(files: TlsFiles) -> AlertingTlsContext:
    """TLS 1.2 and 1.3, HTTP/1.1 only. Raises: OSError or ssl.SSLError for unusable files."""
    context = AlertingTlsContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    # A key with a passphrase would have OpenSSL ask for it at the terminal.
    context.load_cert_chain(files.certificate_file, files.key_file, password="")
    if files.client_ca_file is not None:
        context.load_verify_locations(files.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
