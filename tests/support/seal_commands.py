"""`strongroom init` and `strongroom seal` as a user calls them: secrets come by open files."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.server import STRONGROOM

PASSPHRASE = "correct horse battery staple"


def run_strongroom(
    *arguments: str | Path,
    secrets: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command. `secrets` maps flags such as --passphrase-fd to what the open file holds."""
    flags: list[str] = []
    fds: list[int] = []
    try:
        for flag, secret in (secrets or {}).items():
            with tempfile.TemporaryFile() as file:
                file.write(secret.encode())
                file.seek(0)
                fds.append(os.dup(file.fileno()))
            os.fchmod(fds[-1], 0o600)
            flags += [flag, str(fds[-1])]
        return subprocess.run(
            [str(STRONGROOM), *map(str, arguments), *flags],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            pass_fds=fds,
            start_new_session=True,  # no terminal
            env={**os.environ, **(environment or {})},
            timeout=60,
            check=False,
        )
    finally:
        for fd in fds:
            os.close(fd)


def shares_in(output: str) -> list[str]:
    """The shares that a command showed."""
    return re.findall(r"Share \d+ of \d+: +([A-Z2-7-]{89})$", output, re.MULTILINE)


def make_seal(data: Path, *flags: str | Path, secrets: Mapping[str, str] | None = None) -> Sequence[str]:
    """`strongroom init`; the shares, if any."""
    made = run_strongroom("init", "--data-dir", data, *flags, secrets=secrets)
    assert made.returncode == 0, made.stderr
    return shares_in(made.stdout)
