"""Opening the seal of a server that waits for it: with a slot that opens here, or share by share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strongroom.boundary.seal.arrival import means_of, take_share
from strongroom.boundary.seal.means import open_any_slot
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.request import Request
from strongroom.boundary.seal.root_key_handing import (
    ASK,
    ATTEMPT_REFUSED,
    FORGET_SHARES,
    ask_to_open,
    give_share,
    tell_sealed,
)
from strongroom.boundary.seal.shares import render_share_content
from strongroom.boundary.seal_format import SealSlot

DOOR: Final = "seal.sock"
"""The socket at which a sealed server waits, in its data directory."""


def unseal(request: Request, slots: Sequence[SealSlot]) -> str:
    """Do what is asked; what is missing still, or nothing when the seal is open. Raises SealRefused."""
    directory, brought = request.data_directory, request.brought
    connect(directory).close()  # before anybody types; the server waits for nobody who does
    if brought.forgets_shares:
        with connect(directory) as server:
            tell_sealed(server, FORGET_SHARES)
        return "The shares that were given are forgotten."
    if brought.share_fd is not None or brought.asks_share:
        share = take_share(brought)
        with connect(directory) as server:
            return give_share(server, render_share_content(share))
    try:
        slot, root_key = open_any_slot(slots, means_of(brought, os.environ))
    except SealRefused:
        with contextlib.suppress(SealRefused), connect(directory) as server:
            tell_sealed(server, ATTEMPT_REFUSED)
        raise
    with connect(directory) as server:
        ask_to_open(server, slot, root_key)
    return ""


def describe_server(data_directory: Path) -> str:
    """Whether a server runs, and waits."""
    try:
        fd = os.open(data_directory / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return "none has run here"
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        if not (data_directory / DOOR).exists():
            return "running, seal open"
        told = ""
        with contextlib.suppress(SealRefused), connect(data_directory) as server:
            told = tell_sealed(server, ASK)
        return f"running and sealed, waits for strongroom seal unseal. {told}".strip()
    finally:
        os.close(fd)
    return "not running"


def connect(data_directory: Path) -> socket.socket:
    """To the server that waits. Raises SealRefused."""
    directory = os.open(data_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # By its open directory: a socket's path must be shorter than many a directory's.
        server.connect(f"/proc/self/fd/{directory}/{DOOR}")
    except OSError:
        server.close()
        raise SealRefused(
            f"No sealed server waits in {data_directory}: start it first, or its seal is open already"
            " (strongroom seal status tells)."
        ) from None
    finally:
        os.close(directory)
    return server
