"""`strongroom init` and `strongroom seal`.

This process checks what needs no secret and then *becomes* the seal program, so that no secret is ever in a
process that has loaded anything else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

NEW = ("key_file", "passphrase", "passphrase_fd", "shares", "pkcs11_token", "kms_key")
BROUGHT = (
    "key_file",
    "passphrase_fd",
    "asks_passphrase",
    "shares_fd",
    "asks_shares",
    "share_fd",
    "asks_share",
    "forgets_shares",
    "pkcs11_module",
    "pkcs11_arguments",
    "pin_fd",
    "kms_endpoint",
    "kms_credentials_file",
    "kms_ca_file",
)


class SealCommandRefused(Exception):
    """The command cannot be meant as it was given."""

    exit_code = 252


def run_init(data_directory: Path, **flags: Any) -> int:
    """`strongroom init`. Raises: SealCommandRefused, StartRefused, ConfigurationError."""
    new = _new_slots(data_directory, flags)
    from strongroom.preparation import require_seal_record
    from strongroom.processes.data_directory import open_data_directory

    directory = open_data_directory(data_directory)
    require_seal_record(data_directory)
    os.set_inheritable(directory.lock_fd, True)  # no server may start meanwhile
    _become_seal_program("init", data_directory, new, flags)


def run_seal(data_directory: Path, seal_command: str, slot: int | None = None, **flags: Any) -> int:
    """`strongroom seal ...`. Raises: SealCommandRefused, ConfigurationError."""
    new = _new_slots(data_directory, flags) if seal_command == "add-slot" else {}
    _become_seal_program(seal_command, data_directory, new, flags, slot)


def _new_slots(data_directory: Path, flags: dict[str, Any]) -> dict[str, Any]:
    new = {name: flags.get(f"new_{name}") for name in NEW}
    new["passphrase"] = bool(new["passphrase"]) or new["passphrase_fd"] is not None
    if not any(value not in (None, False) for value in new.values()):
        raise SealCommandRefused(
            "Say how the seal can be opened: name one slot or more (see --help), best two, one of them "
            "a passphrase or shares."
        )
    if new["key_file"] is not None:
        from strongroom.config import require_apart

        require_apart(new["key_file"], data_directory)
    return new


def _become_seal_program(
    command: str, data_directory: Path, new: dict[str, Any], flags: dict[str, Any], slot: int | None = None
) -> NoReturn:
    brought = {name: flags[name] for name in BROUGHT if flags.get(name) is not None}
    for name, value in (*brought.items(), *new.items()):
        if name.endswith("_fd") and value is not None:
            try:
                os.set_inheritable(value, True)
            except OSError:
                raise SealCommandRefused(
                    f"File {value} is not open: give it to the command, as in {value}<FILE."
                ) from None
    request = {
        "command": command,
        "data_directory": os.path.abspath(data_directory),
        "brought": brought,
        "new": new,
        "slot": slot,
    }
    text = json.dumps(request, default=os.path.abspath)
    program = [sys.executable, "-I", "-m", "strongroom.boundary.seal.program", "--request", text]
    sys.stdout.flush()
    os.execv(program[0], program)  # noqa: S606  no shell is what we want
