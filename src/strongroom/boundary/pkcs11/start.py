"""From the start packet to the module with its token: what the operator configured, and what he is told.

Source of the options: processes/boundary_start.py; the table is in docs/formats/boundary-frames.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import Final

from strongroom.boundary.pkcs11.connection import TokenConnection, TokenPlace
from strongroom.boundary.pkcs11.errors import (
    LoginUnclear,
    PinLocked,
    PinRefused,
    Pkcs11Error,
)
from strongroom.boundary.pkcs11.module import Pkcs11Module
from strongroom.boundary.pkcs11.probe import Weakness
from strongroom.boundary.software.module import SoftwareModule
from strongroom.confinement.sandbox import OpenDoors

PIN_BYTES_MAX: Final = 255
SEPARATOR: Final = "\x1f"
"""Between the parts of an option that is a list."""


class TokenRefusesStart(Exception):
    """The token cannot be used; one sentence says what to do, and holds no secret."""


def open_token_module(
    software: SoftwareModule,
    options: Mapping[str, str],
    files: Mapping[str, int],
    log: Callable[[str], None],
    tell_pin_refused: Callable[[], None],
) -> Pkcs11Module:
    """The module of the configured token. Raises TokenRefusesStart.

    `tell_pin_refused` is called when the token refuses the PIN: who starts boundaries must not try it again.
    """
    if "pkcs11_pin" not in files:
        raise TokenRefusesStart("The boundary was started without the PIN file of its PKCS#11 token.")
    pin = read_pin(files["pkcs11_pin"])
    environment = dict(one.split("=", 1) for one in _list(options, "pkcs11_environment"))
    os.environ.update(environment)  # the module reads it with getenv
    try:
        accepted = [Weakness(name) for name in _list(options, "pkcs11_accepted")]
        place = TokenPlace(
            options["pkcs11_module"],
            options["pkcs11_label"],
            pin,
            options.get("pkcs11_init_arguments", ""),
            accepted,
        )
        connection = TokenConnection(place, log, tell_pin_refused=tell_pin_refused)
        return Pkcs11Module(software, connection, _doors(options, environment))
    except PinRefused as error:
        raise TokenRefusesStart(_sentence_of(error)) from None
    except Pkcs11Error as error:
        raise TokenRefusesStart(f"The PKCS#11 token cannot be used: {error}") from None


def _sentence_of(error: PinRefused) -> str:
    if isinstance(error, LoginUnclear):
        return (
            f"The PKCS#11 token lets nobody log in, and does not say whether it is for the PIN ({error}): it"
            " may have counted a wrong one. Nothing was changed."
        )
    locked = isinstance(error, PinLocked)
    more = " The PIN is locked: the token's officer must set a new one." if locked else ""
    return f"The PKCS#11 token refuses the PIN in the PIN file ({error}).{more} Nothing was changed."


def read_pin(fd: int) -> bytes:
    """The PIN in its file, without a line end. Raises TokenRefusesStart. Secrets: the PIN."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise TokenRefusesStart(
            "The PIN file of the PKCS#11 token must be a file that nobody but its owner can read:"
            " set its mode to 0600."
        )
    pin = os.pread(fd, PIN_BYTES_MAX + 2, 0).removesuffix(b"\n").removesuffix(b"\r")
    if not 1 <= len(pin) <= PIN_BYTES_MAX:
        raise TokenRefusesStart(
            f"The PIN file of the PKCS#11 token must hold the PIN alone, 1 to {PIN_BYTES_MAX} bytes."
        )
    return pin


def _doors(options: Mapping[str, str], environment: Mapping[str, str]) -> OpenDoors:
    files = [value for value in environment.values() if os.path.isabs(value)]
    return OpenDoors(
        tuple(_list(options, "pkcs11_directories")),
        (options["pkcs11_module"], *files),
        options.get("pkcs11_network") == "true",
    )


def _list(options: Mapping[str, str], name: str) -> list[str]:
    text = options.get(name, "")
    return text.split(SEPARATOR) if text else []
