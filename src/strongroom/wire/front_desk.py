"""What all connections of one worker share: the service, the limits, the time, the counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, TypeAlias

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.limits import Limits

Service: TypeAlias = Callable[[HttpRequest], Coroutine[Any, Any, Answer]]
"""Answers one request. Run without a task (strongroom.reply): no asyncio.timeout or locks inside."""


class FrontDesk:
    """The shared side of every connection.

    Concurrency: one event loop.
    """

    __slots__ = ("buffered_bytes", "date_line", "limits", "now", "service", "turned_away")

    def __init__(self, service: Service, limits: Limits) -> None:
        self.service = service
        self.limits = limits
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
