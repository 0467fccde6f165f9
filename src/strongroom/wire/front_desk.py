"""What all connections of one worker share: the service, the limits, the time, the counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, TypeAlias

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.limits import Limits

Service: TypeAlias = Callable[[HttpRequest], Coroutine[Any, Any, Answer]]
"""Answers one request. Run without a task (strongroom.reply): no asyncio.timeout or locks inside."""


@dataclass(frozen=True, slots=True)
class Special:
    """How a front differs from that of KMS, STS and IAM."""

    takes_every_path: bool = False
    """Whether the service answers every POST, not only `POST /`."""
    in_protocol: Callable[[Answer], Answer] = lambda answer: answer
    """Puts a refusal of the front itself into the words of the service's protocol."""
    admits: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether a client is served, by the certificate that was verified (as SSLSocket.getpeercert has it).
    None: whoever comes."""


class FrontDesk:
    """The shared side of every connection.

    Concurrency: one event loop.
    """

    __slots__ = (
        "admits",
        "buffered_bytes",
        "date_line",
        "in_protocol",
        "limits",
        "now",
        "service",
        "takes_every_path",
        "turned_away",
    )

    def __init__(self, service: Service, limits: Limits, special: Special | None = None) -> None:
        special = special or Special()
        self.service = service
        self.limits = limits
        self.takes_every_path = special.takes_every_path
        self.in_protocol = special.in_protocol
        self.admits = special.admits
        self.buffered_bytes = 0
        """Bytes of unfinished requests, over all connections."""
        self.turned_away = 0
        """Connections closed since the last sweep because there were too many."""
        self.now = 0.0
        self.date_line = b""
        self.read_clocks()

    def read_clocks(self) -> None:
        """Bring `now` (monotonic, for deadlines) and the Date field up to date; called by each sweep.

        SDKs correct their clocks by Date, and signatures are judged by the host's clock: so is this.
        """
        self.now = time.monotonic()
        self.date_line = b"Date: " + formatdate(time.time(), usegmt=True).encode() + b"\r\n"
