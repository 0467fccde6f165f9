"""The AWS SDK for Rust, unmodified: the program in `rust` beside this file.

It takes minutes to compile, so only `make torture` asks for it (RUST_CLIENTS=all). Needs cargo, and
its crates as the host configures them; without them the test skips aloud.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from tests.support.plain_server import serving_plainly

if os.environ.get("RUST_CLIENTS") != "all":
    pytest.skip("the AWS SDK for Rust is tried by make torture", allow_module_level=True)

SOURCES = Path(__file__).with_name("rust")


def absent(what: str) -> NoReturn:
    pytest.skip(f"the AWS SDK for Rust was not tested: {what}")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built in a temporary directory, where Cargo.lock is written, too."""
    cargo = shutil.which("cargo")
    if cargo is None:
        absent("there is no cargo here")
    directory = tmp_path_factory.mktemp("rust")
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(directory / "target")}

    def run(*arguments: str, timeout_seconds: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [cargo, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    fetched = run("fetch", timeout_seconds=300)
    if fetched.returncode != 0:
        absent(f"the crates cannot be had: {fetched.stderr[-400:]}")
    built = run("build", "--offline", "--quiet", timeout_seconds=1200)
    assert built.returncode == 0, built.stderr
    return directory / "target" / "debug" / "strongroom-conformance"


@pytest.mark.slow
def test_rust_sdk(program: Path, tmp_path: Path) -> None:
    with serving_plainly(tmp_path / "strongroom.toml") as environment:
        done = subprocess.run(
            [str(program)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "every assertion held\n"), done.stderr
