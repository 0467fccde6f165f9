"""What the seal program is asked to do: a JSON document from the command line, without secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COMMANDS: Final = ("init", "status", "verify", "add-slot", "remove-slot", "unseal")


@dataclass(frozen=True, slots=True)
class Brought:
    """Where the means to open a slot are; numbers are open files. Secrets: none, they are read later."""

    key_file: Path | None = None
    passphrase_fd: int | None = None
    asks_passphrase: bool = False
    shares_fd: int | None = None
    asks_shares: bool = False
    share_fd: int | None = None
    """One share, for a server that gathers them."""
    asks_share: bool = False
    forgets_shares: bool = False
    pkcs11_module: Path | None = None
    pkcs11_arguments: str | None = None
    pin_fd: int | None = None
    kms_endpoint: str | None = None
    kms_credentials_file: Path | None = None
    kms_ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class NewSlots:
    """The slots to make: those that are not None."""

    key_file: Path | None = None
    passphrase: bool = False
    passphrase_fd: int | None = None
    shares: tuple[int, int] | None = None
    """How many are needed, of how many."""
    pkcs11_token: str | None = None
    kms_key: str | None = None

    def __bool__(self) -> bool:
        return self != NewSlots()


@dataclass(frozen=True, slots=True)
class Request:
    """One command."""

    command: str
    data_directory: Path
    brought: Brought = Brought()
    new: NewSlots = NewSlots()
    slot: int | None = None
    """The number of a slot, from 1, as `status` shows it."""


def parse_request(text: str) -> Request:
    """Raises ValueError for anything but a request of the same version."""
    members = json.loads(text)
    if not isinstance(members, dict) or members.get("command") not in COMMANDS:
        raise ValueError("not a request")
    try:
        return Request(
            command=members["command"],
            data_directory=Path(members["data_directory"]),
            brought=Brought(**_with_paths(members.get("brought", {}))),
            new=NewSlots(**_with_paths(members.get("new", {}))),
            slot=members.get("slot"),
        )
    except (TypeError, KeyError, AttributeError):
        raise ValueError("not a request") from None


def _with_paths(members: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in members.items():
        is_path = value is not None and (name.endswith(("_file", "_module")))
        made[name] = Path(value) if is_path else tuple(value) if isinstance(value, list) else value
    return made
