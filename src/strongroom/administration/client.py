"""The operator's side of the socket: one command, one answer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from strongroom.administration.messages import LINE_BYTES_MAX, SOCKET_NAME, Command, Refused, Reply

SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 1 << 20

_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


class ServerNotThere(Exception):
    """No server answers for the data directory."""

    exit_code = 255


class CommandFailed(Exception):
    """The server refused the command; the text is its sentence."""

    exit_code = 254


def ask(data_directory: Path, command: Command) -> Reply:
    """The server's answer. Raises: ServerNotThere, CommandFailed."""
    line = msgspec.json.encode(command) + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise CommandFailed("The command is too long.")
    try:
        answer = _exchange(data_directory, line)
    except (OSError, TimeoutError) as error:
        raise ServerNotThere(
            f"No server answers in {data_directory} ({error.strerror or 'no answer'}): start it first, or "
            "open its seal (strongroom seal status tells), and call this as the user that it runs as."
        ) from None
    if not answer.endswith(b"\n"):
        raise ServerNotThere(f"The server in {data_directory} gave no answer; its log may say why.")
    reply = _decoder.decode(answer)
    if isinstance(reply, Refused):
        raise CommandFailed(reply.sentence)
    return reply


def _exchange(data_directory: Path, line: bytes) -> bytes:
    directory = os.open(data_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS_MAX)
            connection.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
            connection.sendall(line)
            answer = b""
            while not answer.endswith(b"\n") and len(answer) <= ANSWER_BYTES_MAX:
                received = connection.recv(65_536)
                if not received:
                    break
                answer += received
            return answer
    finally:
        os.close(directory)
