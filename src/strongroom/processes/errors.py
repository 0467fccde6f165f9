"""Why a server does not start, or does not go on."""

from __future__ import annotations


class ServerError(Exception):
    """One sentence for the operator. Drawn as a tree:

    ServerError
     ├─ StartRefused   something it needs is missing, taken, or not fit to hold keys
     └─ ServerFailed   it ran, and a process of it could not be kept running
    """

    exit_code = 255


class StartRefused(ServerError):
    """The server did not start; nothing was answered."""


class ServerFailed(ServerError):
    """The server stopped itself."""
