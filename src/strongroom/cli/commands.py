"""What each command does. Heavy rooms are imported late, so that `strongroom --version` is quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.cli.root_secret import take_root_secret

if TYPE_CHECKING:
    from strongroom.config import Mode


def run_dev(config: Path | None, **flags: str) -> int:
    """`strongroom dev`."""
    return _run_server("dev", config, flags)


def run_serve(config: Path | None, **flags: str) -> int:
    """`strongroom serve`."""
    return _run_server("serve", config, flags)


def run_serve_with_proxy(config: Path | None, **flags: str) -> int:
    """`strongroom xks-proxy serve`."""
    return _run_server("serve", config, flags, needs_proxy=True)


def _run_server(mode: Mode, config: Path | None, flags: dict[str, str], *, needs_proxy: bool = False) -> int:
    from strongroom.config import ConfigurationError, load_settings

    root_secret_fd = take_root_secret()
    settings = load_settings(
        mode,
        flags=flags,
        environment=os.environ,
        file=config,
        root_secret_given=root_secret_fd is not None,
    )
    if needs_proxy and settings.xks_proxy is None:
        raise ConfigurationError(
            f"{config} has no table [xks_proxy]: say there which keys are offered, on which port and with "
            "which certificate. docs/xks-proxy.md has an example."
        )
    from strongroom import bootstrap

    bootstrap.run_server(settings, root_secret_fd)
    return 0
