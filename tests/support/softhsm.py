"""Fresh PKCS#11 tokens for tests: SoftHSM 2, and NSS's softokn.

Each is a directory of its own. SoftHSM finds its directory by the environment, so a process that is to use
the token is given `environment`; the fixture sets it for the test's own process, too.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.system_packages import require_package

from strongroom.boundary.pkcs11.binding import Module, load_module
from strongroom.boundary.pkcs11.numbers import RW_SESSION, SERIAL_SESSION, USER
from strongroom.boundary.pkcs11.token import Token

SOFTHSM_MODULE = "/usr/lib/softhsm/libsofthsm2.so"
NSS_MODULE = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so"
LABEL = "strongroom"
PIN = b"1234-user-pin"
OFFICER_PIN = b"5678-officer-pin"


@dataclass(frozen=True, slots=True)
class TestToken:
    """A token with a PIN, and how to reach it."""

    __test__ = False

    module: str
    label: str
    pin: bytes
    directory: Path
    """Where the token keeps its objects."""
    init_arguments: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    accepted_weaknesses: tuple[str, ...] = ()

    def open(self, pin: bytes | None = None) -> Token:
        """Log in, in this process."""
        return Token.open(self.module, self.label, pin or self.pin, self.init_arguments)

    def change_pin(self, new_pin: bytes) -> None:
        """Change the user's PIN; this object keeps the old one."""
        module = load_module(self.module, self.init_arguments)
        slot = next(token.slot for token in module.tokens() if token.label == self.label)
        session = open_session(module, slot)
        module.call("Login", session, USER, self.pin, len(self.pin))
        module.call("SetPIN", session, self.pin, len(self.pin), new_pin, len(new_pin))
        module.call("Logout", session)
        module.call("CloseSession", session)
        module.finalize_unless_used()


def open_session(module: Module, slot: int) -> int:
    """A session with nobody logged in."""
    handle = ctypes.c_ulong()
    module.call("OpenSession", slot, SERIAL_SESSION | RW_SESSION, None, None, ctypes.byref(handle))
    return handle.value


def make_softhsm(directory: Path, label: str = LABEL, pin: bytes = PIN) -> TestToken:
    """A fresh SoftHSM token below `directory`, which may hold others already."""
    require_package("softhsm2", SOFTHSM_MODULE)
    tokens, configuration = directory / "tokens", directory / "softhsm2.conf"
    tokens.mkdir(parents=True, exist_ok=True)
    configuration.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = {"SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", label),
            *("--pin", pin.decode(), "--so-pin", OFFICER_PIN.decode()),
        ],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return TestToken(SOFTHSM_MODULE, label, pin, tokens, environment=environment)


def make_nss(directory: Path, label: str = LABEL, pin: bytes = PIN) -> TestToken:
    """A fresh database of NSS's softokn in `directory`, as a token."""
    require_package("libnss3", NSS_MODULE)
    directory.mkdir(parents=True, exist_ok=True)
    arguments = (
        f"configdir='sql:{directory}' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
        f" dbTokenDescription='{label}'"
    )
    module = load_module(NSS_MODULE, arguments)
    slot = next(token.slot for token in module.tokens() if token.label == label)
    session = open_session(module, slot)
    module.call("Login", session, 0, b"", 0)  # the officer of a new database has no PIN
    module.call("InitPIN", session, pin, len(pin))
    module.call("Logout", session)
    module.call("CloseSession", session)
    module.finalize_unless_used()
    return TestToken(
        NSS_MODULE, label, pin, directory, arguments, accepted_weaknesses=("wraps-unextractable",)
    )


def write_token_configuration(directory: Path, token: TestToken) -> Path:
    """The file for `--config` of a server whose boundary works in the token."""
    pin_file, configuration = directory / "pin", directory / "strongroom.toml"
    pin_file.touch(0o600)
    pin_file.write_bytes(token.pin)
    variables = "".join(f'{name} = "{value}"\n' for name, value in token.environment.items())
    configuration.write_text(
        f'[pkcs11]\nmodule = "{token.module}"\ntoken_label = "{token.label}"\npin_file = "{pin_file}"\n'
        f'directories = ["{token.directory}"]\n[pkcs11.environment]\n{variables}'
    )
    return configuration
