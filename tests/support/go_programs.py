"""Tests that are written in Go: built with unmodified clients, and run against a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

BUILD_FLAGS = ("-vet=off", "-gcflags=all=-l -dwarf=false", "-ldflags=-s -w")
"""Nothing is inlined, nothing kept for a debugger, and modules are not vetted: 40 % less time to compile."""


def go_tests(sources: Path) -> list[str]:
    """The names of the tests in a folder, which is never empty of them."""
    names = [
        name
        for path in sorted(sources.glob("*_test.go"))
        for name in re.findall(r"^func (Test\w+)\(", path.read_text(), re.MULTILINE)
    ]
    assert names
    return names


def absent(what: str) -> NoReturn:
    """Go is not among what we install: where the host has none, its clients go untested, aloud."""
    pytest.skip(f"Go's clients were not tested: {what}")


def build(sources: Sequence[Path], directory: Path) -> Path:
    """The tests as a program, built in the directory, where go.sum is written, too."""
    go = shutil.which("go")
    if go is None:
        absent("there is no go here")
    for path in sources:
        shutil.copy(path, directory)
    environment = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [go, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )

    found = run("list", "-deps", "-test", ".")
    if found.returncode != 0:
        absent(f"the modules cannot be had: {found.stderr[-400:]}")
    built = run("test", "-c", "-o", "walk", *BUILD_FLAGS, ".")
    assert built.returncode == 0, built.stderr
    return directory / "walk"


def require_pass(program: Path, environment: dict[str, str], name: str) -> None:
    """Run one of a program's tests."""
    done = subprocess.run(
        [str(program), f"-test.run=^{name}$", "-test.v", "-test.timeout=60s"],
        cwd=program.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"--- PASS: {name} " in done.stdout, done.stdout
