"""What a boundary process is told to begin with: the `I` packet and the files beside it.

Every option and file that the boundary knows is gathered here; strongroom.boundary.start_packet reads them.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Final, NamedTuple

from strongroom.config import Settings
from strongroom.processes.errors import StartRefused
from strongroom.token_settings import TokenSettings

OWN_USER_ID: Final = 61_100
"""Of no user: outside the ranges that Debian and systemd give ids from (systemd.io/UIDS-GIDS)."""


class BoundaryFiles(NamedTuple):
    """Open files for the boundary. Secrets: the supervisor holds them and never reads them."""

    key_file: int | None
    """None: there is none, and the seal is opened in another way."""
    root_secret: int | None
    pkcs11_pin: int | None = None
    """The PIN of the boundary's PKCS#11 token."""


def boundary_options(settings: Settings) -> Mapping[str, str]:
    """What the settings say of the boundary. Shape: text without tabs and line ends. Raises: StartRefused."""
    token = {} if settings.pkcs11 is None else render_token_options(settings.pkcs11)
    return {
        "mode": settings.mode,
        "key_file_path": str(settings.seal_key_file),
        "user": "" if token and settings.boundary_user is None else _user_of_boundary(settings.boundary_user),
        "boundary_user": "wished" if settings.boundary_user is None else "required",
        "require_mlock": "required" if settings.require_mlock else "wished",
        "approved_only": "true" if settings.approved_only else "false",
        **token,
    }


def render_token_options(token: TokenSettings) -> Mapping[str, str]:
    """What the boundary is told of its PKCS#11 token; lists are joined by a unit separator."""
    lists = {
        "pkcs11_accepted": token.accepted_weaknesses,
        "pkcs11_directories": [str(directory) for directory in token.directories],
        "pkcs11_environment": [f"{name}={value}" for name, value in token.environment.items()],
    }
    return {
        "pkcs11_module": str(token.module),
        "pkcs11_label": token.token_label,
        "pkcs11_init_arguments": token.init_arguments,
        "pkcs11_network": "true" if token.network else "false",
        **{name: "\x1f".join(parts) for name, parts in lists.items()},
    }


def _user_of_boundary(name: str | None) -> str:
    """Shape: UID:GID. Raises: StartRefused."""
    if name is None:
        return f"{OWN_USER_ID}:{OWN_USER_ID}"
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise StartRefused(f"Setting boundary_user: there is no user {name} on this host.") from None
    if user.pw_uid in (0, os.geteuid()):
        raise StartRefused(
            f"Setting boundary_user: {name} is whom the server runs as; the boundary needs a user of its own."
        )
    return f"{user.pw_uid}:{user.pw_gid}"


def render_boundary_start(
    options: Mapping[str, str], files: Mapping[str, int], seal_record: bytes
) -> tuple[bytes, list[int]]:
    """The payload of the packet, and the files in their order. Raises ValueError."""
    lines = {**options, "files": ",".join(files)}
    for name, value in lines.items():
        if not name or any(character in name + value for character in "\t\n"):
            raise ValueError(f"option {name!r} of the boundary cannot be said")
    head = "\n".join(f"{name}\t{value}" for name, value in lines.items())
    return head.encode("utf-8") + b"\n\n" + seal_record, list(files.values())
