"""Tests that need a system package: they skip aloud where it is missing, and fail where CI=true.

`make test` installs the packages (tools/install_system_packages.sh), so on a build machine a missing one is
a fault, never a reason to test less.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def require_package(package: str, file: str | Path) -> None:
    """Skip the test, or fail it where CI=true, unless the file of a Debian package is there."""
    if not Path(file).exists():
        give_up(f"{package} is not installed ({file} is missing)")


def give_up(reason: str) -> None:
    """Skip the test aloud; fail it where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true: this must run here")
    pytest.skip(f"{reason}: this was NOT tested")
