"""A worker's end of the channels to the processes of HSM clusters."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Iterable
from typing import Final

from strongroom.boundary.channel import Call, PipelinedChannel
from strongroom.boundary.interface import BoundaryError
from strongroom.boundary.messages import render_fields
from strongroom.hsm.frames import Opcode, Status

CALL_SECONDS_MAX: Final = 5.0
LOGIN_SECONDS_MAX: Final = 150.0
"""For ConnectCustomKeyStore's job. Longer than the process itself waits for its module."""
CHANNEL_PREFIX: Final = "hsm "
"""The supervisor names a channel `hsm cluster-2a23b4cdefg`."""


class ClusterAnswered(BoundaryError):
    """The process of a cluster refused, with a status. Secrets: no text."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class ClusterClient:
    """Asks one cluster's process. Concurrency: one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call_seconds_max: float = CALL_SECONDS_MAX) -> None:
        """Every call fails with BoundaryUnavailable before `attach`."""
        self._loop = loop
        self._channel = PipelinedChannel(loop, call_seconds_max, self._on_refusal)

    def attach(self, stream: socket.socket) -> None:
        """Use a new channel from now on; owns it."""
        self._channel.attach(stream)

    def close(self) -> None:
        """Calls under way fail."""
        self._channel.detach()

    @property
    def is_there(self) -> bool:
        """Whether the process runs, for all that is known."""
        return self._channel.is_attached

    def ask(self, opcode: Opcode, *fields: bytes, seconds_max: float | None = None) -> Awaitable[bytes]:
        """The body of the answer; `seconds_max` instead of the usual time limit.

        Raises, when awaited, ClusterAnswered, BoundaryUnavailable.
        """
        body = render_fields(*fields) if fields else b""
        call = Call(self._loop, opcode, body, None, seconds_max)
        self._channel.send(call)
        return call

    def _on_refusal(self, call: Call, status: int, _body: bytes) -> None:
        try:
            answered = ClusterAnswered(Status(status))
        except ValueError:
            answered = ClusterAnswered(Status.FAILED)
        self._channel.fail(call, answered)


class ClusterClients:
    """All clusters of the settings, by their ids."""

    def __init__(self, loop: asyncio.AbstractEventLoop, cluster_ids: Iterable[str]) -> None:
        self._clients = {cluster_id: ClusterClient(loop) for cluster_id in cluster_ids}

    def find(self, cluster_id: str | None) -> ClusterClient | None:
        """The client of a cluster, or None."""
        return self._clients.get(cluster_id or "")

    def attach(self, channel_name: str, stream: socket.socket) -> bool:
        """Take a channel that the supervisor sent; False when it is for no cluster."""
        client = None
        if channel_name.startswith(CHANNEL_PREFIX):
            client = self._clients.get(channel_name.removeprefix(CHANNEL_PREFIX))
        if client is None:
            return False
        client.attach(stream)
        return True

    def close(self) -> None:
        """Calls under way fail."""
        for client in self._clients.values():
            client.close()
