"""The desk at which the operator's commands arrive: a Unix socket in the data directory.

INVARIANT D1: nobody is heard but the user the server runs as, and root: the directory is theirs alone, the
socket is 0600, and the kernel says who is at the other end.
INVARIANT D2: what changes something has its audit record on disk before the answer leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Final

import msgspec

from strongroom.administration.commands import CommandRefused, carry_out
from strongroom.administration.messages import (
    LINE_BYTES_MAX,
    SOCKET_NAME,
    CheckBackup,
    Command,
    CreateAccount,
    ListAccounts,
    ListProxyCredentials,
    ListServices,
    Refused,
    Reply,
    RoomsCommand,
    ShowStatus,
)
from strongroom.administration.server_status import StatusSource, describe_server
from strongroom.audit.cloudtrail import render_envelope, render_event, render_user_identity
from strongroom.audit.interface import AuditTrail
from strongroom.operations.context import Rooms
from strongroom.request_ids import RequestIds

logger = logging.getLogger("strongroom.administration")

SECONDS_MAX: Final = 10.0
EVENT_SOURCE: Final = "strongroom"
_PEER = struct.Struct("3i")
_READ_ONLY = (ListAccounts, ListServices, ListProxyCredentials, CheckBackup)
_decoder = msgspec.json.Decoder(Command)


class Desk:
    """Answers the operator. Concurrency: one event loop; one command at a time.

    Units: whoever connects has `seconds_max` to say what it wants, and as many to take the answer.
    """

    def __init__(
        self,
        rooms: Rooms,
        audit: AuditTrail,
        request_ids: RequestIds,
        seconds_max: float = SECONDS_MAX,
        status_source: StatusSource | None = None,
    ) -> None:
        """`status_source`: what ShowStatus is answered from; a desk without one refuses it."""
        self._status_source = status_source
        self._seconds_max = seconds_max
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids
        self._names = {user_id: _name_user(user_id) for user_id in (0, os.geteuid())}
        self._turn = asyncio.Lock()

    async def open(self, data_directory: Path) -> asyncio.Server:
        """Listen; the socket of a server that was killed is replaced."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # By its open directory: a socket's path must be shorter than many a directory's.
        directory = os.open(data_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SOCKET_NAME, dir_fd=directory)
            before = os.umask(0o177)
            try:
                listening.bind(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
            finally:
                os.umask(before)
        finally:
            os.close(directory)
        return await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_BYTES_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            user = self._peer_name(writer.get_extra_info("socket"))
            if user is not None:
                async with asyncio.timeout(self._seconds_max):
                    line = await reader.readline()
                async with self._turn:  # no time ends this: what was done would be without its record
                    answer = await self._answer(line, user)
                async with asyncio.timeout(self._seconds_max):
                    writer.write(msgspec.json.encode(answer) + b"\n")
                    await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # who asked is gone, or said nothing that ends
        finally:
            writer.close()

    async def _answer(self, line: bytes, user: str) -> Reply:
        try:
            command = _decoder.decode(line)
        except (msgspec.DecodeError, ValueError):
            return Refused("This is no command of this version of the server.")
        if isinstance(command, ShowStatus):
            return await self._show_status()
        if isinstance(command, _READ_ONLY):
            return await self._carry_out(command)
        if not self._audit.is_accepting():
            return Refused("Nothing can be recorded now, so nothing is changed.")
        answer = await self._carry_out(command)
        try:
            await self._audit.durably(self._render_record(command, answer, user))
        except Exception as error:  # INVARIANT D2
            logger.error("an operator's command could not be recorded: %s", type(error).__name__)
            return Refused("The audit record could not be written; look whether it was done.")
        return answer

    async def _show_status(self) -> Reply:
        if self._status_source is None:
            return Refused("This server has nothing to say of itself.")
        return await describe_server(self._status_source, self._audit.is_accepting())

    async def _carry_out(self, command: RoomsCommand) -> Reply:
        try:
            return await carry_out(self._rooms, command)
        except CommandRefused as refused:
            return Refused(str(refused))
        except Exception as error:
            logger.error("an operator's command failed with %s", type(error).__name__)
            return Refused("The server could not do that now; its log says more.")

    def _render_record(self, command: RoomsCommand, answer: Reply, user: str) -> bytes:
        """As an API call's, by the operator. Secrets: of the answer only the access key id."""
        parameters = {name: value for name, value in msgspec.to_builtins(command).items() if name != "type"}
        elements: dict[str, object] | None = None
        if not isinstance(answer, Refused):
            elements = {"accessKeyId": getattr(answer, "access_key_id", None)}
            elements["owner"] = getattr(answer, "owner", None)
        account_id = parameters.get("account_id") or ""
        if isinstance(command, CreateAccount) and elements is not None:
            account_id = str(elements["owner"])
        envelope = render_envelope(
            user_identity=render_user_identity(type="Operator", user_name=user),
            event_source=EVENT_SOURCE,
            event_name=type(command).__name__,
            region="",
            source_ip="operator.sock",
            user_agent="strongroom",
            read_only=False,
            resources=(),
            recipient_account_id=str(account_id),
            tls_details=None,
        )
        return render_event(
            envelope,
            self._rooms.clock.epoch_seconds(),
            "Refused" if isinstance(answer, Refused) else None,
            answer.sentence if isinstance(answer, Refused) else None,
            parameters,
            elements,
            None,
            self._ids.next(),
            self._ids.next(),
        )

    def _peer_name(self, connection: socket.socket) -> str | None:
        """The user at the other end, if it may be heard (INVARIANT D1)."""
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user_id, _ = _PEER.unpack(credentials)
        return self._names.get(user_id)


def _name_user(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
