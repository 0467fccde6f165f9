"""What the settings name to open the seal with at a start. Files are opened here, and never read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from strongroom.config import Settings
from strongroom.processes.boundary_start import render_boundary_start


def opens_by_itself(settings: Settings) -> bool:
    """Whether the settings name anything but a key file to open the seal with."""
    ways = (settings.seal_passphrase_file, settings.seal_pkcs11_module, settings.seal_kms_endpoint)
    return any(way is not None for way in ways)


@contextmanager
def seal_program_start(settings: Settings, seal_record: bytes) -> Iterator[tuple[bytes, list[int]]]:
    """The payload of the seal program's `I` packet and the files with it, open meanwhile.

    Raises: OSError with the name of a file that cannot be opened.
    """
    named: dict[str, Path | None] = {"passphrase": settings.seal_passphrase_file}
    options: dict[str, str] = {}
    if settings.seal_pkcs11_module is not None:
        environment = ",".join(f"{name}={value}" for name, value in settings.seal_pkcs11_environment)
        options["pkcs11_module"] = str(settings.seal_pkcs11_module)
        options["pkcs11_arguments"] = settings.seal_pkcs11_arguments or ""
        options["pkcs11_environment"] = environment
        named["pin"] = settings.seal_pkcs11_pin_file
    if settings.seal_kms_endpoint is not None:
        options["kms_endpoint"] = settings.seal_kms_endpoint
        named["kms_credentials"] = settings.seal_kms_credentials_file
        named["kms_ca"] = settings.seal_kms_ca_file
    with ExitStack() as opened:
        files: dict[str, int] = {}
        for name, path in named.items():
            if path is not None:
                # O_NONBLOCK: a pipe, as /dev/fd/N may be one, has its content in it already
                files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                opened.callback(os.close, files[name])
        yield render_boundary_start(options, files, seal_record)
